"""rotoscope translate: translate a video, picture or image sequence."""

import difflib
import json
import platform
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
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
)
from rotoscope.cli.progress import Style, shown_progress

if TYPE_CHECKING:
    from rotoscope.runtime.pipeline.job import Run

FINISHED_WITH_LOSSES = 5
OTHER_FLAGS = ("model", "output", "progress", "report")


def translate(  # noqa: D417  cyclopts takes the help of flattened options from their fields
    source: Annotated[str, Parameter(allow_leading_hyphen=True)],
    target: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *more: Annotated[str, Parameter(allow_leading_hyphen=True, show=False)],
    model: Annotated[list[str], Parameter(name=("-m", "--model"), negative=())],
    output: Annotated[str | None, Parameter(name=("-o", "--output"), allow_leading_hyphen=True)] = None,
    source_options: SourceArguments = SOURCE,
    model_options: ModelArguments = MODEL,
    steady_options: SteadyArguments = STEADY,
    output_options: OutputArguments = OUTPUT,
    run_options: RunArguments = RUN,
    progress: Style = "auto",
    report: Path | None = None,
) -> int:
    """Translate a video, picture or image sequence.

    Parameters
    ----------
    source
        A file, a folder, a glob in quotes or a %05d pattern; - is y4m on standard input.
    target
        Where the result goes, a name that does not exist yet: .mp4 .mov .mkv .webm .gif .y4m, a picture, a folder, a
        pattern; - is y4m on standard output. By default SOURCE.MODEL.mp4 or the like in the current folder.
    model
        A bundled look, an .onnx file or a checkpoint; several make a chain.
    output
        The target by name: needed to replace a file that exists (with --overwrite).
    progress
        What to show on standard error.
    report
        Write what ran and how it went into this JSON file.

    """
    import rotoscope
    from rotoscope.base.files import check_target

    target = _target(source, target, more, output)
    if report is not None:
        if str(report) in (target, source):
            raise UsageError(f"--report {report} is the {'source' if str(report) == source else 'result'}")
        check_target(report, source=Path(source), overwrite=output_options.overwrite)
    options = as_keywords(source_options, model_options, steady_options, output_options, run_options)
    with shown_progress(progress) as show:
        run = rotoscope.translate(source, target, model=model, on_progress=show, **options)
    print_run(run)
    if report is not None:
        write_report(run, options, report)
    if run.stopped_by is not None:
        return 128 + run.stopped_by
    return FINISHED_WITH_LOSSES if run.losses else 0


def _target(source: str, target: str | None, more: tuple[str, ...], output: str | None) -> str | None:
    """Where the result goes. A file that exists is never replaced because of its place on the command line.

    A shell turns `*.mp4` into the names of all videos: the second would stand where the target does.
    """
    for word in (source, target or "", *more):
        _refuse_flag(word)
    if more:
        raise UsageError(
            f"{2 + len(more)} names; accepted: one source and its result. For several files: "
            'for f in *.mp4; do rotoscope translate "$f" -m MODEL; done'
        )
    if target is not None and output is not None:
        raise UsageError(f"two results, {target} and --output {output}; accepted: one")
    if target is not None and Path(target).is_file():
        raise UsageError(
            f"{target} exists, and might be a second source; to replace it: -o {target} --overwrite. For several files: "
            'for f in *.mp4; do rotoscope translate "$f" -m MODEL; done'
        )
    return output if target is None else target


def _refuse_flag(word: str) -> None:
    """A misspelt option must not become the name of a file."""
    if word.startswith("-") and word != "-":
        names = (*as_keywords(SOURCE, MODEL, STEADY, OUTPUT, RUN), *OTHER_FLAGS)
        near = difflib.get_close_matches(word, [f"--{name.replace('_', '-')}" for name in names], n=1)
        hint = f"; near: {near[0]}" if near else f" (a file of this name is ./{word})"
        raise UsageError(f"{word}: no such option{hint}")


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
    rows.extend(f"lost: {count} {what}" for what, count in run.losses.items())
    for row in rows:
        print(row, file=sys.stderr)


def write_report(run: "Run", options: Mapping[str, Any], path: Path) -> None:
    """Write what ran, with the versions that ran it."""
    import av
    import numpy

    from rotoscope import __version__
    from rotoscope.assembly.engines import engine_version
    from rotoscope.base.files import part_file

    engine = options["engine"]
    versions = {
        "rotoscope": __version__,
        "python": platform.python_version(),
        "av": av.__version__,
        "ffmpeg": av.ffmpeg_version_info,
        "numpy": numpy.__version__,
        engine: engine_version(engine),
    }
    content = {**asdict(run), "fps": round(run.fps, 3), "options": dict(options), "versions": versions}
    with part_file(path, overwrite=bool(options["overwrite"])) as part:
        part.write_text(json.dumps(content, indent=1) + "\n")


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
