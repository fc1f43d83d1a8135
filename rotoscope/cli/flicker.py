"""Do two forms of one network flicker alike? E_warp of both streams, along one flow: that of their source."""

import math

import cv2
import numpy as np

from rotoscope.base.frame import Frame
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.metrics.pictures import RGB
from rotoscope.metrics.warping_error import visible, warping_error
from rotoscope.runtime.motion.dis import DisFlow


class Flicker:
    """E_warp of two results of one source, pictures in 8 bits; of each video the frame before is kept.

    num_pairs  neighbouring frames of which the second shows something of the first
    """

    def __init__(self) -> None:
        self.num_pairs = 0
        self._flow = DisFlow("medium", scale=1.0)
        self._totals = [0.0, 0.0]
        self._before: tuple[RGB, RGB, RGB] | None = None

    def add(self, source: RGB, first: RGB, second: RGB) -> None:
        """The next frame of all three, (H,W,3) uint8 of one size."""
        before, self._before = self._before, (source, first, second)
        if before is None:
            return
        flow = self._flow(before[0], source)
        valid = visible(flow, self._flow(source, before[0]))
        if not valid.any():
            return
        self.num_pairs += 1
        for index in range(2):
            self._totals[index] += warping_error(before[index + 1], self._before[index + 1], flow, valid)

    @property
    def errors(self) -> tuple[float, float]:
        """E_warp of the first and of the second stream, means over pairs; needs one pair."""
        first, second = (total / self.num_pairs for total in self._totals)
        return first, second


def ratio(reduced: float, full: float) -> float:
    """How many times larger the first error is; 1 where neither stream changes at all."""
    return reduced / full if full else 1.0 if reduced == full else math.inf


def shown(frame: Frame) -> RGB:
    """(H,W,3) uint8: the result of a frame."""
    pixels = frame.pixels()
    picture = np.empty((*pixels.shape[:2], 3), np.uint8)
    color_out(pixels, [picture])
    return picture


def source_like(frame: Frame, result: RGB) -> RGB:
    """(H,W,3) uint8: the source of a frame at the size of a result."""
    height, width = result.shape[:2]
    return np.asarray(cv2.resize(rgb_picture(frame.source), (width, height), interpolation=cv2.INTER_AREA))
