"""rotoscope distill: a heavy generator becomes one that runs in real time on this machine."""

import logging
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Group, Parameter

from rotoscope.base.errors import UsageError
from rotoscope.cli.progress import Style
from rotoscope.cli.training_run import begin
from rotoscope.training.options import DistillOptions, RunOptions

NUM_TIMED = 15  # calls of a candidate, of which the quickest counts: other work can only slow a call down


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
    """Train a compact student of a heavy generator, as wide as a budget allows.

    Parameters
    ----------
    teacher
        A bundled look, an .onnx file or a checkpoint.
    options
        What the student learns from.
    run
        How the run is carried out.
    budget
        Frames a second of the network alone at a size, on this machine's ONNX Runtime, such as 30fps@640x360.
    macs
        Or: multiply-adds for a frame of `size`, in billions.
    size
        What a frame is for --macs.
    progress
        What to show on standard error.

    """
    if budget is not None and macs is not None:
        raise UsageError("--budget and --macs: give one of them")
    if budget is not None:
        options = replace(options, width=width_in_time(*parse_budget(budget)))
    elif macs is not None:
        options = replace(options, width=width_in_macs(macs * 1e9, parse_size(size)))
    return begin(replace(options, teacher=teacher), run, progress)


def parse_budget(text: str) -> tuple[float, tuple[int, int]]:
    """30fps@640x360 -> (30.0, (640, 360))."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)fps@(\d+x\d+)", text)
    if not found or float(found[1]) == 0:
        raise UsageError(f"--budget {text}; accepted: frames a second at a size, such as 30fps@640x360")
    return float(found[1]), parse_size(found[2])


def parse_size(text: str) -> tuple[int, int]:
    """640x360 -> (640, 360)."""
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if not found:
        raise UsageError(f"size {text}; accepted: width x height, such as 640x360")
    return int(found[1]), int(found[2])


def width_in_time(fps: float, size: tuple[int, int]) -> int:
    """The widest student that ONNX Runtime runs so often on this machine, by timing candidates."""
    from rotoscope.training.systems.distill import widest

    def fits(width: int) -> bool:
        seconds = seconds_for(width, size)
        print(f"a student of {width} channels: {1e3 * seconds:.1f} ms a frame", file=sys.stderr)
        return seconds <= 1 / fps

    return widest(fits)


def width_in_macs(macs: float, size: tuple[int, int]) -> int:
    """The widest student of at most so many multiply-adds."""
    from rotoscope.training.systems.distill import multiply_adds, widest

    width = widest(lambda width: multiply_adds(width, size) <= macs)
    print(f"a student of {width} channels: {multiply_adds(width, size) / 1e9:.2f} G multiply-adds", file=sys.stderr)
    return width


def seconds_for(width: int, size: tuple[int, int]) -> float:
    """Time of a call of an untrained student at (width, height), with all threads."""
    import numpy as np

    from rotoscope.assembly.engines import make_engine
    from rotoscope.base.options import ModelOptions
    from rotoscope.export.onnx import export_onnx
    from rotoscope.runtime.models.model_file import open_model
    from rotoscope.training.systems.distill import untrained

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses packages that no network here needs
    with TemporaryDirectory() as folder:
        path = Path(folder) / "student.onnx"
        manifest = export_onnx(untrained(width), path, name="student")
        columns, rows = (-(-side // manifest.frame.multiple) * manifest.frame.multiple for side in size)
        engine = make_engine(open_model(path), ModelOptions(), threads=os.cpu_count() or 1)
        picture = np.random.default_rng(0).random((1, 3, rows, columns), np.float32)
        inputs, out = {manifest.frame.tensor: picture}, {manifest.output.tensor: np.empty_like(picture)}

        def call() -> None:
            engine.run(inputs, {}, out, {})

        call()  # the first one prepares
        return min(timed(call) for _ in range(NUM_TIMED))


def timed(call: Callable[[], None]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
