"""Jobs of long videos whose parts several workers write at once; a last task joins them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rotoscope.jobs.results.records import MOST_ATTEMPTS
from rotoscope.jobs.results.standing import Standing
from rotoscope.runtime.pipeline.parts import Part


@dataclass(frozen=True)
class Pending:
    """A piece of work for one worker: a whole job, or a part of one.

    may_divide  the job may be divided; False: its parts are written, and what is missing is not divided again
    """

    standing: Standing
    part: Part | None = None
    may_divide: bool = True

    @property
    def target(self) -> str:
        """Name of the result of the job, below the folder of results."""
        return self.standing.job.target


class Divisions:
    """The jobs whose parts are in work."""

    def __init__(self) -> None:
        self._left: dict[str, int] = {}  # parts that are not over, by target
        self._failures: Counter[tuple[str, int]] = Counter()
        self.shares: dict[str, float] = {}  # of the frames of a job that its ended parts have written, by target

    def divide(self, pending: Pending, parts: Iterable[Part]) -> list[Pending]:
        """The parts of a job, each to be done by itself."""
        divided = [replace(pending, part=part) for part in parts]
        self._left[pending.target] = len(divided)
        return divided

    def add_share(self, target: str, share: float) -> None:
        """Count what a part has written; share in [0,1]."""
        self.shares[target] = self.shares.get(target, 0.0) + share

    def ended(self, pending: Pending, *, is_written: bool) -> list[Pending]:
        """Return the next work after a part: the same part if it failed, the whole job after the last part, else nothing.

        A part that fails MOST_ATTEMPTS times is left to the whole job, whose error is reported.
        """
        assert pending.part is not None
        target = pending.target
        if not is_written:
            self._failures[target, pending.part.first] += 1
            if self._failures[target, pending.part.first] < MOST_ATTEMPTS:
                return [pending]
        self._left[target] -= 1
        return [] if self._left[target] else [replace(pending, part=None, may_divide=False)]
