"""How a batch goes on, and how it went."""

from dataclasses import dataclass
from typing import Any

from rotoscope.jobs.results.records import Record


@dataclass(frozen=True)
class Working:
    """What a worker does now; frames is None before the first report, total if the header does not say it."""

    worker: int
    source: str
    frames: int | None = None
    total: int | None = None
    fps: float = 0.0

    @property
    def share(self) -> float:
        """Share of the frames that are done, in [0,1]; 0 if it is not known."""
        return min(1.0, self.frames / self.total) if self.frames and self.total else 0.0


@dataclass(frozen=True)
class BatchProgress:
    """State of a batch.

    total        jobs of the batch
    done         results that are there, also from before
    missing      jobs that failed for good
    working      one entry for each worker that has a job
    seconds      since the batch began
    eta_seconds  until its end, by bytes of sources; None before the first is done
    """

    total: int
    done: int
    missing: int
    working: tuple[Working, ...]
    seconds: float
    eta_seconds: float | None


@dataclass(frozen=True)
class Missing:
    """A job whose result is not there.

    state     "refused": its input, model or options cannot work; "failed" after its attempts; "waiting": not tried, because the
              batch was stopped or is a dry run; "elsewhere": another run works on it
    attempts  that failed
    """

    source: str
    target: str
    state: str
    error: str = ""
    attempts: int = 0


@dataclass(frozen=True)
class BatchReport:
    """Record of a batch.

    total             jobs
    before            results that were there before
    made              records of the results that were made now
    missing           jobs without a result
    seconds           of the whole batch
    expected_seconds  of a dry run: about how long the missing ones take; None if it cannot be said
    """

    total: int
    before: int
    made: tuple[Record, ...]
    missing: tuple[Missing, ...]
    seconds: float
    expected_seconds: float | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every result is there."""
        return not self.missing

    @property
    def losses(self) -> int:
        """Results made now that lack frames or packets of their source."""
        return sum(1 for record in self.made if record.losses)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "schema": 1,
            "total": self.total,
            "done": self.total - len(self.missing),
            "before": self.before,
            "seconds": round(self.seconds, 3),
            "missing": [vars(item) for item in self.missing],
            "made": [record.to_json() for record in self.made],
        }


@dataclass
class Pace:
    """Bytes of sources done over time, from which the end is estimated.

    total_bytes  of the sources of all jobs that are to be done
    """

    total_bytes: float = 0.0
    done_bytes: float = 0.0

    def eta(self, seconds: float, in_work: float) -> float | None:
        """Seconds until the end; in_work: bytes of the jobs in work that are done. None before anything is done."""
        done = self.done_bytes + in_work
        return max(0.0, seconds * (self.total_bytes - done) / done) if done > 0 else None
