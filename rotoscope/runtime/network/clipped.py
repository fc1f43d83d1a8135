"""The share of a network's output that lies outside its range, from a sample of its values."""

import threading

import numpy as np

from rotoscope.base.frame import Array
from rotoscope.base.manifest import FrameOutput

STEP = 8  # every 8th row and column is looked at
MARGIN = 0.05  # of the range: an overshoot that networks without a last activation usually have
WORTH_A_NOTE = 1 / 3


class ClippedShare:
    """Counts the values of a run; several threads may add to it."""

    def __init__(self, output: FrameOutput, name: str) -> None:
        self._output, self._name = output, name
        self._num_values = self._num_outside = 0
        self._lock = threading.Lock()

    def add(self, planar: Array) -> None:
        """Count every 64th pixel of a raw output (C,H,W)."""
        if self._output.dtype == "uint8":
            return
        sample = planar[:, ::STEP, ::STEP].astype(np.float32)
        black, white = self._output.range
        with np.errstate(invalid="ignore"):
            shares = (sample - black) / (white - black)
            outside = int(np.count_nonzero((shares < -MARGIN) | (shares > 1 + MARGIN)))
        with self._lock:
            self._num_values += sample.size
            self._num_outside += outside

    @property
    def note(self) -> str:
        """A sentence if more than a third of the values were clipped; else empty."""
        share = self._num_outside / max(1, self._num_values)
        if share <= WORTH_A_NOTE:
            return ""
        black, white = self._output.range
        others = [
            text for span, text in (((0, 255), "0,255"), ((-1, 1), "-1,1"), ((0, 1), "0,1")) if span != (black, white)
        ]
        return (
            f"{self._name}: {share:.0%} of its output lay outside the output range {black:g}..{white:g} and was clipped; "
            f"if the result looks wrong: --output-range or --input-range {' or '.join(others)}"
        )
