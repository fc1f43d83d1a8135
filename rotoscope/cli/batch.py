"""rotoscope batch: translate many files, each once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.text import json_text, printable
from rotoscope.cli.batch_progress import hours, shown_batch
from rotoscope.cli.options import (
    MODEL,
    OUTPUT,
    RUN,
    SOURCE,
    STEADY,
    ModelArguments,
    OutputArguments,
    RunArguments,
    SourceArguments,
    SteadyArguments,
    as_keywords,
    chosen_models,
)
from rotoscope.cli.progress import Style

if TYPE_CHECKING:
    from rotoscope.jobs.results.progress import BatchReport, Missing

INCOMPLETE = 5


def batch(  # noqa: D417  cyclopts takes the help of flattened options from their fields
    *sources: str,
    out: Annotated[str, Parameter(name=("-o", "--out"))],
    model: Annotated[list[str] | None, Parameter(name=("-m", "--model"), negative=(), show_default=False)] = None,
    ending: str | None = None,
    workers: int | None = None,
    shard: str | None = None,
    retry_failed: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    watch: Annotated[bool, Parameter(negative=())] = False,
    segment: float = 60.0,
    on: str = "local",
    job_memory: float | None = None,
    source_options: SourceArguments = SOURCE,
    model_options: ModelArguments = MODEL,
    steady_options: SteadyArguments = STEADY,
    output_options: OutputArguments = OUTPUT,
    run_options: RunArguments = RUN,
    progress: Style = "auto",
    report: Path | None = None,
) -> int:
    """Translate many files, each once; the same command again does only what is missing.

    Parameters
    ----------
    sources
        Files, folders, globs in quotes such as 'in/**/*.mp4', also in an object store (s3://bucket/in), or one file of jobs
        (.jsonl): a JSON object on each line, with source, model and options of translate.
    out
        Folder of the results, or an address in an object store (s3://bucket/run7). Its folder .rotoscope keeps the records of
        what is done.
    model
        A bundled look, an .onnx file or a checkpoint; several make a chain.
    ending
        Ending of the results, such as .mkv; by default that of the source if it can be written, else .mp4 or .png.
    workers
        Processes; by default one for each 8 cores, on a GPU one for each job for which the cards have room. They share the
        cores of --threads. On Ray: jobs at once at most, each with the cores of --threads, by default 8.
    shard
        K/N: do only every Nth job from the Kth on, K from 0, for example on N machines with a common folder of results.
    retry_failed
        Try jobs again that failed three times or were refused.
    dry_run
        Print what would be done and how long it should take, and do nothing.
    watch
        Go on with files and objects that appear, until Ctrl-C.
    segment
        Seconds of a segment: videos longer than two segments are split; a killed process loses one, and free workers share a
        video. 0: none.
    on
        local: processes of this machine. ray:AUTO, ray:HOST:PORT: a Ray cluster.
    job_memory
        GiB of a GPU's memory that a job takes: a card gets as many jobs as it has room for; by default one.
    progress
        Progress on standard error: bars on a terminal (auto), bar, json, none.
    report
        Write what was done and what is missing into this JSON file.

    """
    import rotoscope
    from rotoscope.base.files import check_target, part_file

    if not sources:
        raise UsageError("no source; accepted: files, folders, globs in quotes, or one file of jobs (.jsonl)")
    if report is not None:
        check_target(report, source=None, overwrite=output_options.overwrite)
    options = as_keywords(source_options, model_options, steady_options, output_options, run_options)
    if options["engine"] == type(model_options)().engine:
        del options["engine"]  # a line of a file of jobs may name another
    models = chosen_models("batch", model, model_options.like) if model or model_options.like else ()
    with shown_batch(progress) as show:
        done = rotoscope.batch(
            sources, out, model=models, ending=ending, workers=workers, shard=shard, retry_failed=retry_failed,
            dry_run=dry_run, watch=watch, segment=segment, on=on,
            job_memory=job_memory, on_progress=show, **options,
        )  # fmt: skip
    if dry_run:
        print_plan(done)
        return 0
    print_report(done, out)
    if report is not None:
        with part_file(report, overwrite=output_options.overwrite) as part:
            part.write_text(json_text(done.to_json()) + "\n")
    return INCOMPLETE if done.missing or done.losses else 0


def print_plan(report: "BatchReport") -> None:
    """Print what a batch would do: the jobs on standard output, a summary on standard error."""
    waiting = [item for item in report.missing if item.state == "waiting"]
    for item in waiting:
        print(printable(f"{item.source} -> {item.target}"))
    others = len(report.missing) - len(waiting)
    rows = [
        f"{len(waiting)} of {report.total} to do, {report.before} done"
        + (f", {others} failed before" if others else "")
    ]
    if waiting and report.expected_seconds is not None:
        rows.append(f"about {hours(report.expected_seconds)} with one worker")
    rows += [f"missing: {item.source}: {_reason(item)}" for item in report.missing if item.state != "waiting"]
    for row in rows:
        print(printable(row), file=sys.stderr)


def print_report(report: "BatchReport", out: str) -> None:
    """Print on standard error what came of the jobs, each missing one on a line."""
    frames = sum(record.frames for record in report.made)
    rows = [
        f"{report.total - len(report.missing)}/{report.total} done ({report.before} before), {frames} frames, "
        f"{report.seconds:.1f} s -> {out}"
    ]
    for record in report.made:
        rows += [f"lost: {record.source}: {count} {what}" for what, count in record.losses.items()]
    for item in report.missing:
        times = f" ({item.attempts} attempts)" if item.attempts > 1 else ""
        rows.append(f"missing: {item.source}: {_reason(item) or item.state}{times}")
    for row in rows:
        print(printable(row), file=sys.stderr)


def _reason(item: "Missing") -> str:
    """Why a result is missing, without the name of the source, which stands before it."""
    return item.error.removeprefix(f"{item.source}: ")
