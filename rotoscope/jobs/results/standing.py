"""What became of jobs before: from the records, by content; nothing that is done is done again."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rotoscope.base.errors import RotoscopeError
from rotoscope.jobs.listing.inputs import Input, Inputs
from rotoscope.jobs.listing.job import BatchJob, job_key
from rotoscope.jobs.results.open_results import Results
from rotoscope.jobs.results.progress import Missing
from rotoscope.jobs.results.records import Record
from rotoscope.jobs.stores.store import place_of


@dataclass(frozen=True)
class Standing:
    """Where a job stands before a batch.

    state     "waiting": to be done; "done": there is nothing to do; "missing": it failed before and is not tried again
    record    of the job; None if it was never started
    error     why it is missing
    replaced  keys of all records of the target
    """

    job: BatchJob
    state: Literal["waiting", "done", "missing"]
    record: Record | None = None
    error: str = ""
    replaced: tuple[str, ...] = ()

    @property
    def attempts(self) -> int:
        """Attempts that failed and count."""
        return 0 if self.record is None else self.record.attempts

    @property
    def missing(self) -> Missing:
        """The job in a report, if it is not done."""
        state = "waiting" if self.state == "waiting" else "refused" if self.record is None else self.record.state
        return Missing(self.job.source, self.job.target, state, self.error, self.attempts)


class History:
    """The records of a folder, by target.

    model_digests  digests of a job's model files
    retry_failed   jobs that failed for good are waiting again, with no attempts
    overwrite      results that are not of these jobs may be replaced
    """

    def __init__(
        self,
        records: Results,
        model_digests: Callable[[BatchJob], tuple[str, ...]],
        *,
        retry_failed: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._records, self._model_digests = records, model_digests
        self._retries, self._overwrites = retry_failed, overwrite
        self.read()

    def read(self) -> None:
        """Read all records again."""
        found = self._records.all()
        self._by_target: dict[str, list[Record]] = defaultdict(list)
        for record in found:
            self._by_target[record.target].append(record)
        self._inputs = Inputs(known_inputs(found))

    def of(self, job: BatchJob) -> Standing:
        """Where a job stands. Inputs are read only if there is a record of its target."""
        candidates = self._by_target.get(job.target, [])
        return replace(self._of(job, candidates), replaced=tuple(record.key for record in candidates))

    def _of(self, job: BatchJob, candidates: Sequence[Record]) -> Standing:
        record = self._matching(job, candidates) if candidates else None
        if record is None:
            if not self._overwrites and self._records.has(job.target):
                place = place_of(self._records.name, job.target)
                error = f"{place} exists and is not the result of this job; --overwrite replaces it"
                return Standing(job, "missing", None, error)
            return Standing(job, "waiting")
        if record.state == "done":
            return Standing(job, "done" if self._records.is_whole(record) else "waiting", record)
        if self._retries:
            return Standing(job, "waiting", replace(record, attempts=0))
        if record.is_final:
            return Standing(job, "missing", record, record.error)
        return Standing(job, "waiting", record)

    def _matching(self, job: BatchJob, candidates: Iterable[Record]) -> Record | None:
        try:
            key = key_of(job, self._inputs, self._model_digests(job))[0]
        except RotoscopeError:  # an input is gone or a model unreadable: the attempt says so
            return None
        return next((record for record in candidates if record.key == key), None)


def key_of(job: BatchJob, inputs: Inputs, models: tuple[str, ...]) -> tuple[str, dict[str, Input]]:
    """The key of a job and its inputs; raises InputRefused for one that is not there."""
    found = {"source": inputs.read(job.source)}
    found |= {name: inputs.read(path) for name, path in sorted(job.further_inputs.items())}
    return job_key(job, {name: item.digest for name, item in found.items()}, models), found


def known_inputs(records: Iterable[Record]) -> list[tuple[str, Input]]:
    """(name of a file, what was found) of all inputs of records."""
    known = []
    for record in records:
        paths = BatchJob(record.source, record.target, record.models, record.options).further_inputs
        paths["source"] = record.source
        known += [(paths[name], found) for name, found in record.inputs.items() if name in paths and found.stamp]
    return known
