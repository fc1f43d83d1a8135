"""rotoscope translate: the main job."""

import difflib
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.options import TranslateOptions
from rotoscope.cli.progress import Style, shown_progress

if TYPE_CHECKING:
    from rotoscope.base.options import Run

FINISHED_WITH_LOSSES = 5
DEFAULTS = TranslateOptions()


def translate(
    source: Annotated[str, Parameter(allow_leading_hyphen=True)],
    target: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    model: Annotated[list[str], Parameter(name=("-m", "--model"), negative=())],
    options: Annotated[TranslateOptions, Parameter(name="*", group=Group("Options"))] = DEFAULTS,
    progress: Style = "auto",
    report: Path | None = None,
) -> int:
    """Translate a video, picture or image sequence.

    Parameters
    ----------
    source
        A file, a folder, a glob or a %05d pattern; - is y4m on standard input.
    target
        Where the result goes: .mp4 .mov .mkv .webm .gif .y4m, a picture, a folder, a pattern; - is y4m on standard output.
        By default SOURCE.MODEL.mp4 or the like in the current folder.
    options
        Everything else.
    model
        A bundled look, an .onnx file or a checkpoint; several make a chain.
    progress
        What to show on standard error.
    report
        Write what ran and how it went into this JSON file.

    """
    import rotoscope
    from rotoscope.base.files import check_target

    for word in (source, target or ""):
        _refuse_flag(word)
    if report is not None:
        if str(report) in (target, source):
            raise UsageError(f"--report {report} is the {'source' if str(report) == source else 'result'}")
        check_target(report, source=Path(source), overwrite=options.overwrite)
    with shown_progress(progress) as show:
        run = rotoscope.translate(source, target, model=model, on_progress=show, **_as_keywords(options))
    print_run(run)
    if report is not None:
        write_report(run, options, report)
    return FINISHED_WITH_LOSSES if run.losses else 0


def _refuse_flag(word: str) -> None:
    """A misspelt option must not become the name of a file."""
    if word.startswith("-") and word != "-":
        flags = [
            f"--{name.replace('_', '-')}" for name in (*DEFAULTS.__dataclass_fields__, "model", "progress", "report")
        ]
        near = difflib.get_close_matches(word, flags, n=1)
        hint = f"; near: {near[0]}" if near else f" (a file of this name is ./{word})"
        raise UsageError(f"{word}: no such option{hint}")


def print_run(run: "Run") -> None:
    """Three lines on standard error: what came out, what ran, what to know."""
    rows = [
        f"{run.frames_out}/{run.frames_in} frames, {run.seconds:.1f} s ({run.fps:.1f} fps){_kept(run)} -> {run.target}"
    ]
    shares = ", ".join(f"{stage} {entry['share']:.0%}" for stage, entry in run.stages.items())
    rows.append(f"{run.engine}; steady {run.steady}; {run.encoder}; {shares}{_flicker(run)}")
    rows.extend(f"note: {note}" for note in run.notes)
    rows.extend(f"lost: {count} {what}" for what, count in run.losses.items())
    for row in rows:
        print(row, file=sys.stderr)


def write_report(run: "Run", options: TranslateOptions, path: Path) -> None:
    """What ran, with the versions that ran it."""
    import av
    import numpy

    from rotoscope import __version__
    from rotoscope.assembly.engines import engine_version
    from rotoscope.base.files import part_file

    versions = {
        "rotoscope": __version__,
        "python": platform.python_version(),
        "av": av.__version__,
        "ffmpeg": av.ffmpeg_version_info,
        "numpy": numpy.__version__,
        options.engine: engine_version(options.engine),
    }
    content = {**asdict(run), "fps": round(run.fps, 3), "options": asdict(options), "versions": versions}
    with part_file(path, overwrite=options.overwrite) as part:
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


def _as_keywords(options: TranslateOptions) -> dict[str, object]:
    return {name: getattr(options, name) for name in options.__dataclass_fields__}
