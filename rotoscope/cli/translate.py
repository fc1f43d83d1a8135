"""rotoscope translate: translate a video, picture or image sequence."""

import logging
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.options import ModelOptions, SourceOptions, SteadyOptions
from rotoscope.base.text import json_text, printable
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
from rotoscope.cli.overwrite_rules import chosen_target, refuse_inputs
from rotoscope.cli.progress import Style, shown_progress
from rotoscope.cli.settings import used_files
from rotoscope.cli.usage_errors import no_such_option
from rotoscope.cli.version import versions

if TYPE_CHECKING:
    from rotoscope.runtime.pipeline.job import Run

FINISHED_WITH_LOSSES = 5
OTHER_FLAGS = ("model", "resume", "output", "progress", "report")
FOR_SEVERAL_FILES = "for several files: rotoscope batch FILES -o FOLDER -m MODEL"


def translate(  # noqa: D417  cyclopts takes the help of flattened options from their fields
    source: Annotated[str, Parameter(allow_leading_hyphen=True)],
    target: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *more: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)],
    model: Annotated[list[str] | None, Parameter(name=("-m", "--model"), negative=(), show_default=False)] = None,
    output: Annotated[str | None, Parameter(name=("-o", "--output"), allow_leading_hyphen=True)] = None,
    source_options: SourceArguments = SOURCE,
    model_options: ModelArguments = MODEL,
    steady_options: SteadyArguments = STEADY,
    output_options: OutputArguments = OUTPUT,
    run_options: RunArguments = RUN,
    resume: Annotated[bool, Parameter(negative=())] = False,
    progress: Style = "auto",
    report: Path | None = None,
) -> int:
    """Translate a video, picture or image sequence.

    Parameters
    ----------
    source
        A file, a folder, a glob in quotes or a %05d pattern; - is y4m on standard input.
    target
        The result, a name that does not exist yet: .mp4 .mov .mkv .webm .gif .y4m, a picture, a folder, a
        pattern; - is y4m on standard output. By default SOURCE.MODEL.mp4 or the like in the current folder.
    model
        A bundled look, an .onnx file or a checkpoint; several make a chain. Needed unless --like names a painting.
    output
        The target, as an option; only this one, with --overwrite, replaces a file.
    resume
        Write the video in segments of about a minute that stay when the run is interrupted; the same command then goes on.
    progress
        Progress on standard error: a bar on a terminal (auto), bar, json, none.
    report
        Write what ran, its losses, times and versions into this JSON file.

    """
    import rotoscope
    from rotoscope.base.files import check_target

    for word in (source, target or "", *more):
        _refuse_option(word)
    if more:
        raise UsageError(f"{2 + len(more)} names; accepted: one source and its result; {FOR_SEVERAL_FILES}")
    models = chosen_models("translate", model, model_options.like)
    inputs = [source, *models, *_input_files(source_options, model_options, steady_options)]
    target = chosen_target(target, output, inputs, overwrite=output_options.overwrite)
    if report is not None:
        refuse_inputs(report, inputs)
        if target is not None:
            _refuse_same(report, target)
        check_target(report, source=None, overwrite=output_options.overwrite)
    options = as_keywords(source_options, model_options, steady_options, output_options, run_options)
    with shown_progress(progress) as show:
        run = rotoscope.translate(source, target, model=models, resume=resume, on_progress=show, **options)
    print_run(run)
    if report is not None:
        _refuse_same(report, run.target)  # one named after source and model is known only now
        write_report(run, options, report)
    if run.stopped_by is not None:
        return 128 + run.stopped_by
    return FINISHED_WITH_LOSSES if run.losses else 0


def _input_files(
    source_options: SourceOptions, model_options: ModelOptions, steady_options: SteadyOptions
) -> list[str | None]:
    """Return the further files that a run reads."""
    return [
        source_options.mask,
        source_options.instances,
        source_options.drawings,
        None if model_options.style is None else str(model_options.style),
        model_options.like,
        model_options.op_library,
        steady_options.flow,
        steady_options.interpolator,
    ]


def _refuse_same(report: Path, target: str) -> None:
    """Raise UsageError if the report and the result would be one file."""
    if report.resolve() == Path(target).resolve():
        raise UsageError(f"--report {report} is the result; give the report another name")


def _refuse_option(word: str) -> None:
    """Raise UsageError for a misspelt option that would become the name of a file."""
    if word.startswith("-") and word != "-":
        names = (*as_keywords(SOURCE, MODEL, STEADY, OUTPUT, RUN), *OTHER_FLAGS)
        flags = [
            f"--{name.replace('_', '-')}" for name in names if name not in ("hints", "settings", "encoder_options")
        ]
        raise UsageError(no_such_option(word, [*flags, "--hint", "--set", "-e", "-m", "-o"], "translate"))


def print_run(run: "Run") -> None:
    """Print on standard error what came out, what ran, and what to know."""
    rows = [
        f"{run.frames_out}/{run.frames_in} frames, {run.seconds:.1f} s ({run.fps:.1f} fps){_kept(run)} -> {run.target}"
    ]
    shares = ", ".join(f"{stage} {entry['share']:.0%}" for stage, entry in run.stages.items())
    rows.append(f"{run.engine}; steady {run.steady}; {run.encoder}; {shares}{_flicker(run)}")
    if run.stopped_by is not None:
        rows.append(f"stopped by {signal.Signals(run.stopped_by).name}; the result is complete up to here")
    rows.extend(f"note: {note}" for note in run.notes)
    for row in rows:
        print(printable(row), file=sys.stderr)
    for what, count in run.losses.items():
        logging.getLogger("rotoscope").warning("lost: %s %s", count, what)  # shown with --quiet too


def write_report(run: "Run", options: Mapping[str, Any], path: Path) -> None:
    """Write what ran, the files that gave options, and the versions."""
    from rotoscope.assembly.engines import engine_version
    from rotoscope.base.files import part_file

    engine = options["engine"]
    content = {
        **asdict(run),
        "fps": round(run.fps, 3),
        "options": dict(options),
        "options_from": list(used_files.get()),
        "versions": {**versions(), engine: engine_version(engine)},
    }
    with part_file(path, overwrite=bool(options["overwrite"])) as part:
        part.write_text(json_text(content) + "\n")


def _flicker(run: "Run") -> str:
    if run.flicker is None:
        return ""
    return (
        f"; flicker {run.flicker.frame_by_frame:.4f} -> {run.flicker.shown:.4f}, sharpness {run.flicker.sharpness:.0%}"
    )


def _kept(run: "Run") -> str:
    kinds = {"audio": "sound", "subtitle": "subtitles"}
    words = dict.fromkeys(kinds.get(kept.split()[0], "chapters") for kept in run.kept)
    return f", {' and '.join(words)} kept" if words else ""
