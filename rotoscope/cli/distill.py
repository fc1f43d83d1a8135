"""rotoscope distill: a compact student of a heavy generator, for real time on this machine."""

import re
import sys
from dataclasses import replace
from typing import Annotated

from cyclopts import Group, Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.limits import Within
from rotoscope.base.option_checks import check_number
from rotoscope.base.sizes import parse_size
from rotoscope.base.text import shortened
from rotoscope.cli.progress import Style
from rotoscope.cli.training_run import exit_code, shown_training
from rotoscope.training.options import DistillOptions, RunOptions

WIDESCREEN = (1920, 1080)  # the aspect of a size such as 360p

GIGA_MACS = Within(0.001, 1_000_000, "billion multiply-adds")


def distill(
    teacher: str,
    /,
    *,
    options: Annotated[DistillOptions, Parameter(name="*", group=Group("Student"))],
    run: Annotated[RunOptions, Parameter(name="*", group=Group("Run"))],
    budget: str | None = None,
    macs: float | None = None,
    size: str = "640x360",
    progress: Style = "auto",
) -> int:
    """Train a compact student of a heavy generator, as large as a budget allows.

    Parameters
    ----------
    teacher
        A bundled look, an .onnx file or a checkpoint.
    options
        Options of the student.
    run
        Options of the run.
    budget
        Frames per second at a size, such as 30fps@640x360: the network alone, measured on this machine's ONNX Runtime.
    macs
        Or: multiply-adds for a frame of `size`, in billions.
    size
        Size of a frame for --macs, such as 640x360 or 360p.
    progress
        Progress on standard error: auto, bar, json, none.

    """
    if budget is not None and macs is not None:
        raise UsageError("--budget and --macs: give one of them")
    check_number("macs", macs, GIGA_MACS)
    fps, frame_size = (None, parse_size(size, WIDESCREEN)) if budget is None else parse_budget(budget)
    import rotoscope

    def show_candidate(student: tuple[int, int], cost: float) -> None:
        text = f"{cost / 1e9:.2f} G multiply-adds" if macs is not None else f"{1e3 * cost:.1f} ms a frame"
        print(f"a student of {student[1]} blocks of {student[0]} channels: {text}", file=sys.stderr)

    def show_body(body: tuple[int, int]) -> None:
        print(
            f"the teacher has {body[1]} blocks of {body[0]} channels: --keep-body starts with them and learns faster",
            file=sys.stderr,
        )

    with shown_training(options.system, progress) as show:
        result = rotoscope.distill(
            replace(options, teacher=teacher),
            run,
            fps=fps,
            macs=None if macs is None else macs * 1e9,
            size=frame_size,
            on_candidate=show_candidate,
            on_small_body=show_body,
            on_progress=show,
        )
    return exit_code(result)


def parse_budget(text: str) -> tuple[float, tuple[int, int]]:
    """Parse 30fps@640x360 to (30.0, (640, 360))."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)fps@(\w+)", text)
    if not found or not 1e-3 <= float(found[1]) <= 1e6:
        raise UsageError(f"--budget {shortened(text)}; accepted: frames per second at a size, such as 30fps@640x360")
    return float(found[1]), parse_size(found[2], WIDESCREEN)
