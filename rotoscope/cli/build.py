"""rotoscope build: a TensorRT engine from a model file, for this machine's GPU."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rotoscope.base.errors import UsageError


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
        An .onnx file; its precision is the engine's.
    size
        Pictures to build for, such as 1280x720: once for one size only, which is fastest, or three times for the smallest,
        the usual and the largest.

    """
    from rotoscope.assembly.engines import check_installed
    from rotoscope.base.sizes import parse_size
    from rotoscope.runtime.models.model_file import open_model

    if len(size) not in (0, 1, 3):
        raise UsageError(f"--size {' '.join(size)}; accepted: one size, or the smallest, the usual and the largest")
    check_installed("tensorrt")
    file = open_model(model)
    from rotoscope.runtime.engines.tensorrt_build import build_engine

    sizes = [parse_size(words, (1, 1)) for words in (size * 3 if len(size) == 1 else size)]

    def show(phase: str, share: float) -> None:
        print(f"\r{phase}: {share:.0%}\033[K", end="", file=sys.stderr, flush=True)

    progress = show if sys.stderr.isatty() else None
    engine = build_engine(file, sizes=(sizes[0], sizes[1], sizes[2]) if sizes else None, on_progress=progress)
    print(f"built: {engine} ({engine.stat().st_size / 1e6:.1f} MB, {file.precision})", file=sys.stderr)
    return 0
