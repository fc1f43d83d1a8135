"""The driver of a batch: gives jobs to workers, tries failed ones again, and counts what came of them."""

import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from rotoscope.base.errors import OutputFailed, RotoscopeError
from rotoscope.base.parts import remove_leftovers
from rotoscope.jobs.division import Divisions, Pending
from rotoscope.jobs.listing.inputs import num_bytes
from rotoscope.jobs.listing.job import BatchJob
from rotoscope.jobs.results.open_results import Results
from rotoscope.jobs.results.progress import BatchProgress, BatchReport, Missing, Pace, Working
from rotoscope.jobs.results.records import MOST_ATTEMPTS, Record, failed
from rotoscope.jobs.results.standing import History
from rotoscope.jobs.workers.local_workers import LocalWorkers, log_folder
from rotoscope.jobs.workers.ray_workers import RayWorkers
from rotoscope.jobs.workers.task import Outcome, Task
from rotoscope.jobs.workers.worker_process import Message, Worker
from rotoscope.runtime.pipeline.stopping import stop_on_signals

TICK_SECONDS = 0.5  # longest time between two looks at what workers, signals and a watched folder do
MOST_FAILED_STARTS = 3  # of workers, one after the other, before a batch gives up
MOST_LOST = (
    10  # nodes of a cluster that a job may lose before that counts as a failure: perhaps it is the job that ends them
)
PATIENCE_SECONDS = 90.0  # that a job waits for the process that had it before and is ending


def run_batch(
    jobs: Sequence[BatchJob],
    results: Results,
    history: History,
    *,
    workers: LocalWorkers | RayWorkers,
    overwrite: bool = False,
    segment_seconds: float = 0.0,
    look: Callable[[], Sequence[BatchJob]] | None = None,
    on_progress: Callable[[BatchProgress], None] = lambda _progress: None,
) -> BatchReport:
    """Do what is left of the jobs; an interruption ends the workers, and the same call goes on from there.

    history  says where each job stands
    look     called about twice a second for jobs that have come up meanwhile; the batch then ends only with SIGINT or SIGTERM
    Raises RotoscopeError if no worker can work.
    """
    driver = _Driver(
        results, history, workers, overwrite=overwrite, segment_seconds=segment_seconds, on_progress=on_progress
    )
    try:
        with stop_on_signals(driver.stop, enabled=look is not None):
            driver.add(jobs)
            driver.run(look)
        return driver.report()
    finally:
        driver.close()


class _Driver:
    """One batch in work."""

    def __init__(
        self,
        results: Results,
        history: History,
        workers: LocalWorkers | RayWorkers,
        *,
        overwrite: bool,
        segment_seconds: float,
        on_progress: Callable[[BatchProgress], None],
    ) -> None:
        self._results, self._history = results, history
        self._wanted, self._overwrites, self._segment_seconds = workers, overwrite, segment_seconds
        self._on_progress = on_progress
        self._begin = time.perf_counter()
        self._messages: queue.Queue[Message] = queue.Queue()
        self._workers: list[Worker] = []
        self._idle: list[Worker] = []
        self._num_started = self._failed_starts = 0
        self._is_stopped = False
        self._total = self._before = 0
        self._waiting: deque[Pending] = deque()
        self._in_work: dict[Worker, tuple[Pending, Record | None, Working]] = {}
        self._divisions = Divisions()
        self._attempts: Counter[str] = Counter()  # of jobs by target
        self._lost: Counter[str] = Counter()  # nodes, by target of the job that they had
        self._may_be_held: set[str] = set()  # targets whose last process may not have ended yet
        self._made: list[Record] = []
        self._missing: list[Missing] = []
        self._elsewhere: list[BatchJob] = []
        self._sizes: dict[str, int] = {}
        self._pace = Pace()

    def add(self, jobs: Iterable[BatchJob]) -> None:
        """Take jobs; those that are done or failed for good only count."""
        for job in jobs:
            standing = self._history.of(job)
            others = [item for item in self._missing if item.target != job.target]  # a watched file may come again
            self._total += 1 - (len(self._missing) - len(others))
            self._missing = others
            if standing.state == "done":
                self._before += 1
            elif standing.state == "missing":
                self._missing.append(standing.missing)
            else:
                self._attempts[job.target] = standing.attempts
                self._sizes[job.target] = num_bytes(job.source)
                self._pace.total_bytes += self._sizes[job.target]
                self._waiting.append(Pending(standing))

    def run(self, look: Callable[[], Sequence[BatchJob]] | None) -> None:
        """Work until nothing is left, or for ever if there is something to look for."""
        while not self._is_stopped:
            self._give()
            self._show()
            if not self._waiting and not self._in_work and look is None:
                return
            with suppress(queue.Empty):
                self._hear(self._messages.get(timeout=TICK_SECONDS))
                while not self._messages.empty():
                    self._hear(self._messages.get())
            if look is not None:
                self.add(look())

    def stop(self) -> None:
        """Let `run` end soon, from a signal handler."""
        self._is_stopped = True

    def close(self) -> None:
        """End the workers, and remove what killed ones left."""
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.wait()
        self._wanted.close()
        if self._results.folder is not None:
            for folder in {(self._results.folder / target).parent for target in self._sizes}:
                remove_leftovers(folder)
            with suppress(OSError):
                log_folder(self._results.name).rmdir()  # if it is empty

    def report(self) -> BatchReport:
        """What came of the jobs."""
        if self._elsewhere:
            self._history.read()
        for job in self._elsewhere:
            if self._history.of(job).state == "done":
                self._before += 1
            else:
                self._lose(job, "elsewhere", "another run works on it", 0)
        left = {item.target: item.standing.missing for item in self._pending()}
        return BatchReport(
            self._total,
            self._before,
            tuple(self._made),
            (*self._missing, *left.values()),
            time.perf_counter() - self._begin,
        )

    def _pending(self) -> list[Pending]:
        """Return the jobs that wait and those that workers have."""
        return [*self._waiting, *(pending for pending, _, _ in self._in_work.values())]

    def _give(self) -> None:
        """Give waiting jobs to idle workers, and start workers while there are more jobs."""
        while self._idle and (place := self._next_place()) is not None:
            num_jobs = len({item.target for item in self._pending()})
            worker, pending = self._idle.pop(0), self._waiting[place]
            del self._waiting[place]
            standing, job = pending.standing, pending.standing.job
            self._in_work[worker] = (pending, None, Working(worker.number, job.source))
            task = Task(
                job,
                self._wanted.threads,
                self._attempts[job.target],
                may_replace=self._overwrites or standing.record is not None,
                segment_seconds=self._segment_seconds,
                replaced=standing.replaced,
                patience_seconds=PATIENCE_SECONDS if pending.part or job.target in self._may_be_held else 0.0,
                part=pending.part,
                most_parts=max(1, self._wanted.number // num_jobs) if pending.may_divide else 1,
            )
            worker.give(task)
        starting = len(self._workers) - len(self._idle) - len(self._in_work)
        while len(self._workers) < self._wanted.number and starting < len(self._waiting):
            self._num_started += 1
            self._workers.append(self._wanted.start(self._num_started, self._results.name, self._messages))
            starting += 1

    def _next_place(self) -> int | None:
        """Place of the first waiting job whose target no worker of this batch writes as a whole; None: there is none."""
        whole = {pending.target for pending, _, _ in self._in_work.values() if not pending.part}
        return next((place for place, pending in enumerate(self._waiting) if pending.target not in whole), None)

    def _hear(self, message: Message) -> None:
        worker = message.worker
        if message.event == "ready":
            self._failed_starts = 0
            self._idle.append(worker)
        elif message.event == "started":
            pending, _, working = self._in_work[worker]
            self._in_work[worker] = (pending, Record.from_json(message.content["record"]), working)
        elif message.event == "progress":
            pending, record, working = self._in_work[worker]
            frames, seconds = message.content["frames"], message.content["seconds"]
            now = replace(
                working, frames=frames, total=message.content["total"], fps=frames / seconds if seconds else 0.0
            )
            self._in_work[worker] = (pending, record, now)
        elif message.event == "ended":
            pending, _, working = self._in_work.pop(worker)
            self._idle.append(worker)
            if pending.part is not None:
                self._divisions.add_share(pending.target, working.share)
            self._settle(pending, Outcome.from_json(message.content["outcome"]))
        elif message.event == "unusable":
            raise RotoscopeError(message.content["why"])
        else:
            self._bury(worker, message.content["why"], is_lost=message.event == "lost")

    def _bury(self, worker: Worker, why: str, *, is_lost: bool) -> None:
        """A worker has ended: its job has failed once; the next `_give` starts another.

        is_lost  it ended with its machine, which is not the fault of its job
        """
        self._workers.remove(worker)
        worker.wait()
        if worker in self._idle:
            self._idle.remove(worker)
            return
        if worker not in self._in_work:
            self._failed_starts += 1
            if self._failed_starts >= MOST_FAILED_STARTS:
                raise RotoscopeError(f"no worker can start: {why}")
            return
        pending, record, _ = self._in_work.pop(worker)
        target = pending.target
        self._may_be_held.add(target)
        if is_lost and self._lost[target] < MOST_LOST:
            self._lost[target] += 1
            self._waiting.append(_with_record(pending, record))
            return
        if record is not None:
            record = failed(record, why)
            with suppress(OutputFailed):  # the disk may be full; the report says why all the same
                now = self._results.of(record.key)
                if now is None or now.state != "done":
                    self._results.write(record)
        self._settle(pending, Outcome("failed", record, why))

    def _settle(self, pending: Pending, outcome: Outcome) -> None:
        """Note how a job ended; put it back if it may be tried again."""
        if outcome.state == "divided":
            self._waiting.extendleft(self._divisions.divide(_with_record(pending, outcome.record), outcome.parts))
            return
        if pending.part is not None:
            is_written = outcome.state == "part written"
            self._waiting.extendleft(self._divisions.ended(pending, is_written=is_written))
            return
        job = pending.standing.job
        if outcome.state == "elsewhere":
            self._elsewhere.append(job)
            return
        self._divisions.shares.pop(job.target, None)
        if outcome.state == "done" and outcome.record is not None:
            self._made.append(outcome.record)
            self._pace.done_bytes += self._sizes[job.target]
            return
        self._attempts[job.target] += 1
        if outcome.state == "failed" and self._attempts[job.target] < MOST_ATTEMPTS:
            self._waiting.append(_with_record(pending, outcome.record))
            return
        self._pace.total_bytes -= self._sizes[job.target]
        self._lose(job, outcome.state, outcome.error, self._attempts[job.target])

    def _lose(self, job: BatchJob, state: str, error: str, attempts: int) -> None:
        self._missing.append(Missing(job.source, job.target, state, error, attempts))

    def _show(self) -> None:
        seconds = time.perf_counter() - self._begin
        working = tuple(working for worker, (_, _, working) in self._in_work.items() if worker.is_running)
        shares = [(pending.target, now.share) for pending, _, now in self._in_work.values()]
        shares += self._divisions.shares.items()
        in_work = sum(self._sizes[target] * share for target, share in shares)
        self._on_progress(
            BatchProgress(
                total=self._total,
                done=self._before + len(self._made),
                missing=len(self._missing),
                working=tuple(sorted(working, key=lambda item: item.worker)),
                seconds=seconds,
                eta_seconds=self._pace.eta(seconds, in_work),
            )
        )


def _with_record(pending: Pending, record: Record | None) -> Pending:
    """Return the pending job with the record that stands for it now; a source that changes gets another record later."""
    if record is None:
        return pending
    standing = pending.standing
    replaced = tuple(dict.fromkeys((*standing.replaced, record.key)))
    return replace(pending, standing=replace(standing, record=record, replaced=replaced))
