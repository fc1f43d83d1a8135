"""The time that one call of a model takes on this machine."""

import time
from pathlib import Path

import numpy as np

from rotoscope.assembly.engines import make_engine
from rotoscope.kernels.rows import usable_cores
from rotoscope.runtime.models.model_file import open_model

NUM_TIMED = 15  # calls; the quickest counts, because other work can only slow a call down


def seconds_per_call(file: Path, size: tuple[int, int]) -> float:
    """Return the seconds of one call of an ONNX file on ONNX Runtime with all threads, for a picture of (width, height).

    Sides are rounded up to the multiple that the network needs. Opening and the first call do not count.
    """
    model = open_model(file)
    frame, output = model.manifest.frame, model.manifest.output
    columns, rows = (-(-side // frame.multiple) * frame.multiple for side in size)
    engine = make_engine(model, threads=usable_cores())
    picture = np.random.default_rng(0).random((1, 3, rows, columns), np.float32)
    inputs, out = {frame.tensor: picture}, {output.tensor: np.empty_like(picture)}
    engine.run(inputs, {}, out, {})
    seconds = []
    for _ in range(NUM_TIMED):
        start = time.perf_counter()
        engine.run(inputs, {}, out, {})
        seconds.append(time.perf_counter() - start)
    return min(seconds)
