"""What driver and worker tell each other: one JSON object on each line of a pipe."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from rotoscope.jobs.listing.job import BatchJob
from rotoscope.jobs.results.records import Record
from rotoscope.runtime.pipeline.parts import Part

EndState = Literal["done", "failed", "refused", "elsewhere", "divided", "part written"]


@dataclass(frozen=True)
class Task:
    """A job as a worker gets it.

    threads          cores that it may use; None: all
    attempts         that failed before
    may_replace      whether a result that is there may be replaced: it is of this job, or the user said so
    segment_seconds  length of segments of long files; 0: none
    replaced         keys of the records of what stands at the target
    patience_seconds  for which it waits if another process works on the target
    part             to be written alone, in segments; None: the whole job
    most_parts       into which a long job may be divided; the outcome names them then, and nothing is written
    """

    job: BatchJob
    threads: int | None
    attempts: int
    may_replace: bool
    segment_seconds: float = 0.0
    replaced: tuple[str, ...] = ()
    patience_seconds: float = 0.0
    part: Part | None = None
    most_parts: int = 1

    def to_json(self) -> dict[str, Any]:
        """The task as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The task of what `to_json` gave."""
        job = content["job"]
        made = BatchJob(job["source"], job["target"], tuple(job["models"]), job["options"])
        part = None if content["part"] is None else Part(**content["part"])
        return cls(**{**content, "job": made, "replaced": tuple(content["replaced"]), "part": part})


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    state   "elsewhere": another run works on the job now; "divided": it is to be done in parts
    record  that stands for it now; None if the job has no key, because an input or a model cannot be read
    error   one line; empty if it is done
    parts   of a divided job
    """

    state: EndState
    record: Record | None = None
    error: str = ""
    parts: tuple[Part, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The outcome as JSON holds it."""
        return {
            "state": self.state,
            "record": None if self.record is None else self.record.to_json(),
            "error": self.error,
            "parts": [asdict(part) for part in self.parts],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The outcome of what `to_json` gave."""
        record = content["record"]
        parts = tuple(Part(**part) for part in content["parts"])
        return cls(content["state"], None if record is None else Record.from_json(record), content["error"], parts)
