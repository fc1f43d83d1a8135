"""Do one job: translate its source, and write its record before and after."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rotoscope.assembly.file_translation import translate_file
from rotoscope.base.errors import InputRefused, ModelRefused, OutputFailed, RotoscopeError, UsageError
from rotoscope.base.options import ModelOptions
from rotoscope.base.text import one_line
from rotoscope.jobs.listing.inputs import Inputs
from rotoscope.jobs.results.open_results import Results, open_results
from rotoscope.jobs.results.records import Record, failed, result_bytes, result_digest, start_of
from rotoscope.jobs.results.standing import key_of
from rotoscope.jobs.stores.remote_sources import fetched, forget
from rotoscope.jobs.stores.store import Changed
from rotoscope.jobs.workers.chains import Chains
from rotoscope.jobs.workers.task import Outcome, Task
from rotoscope.runtime.pipeline.job import Progress, Run
from rotoscope.runtime.pipeline.parts import Part, SceneUnknown
from rotoscope.runtime.pipeline.segmentation import Segmented, ToBeDivided

REFUSALS = (InputRefused, ModelRefused, UsageError)  # the same call would fail again


def do(
    task: Task,
    out: str,
    chains: Chains,
    *,
    on_start: Callable[[Record], None] = lambda _record: None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Outcome:
    """Do a job; what fails becomes an Outcome, only an interruption is raised.

    out       folder of results, or address of an object store
    on_start  called with the record of the job when it has been written, before the first frame
    """
    begin = time.perf_counter()
    record: Record | None = None
    try:
        records = open_results(out)
    except RotoscopeError as error:
        return Outcome("failed", error=str(error))
    if task.part is not None:
        return _do_part(task, task.part, records, chains, on_progress)
    try:
        with records.claimed(task.job.target, task.patience_seconds) as is_ours:
            if not is_ours:
                return Outcome("elsewhere", error="another run works on it")
            forget(task.job.source)
            key, inputs = key_of(task.job, Inputs(), chains.digests(task.job))
            before = records.of(key)
            if before is not None and before.target != task.job.target:
                before = None  # not written by a run
            if before is not None and before.state == "done" and records.is_whole(before):
                records.forget_segments(key)
                return Outcome("done", before)  # by a run beside this one
            record = start_of(task.job, key, inputs, chains.digests(task.job), task.attempts)
            records.write(record)
            on_start(record)
            may_replace = task.may_replace or before is not None
            with (
                fetched(task.job.source) as source,
                records.writing(task.job.target, may_replace=may_replace) as target,
                records.segments(record.key, task.segment_seconds) as segments,
            ):
                run = _translated(
                    task,
                    source,
                    target,
                    chains,
                    segments=replace(segments, most_parts=task.most_parts),
                    may_replace=may_replace,
                    on_progress=on_progress,
                )
                record = _done(record, run, target, time.perf_counter() - begin)
            records.write(record)
            records.forget_segments(record.key)
            for other in task.replaced:
                if other != record.key:
                    records.forget(other)
                    records.forget_segments(other)
            return Outcome("done", record)
    except ToBeDivided as division:
        return Outcome("divided", record, parts=division.parts)
    except REFUSALS as error:
        return _failed(records, record, str(error), is_final=True)
    except Changed as error:  # this process was taken for dead, and another one has its job
        return Outcome("elsewhere", error=str(error))
    except (RotoscopeError, OSError, MemoryError) as error:
        return _failed(records, record, one_line(str(error) or type(error).__name__), is_final=False)
    except Exception as error:
        return _failed(
            records, record, one_line(f"a bug in Rotoscope: {type(error).__name__}: {error}"), is_final=False
        )


def _do_part(
    task: Task, part: Part, records: Results, chains: Chains, on_progress: Callable[[Progress], None]
) -> Outcome:
    """Write the segments of a part."""
    job = task.job
    try:
        with records.claimed(f"{job.target} from {part.first}", task.patience_seconds) as is_ours:
            if not is_ours:
                return Outcome("elsewhere", error="another run works on it")
            forget(job.source)
            key, _ = key_of(job, Inputs(), chains.digests(job))
            before = records.of(key)
            if (
                before is not None
                and before.target == job.target
                and before.state == "done"
                and records.is_whole(before)
            ):
                return Outcome("part written")  # with the whole, by a run beside this one
            with fetched(job.source) as source, records.segments(key, task.segment_seconds, part) as segments:
                segments.folder.mkdir(parents=True, exist_ok=True)
                target = segments.folder / f"part{Path(job.target).suffix}"  # its ending alone counts
                write = partial(_translated, task, source, target, chains, may_replace=True, on_progress=on_progress)
                try:
                    write(segments=segments)
                except SceneUnknown:
                    write(segments=replace(segments, part=replace(part, look_back=None)))
        return Outcome("part written")
    except Exception as error:  # the whole job, which comes after its parts, tells what is wrong
        return Outcome("failed", error=one_line(f"{type(error).__name__}: {error}"))


def _translated(
    task: Task,
    source: str,
    target: Path,
    chains: Chains,
    *,
    segments: Segmented,
    may_replace: bool,
    on_progress: Callable[[Progress], None],
) -> Run:
    models = chains.of(task.job)
    others = {name: value for name, value in task.job.options.items() if name not in ModelOptions.__annotations__}
    in_flight = others.pop("in_flight", None)
    try:
        return translate_file(
            source,
            str(target),
            models,
            {**others, "overwrite": may_replace},
            threads=task.threads,
            in_flight=in_flight,
            segments=segments if task.segment_seconds else None,
            on_progress=on_progress,
        )
    except SceneUnknown:
        raise
    except RotoscopeError as error:
        if source == task.job.source:
            raise
        raise type(error)(str(error).replace(source, task.job.source)) from error  # the user knows the address


def _done(record: Record, run: Run, target: Path, seconds: float) -> Record:
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


def _failed(records: Results, record: Record | None, error: str, *, is_final: bool) -> Outcome:
    if record is None:
        return Outcome("refused" if is_final else "failed", error=error)
    record = failed(record, error, is_final=is_final)
    with suppress(OutputFailed):  # the disk may be full; the driver reports the failure all the same
        records.write(record)
    return Outcome("refused" if is_final else "failed", record, error)
