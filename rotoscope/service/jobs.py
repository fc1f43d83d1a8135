"""Jobs and the lane they wait in: a bounded queue whose jobs run one after the other in a thread."""

import functools
import logging
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rotoscope.base.errors import RotoscopeError
from rotoscope.base.text import one_line
from rotoscope.runtime.pipeline.job import Progress
from rotoscope.service.refusals import Refused, Stopped

State = Literal["uploading", "waiting", "running", "done", "failed"]
Translate = Callable[[Path, Path, Mapping[str, Any], Callable[[Progress], None]], object]
"""Translates a file into another with options of `translate`; the last argument is called after every frame."""

log = logging.getLogger("rotoscope")


@dataclass(eq=False)
class ClipJob:
    """One file to be translated, in a folder of its own.

    done, total   frames; total comes from the header, and is None or wrong if the header is
    seconds       of the translation so far; started_s: its start on the monotonic clock
    error         what went wrong, also for the client; None unless the state is "failed"
    is_fetched    its result has been sent, or its error told
    """

    folder: Path
    ending: str
    options: Mapping[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    state: State = "uploading"
    done: int = 0
    total: int | None = None
    seconds: float = 0.0
    started_s: float = 0.0
    error: Exception | None = None
    is_cancelled: bool = False
    is_fetched: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    on_end: Callable[[], None] = lambda: None

    @property
    def upload(self) -> Path:
        """The file that the client sent."""
        return self.folder / f"upload{self.ending}"

    @property
    def result(self) -> Path:
        """The translated file."""
        return self.folder / f"result{self.ending}"

    def delete(self) -> None:
        """Remove its files."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Lane:
    """Runs jobs one after the other.

    name          of the lane and its thread, "pictures" or "clips"
    most          jobs that may be in it, those that are being uploaded included
    keep          finished jobs whose results are kept
    most_seconds  longest time of one job
    """

    def __init__(
        self, name: str, folder: Path, translate: Translate, *, most: int, keep: int, most_seconds: float
    ) -> None:
        self.name, self.most = name, most
        self.counts: dict[str, int] = dict.fromkeys(("done", "failed", "refused"), 0)
        self.busy_seconds = 0.0
        self._folder, self._translate, self._keep, self._most_seconds = folder, translate, keep, most_seconds
        self._changed = threading.Condition()
        self._jobs: dict[str, ClipJob] = {}
        self._waiting: deque[ClipJob] = deque()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=f"rotoscope-{name}", daemon=True)
        self._thread.start()

    def reserve(self, ending: str, options: Mapping[str, Any]) -> ClipJob:
        """A new job in the state "uploading"; raises Refused with 429 if the lane is full, with 503 if it is closed."""
        with self._changed:
            if self._is_closed:
                raise Refused(503, "the service is stopping")
            if self.num_pending >= self.most:
                self.counts["refused"] += 1
                raise Refused(429, f"{self.most} {self.name} wait already; try again later")
            job = ClipJob(self._folder / secrets.token_hex(16), ending, options)
            job.folder.mkdir()
            self._jobs[job.id] = job
            return job

    def begin(self, job: ClipJob) -> None:
        """Let a job whose file has arrived wait for its turn."""
        with self._changed:
            job.state = "waiting"
            self._waiting.append(job)
            self._changed.notify_all()

    def get(self, id_: str) -> ClipJob | None:
        """The job of this id; None if it never was, was deleted, or has been dropped for a newer one."""
        with self._changed:
            return self._jobs.get(id_)

    def cancel(self, job: ClipJob) -> None:
        """Forget a job and delete its files; one that runs ends after its frame."""
        with self._changed:
            job.is_cancelled = True
            self._jobs.pop(job.id, None)
            if job in self._waiting:
                self._waiting.remove(job)
            if job.state != "running":
                job.delete()
            self._changed.notify_all()

    @property
    def num_pending(self) -> int:
        """Jobs that are being uploaded, wait or run."""
        return sum(job.state in ("uploading", "waiting", "running") for job in self._all())

    @property
    def num_running(self) -> int:
        """Jobs that are being translated, 0 or 1."""
        return sum(job.state == "running" for job in self._all())

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in work and every result has been fetched."""
        return all(job.state in ("done", "failed") and job.is_fetched for job in self._all())

    def close(self) -> None:
        """Take no more jobs; those that were taken go on."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def stop(self) -> None:
        """End all jobs; one that runs ends after its frame."""
        self.close()
        with self._changed:
            for job in list(self._jobs.values()):
                self.cancel(job)

    def _all(self) -> list[ClipJob]:
        with self._changed:
            return list(self._jobs.values())

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._translate(job.upload, job.result, job.options, functools.partial(self._note, job))
            except RotoscopeError as error:
                job.error = error
            except MemoryError:
                job.error = RotoscopeError("not enough memory for this file")
            except Exception as error:  # the service goes on
                log.warning("a bug in Rotoscope: %s: %s", type(error).__name__, one_line(str(error)))
                job.error = RotoscopeError("an error in the service; its log says more")
            self._end(job)

    def _next(self) -> ClipJob | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or (self._is_closed and not self._is_uploading()))
            if not self._waiting:
                return None
            job = self._waiting.popleft()
            job.state, job.started_s = "running", time.monotonic()
            return job

    def _is_uploading(self) -> bool:
        return any(job.state == "uploading" for job in self._jobs.values())

    def _note(self, job: ClipJob, now: Progress) -> None:
        job.done, job.total, job.seconds = now.done, now.total, now.seconds
        if job.is_cancelled:
            raise Stopped("cancelled")
        if time.monotonic() - job.started_s > self._most_seconds:
            raise Stopped(f"not finished after {self._most_seconds:g} seconds, the limit of this service")

    def _end(self, job: ClipJob) -> None:
        seconds = time.monotonic() - job.started_s
        job.upload.unlink(missing_ok=True)
        with self._changed:
            job.state, job.seconds = "done" if job.error is None else "failed", seconds
            self.counts[job.state] += 1
            self.busy_seconds += seconds
            if job.is_cancelled:
                job.delete()
            ended = [each for each in self._jobs.values() if each.state in ("done", "failed")]
            for old in ended[: max(0, len(ended) - self._keep)]:
                del self._jobs[old.id]
                old.delete()
            self._changed.notify_all()
        job.ended.set()
        job.on_end()
