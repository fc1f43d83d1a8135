"""rotoscope build: a TensorRT engine from a model file, for this machine's GPU."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rotoscope.base.text import visible
from rotoscope.cli.lines import report_lines


def build(
    model: Path,
    /,
    *,
    size: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
) -> int:
    """Build a TensorRT engine and keep it in the cache, where translate --engine tensorrt finds it.

    Parameters
    ----------
    model
        An .onnx file. The engine has the precision of the file.
    size
        Picture size, such as 1280x720. Give one size, which is fastest, or three: the smallest, the usual and the largest.

    """
    import rotoscope

    engine = rotoscope.build(model, sizes=size, on_progress=show if sys.stderr.isatty() else None)
    report_lines(f"built: {engine} ({engine.stat().st_size / 1e6:.1f} MB)")
    return 0


def show(phase: str, share: float) -> None:
    """Print a phase of the build and the share of it that is done, over the line before."""
    print(f"\r{visible(phase)}: {share:.0%}\033[K", end="", file=sys.stderr, flush=True)
