"""Do one job: translate its source, and write its record before and after."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from rotoscope.assembly.file_translation import translate_file
from rotoscope.base.errors import InputRefused, ModelRefused, OutputFailed, RotoscopeError, UsageError
from rotoscope.base.options import ModelOptions
from rotoscope.base.text import one_line
from rotoscope.jobs.chains import Chains
from rotoscope.jobs.inputs import Inputs
from rotoscope.jobs.job import own_folder, segment_folder
from rotoscope.jobs.records import Record, Records, failed, result_bytes, result_digest, start_of
from rotoscope.jobs.standing import key_of
from rotoscope.jobs.task import Outcome, Task
from rotoscope.runtime.pipeline.job import Progress, Run
from rotoscope.runtime.pipeline.segmentation import Segmented

REFUSALS = (InputRefused, ModelRefused, UsageError)  # the same call would fail again


def do(
    task: Task,
    out: Path,
    chains: Chains,
    *,
    on_start: Callable[[Record], None] = lambda _record: None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Outcome:
    """Do a job; what fails becomes an Outcome, only an interruption is raised.

    out       folder of results
    on_start  called with the record of the job when it has been written, before the first frame
    """
    begin = time.perf_counter()
    record: Record | None = None
    records = Records(out)
    try:
        with _claimed(out, task.job.target) as is_ours:
            if not is_ours:
                return Outcome("elsewhere", error="another run works on it")
            key, inputs = key_of(task.job, Inputs(), chains.digests(task.job))
            before = records.of(key)
            if before is not None and before.target != task.job.target:
                before = None  # not written by a run
            if before is not None and before.state == "done" and records.is_whole(before):
                return Outcome("done", before)  # by a run beside this one
            record = start_of(task.job, key, inputs, chains.digests(task.job), task.attempts)
            records.write(record)
            on_start(record)
            run = _translated(
                task,
                record.key,
                out,
                chains,
                may_replace=task.may_replace or before is not None,
                on_progress=on_progress,
            )
            record = _done(record, run, out, time.perf_counter() - begin)
            records.write(record)
            for other in task.replaced:
                if other != record.key:
                    records.forget(other)
            return Outcome("done", record)
    except REFUSALS as error:
        return _failed(records, record, str(error), is_final=True)
    except (RotoscopeError, OSError, MemoryError) as error:
        return _failed(records, record, one_line(str(error) or type(error).__name__), is_final=False)
    except Exception as error:
        return _failed(
            records, record, one_line(f"a bug in Rotoscope: {type(error).__name__}: {error}"), is_final=False
        )


def _translated(
    task: Task, key: str, out: Path, chains: Chains, *, may_replace: bool, on_progress: Callable[[Progress], None]
) -> Run:
    target = out / task.job.target
    target.parent.mkdir(parents=True, exist_ok=True)
    models = chains.of(task.job)
    others = {name: value for name, value in task.job.options.items() if name not in ModelOptions.__annotations__}
    in_flight = others.pop("in_flight", None)
    segments = None
    if task.segment_seconds:
        segments = Segmented(segment_folder(out, key), task.segment_seconds, is_required=False)
    return translate_file(
        task.job.source,
        str(target),
        models,
        {**others, "overwrite": may_replace},
        threads=task.threads,
        in_flight=in_flight,
        segments=segments,
        on_progress=on_progress,
    )


def _done(record: Record, run: Run, out: Path, seconds: float) -> Record:
    target = out / record.target
    return replace(
        record,
        state="done",
        error="",
        frames=run.frames_out,
        seconds=round(seconds, 3),
        digest=result_digest(target),
        bytes=result_bytes(target) or 0,
        losses=run.losses,
        notes=run.notes,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _failed(records: Records, record: Record | None, error: str, *, is_final: bool) -> Outcome:
    if record is None:
        return Outcome("refused" if is_final else "failed", error=error)
    record = failed(record, error, is_final=is_final)
    with suppress(OutputFailed):  # the disk may be full; the driver reports the failure all the same
        records.write(record)
    return Outcome("refused" if is_final else "failed", record, error)


@contextmanager
def _claimed(out: Path, target: str) -> Iterator[bool]:
    """Hold the lock of a target for the block; False if another process holds it."""
    lock = FileLock(own_folder(out, "locks") / f"{hashlib.sha256(os.fsencode(target)).hexdigest()[:32]}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
