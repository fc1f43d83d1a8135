"""E_warp of two results of one source, along the same flow: which of two forms of a network flickers more."""

import math

import cv2
import numpy as np

from rotoscope.base.frame import Frame
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.metrics.evaluation import Flow
from rotoscope.metrics.rgb_array import RGB
from rotoscope.metrics.warping_error import visible, warping_error


class PairedWarpingError:
    """Measures two results frame by frame; the last frame of each video is kept.

    flow       estimates the motion of the source
    num_pairs  pairs of neighbouring frames measured so far: those of which the second shows something of the first
    """

    def __init__(self, flow: Flow) -> None:
        self.num_pairs = 0
        self._flow = flow
        self._totals = [0.0, 0.0]
        self._before: tuple[RGB, RGB, RGB] | None = None

    def add(self, source: RGB, first: RGB, second: RGB) -> None:
        """Measure the next frame of the source and of both results, each (H,W,3) uint8, all of one size."""
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
        """E_warp of the first and of the second result, means over pairs; needs at least one pair."""
        first, second = (total / self.num_pairs for total in self._totals)
        return first, second


def error_ratio(reduced: float, full: float) -> float:
    """The first error divided by the second; 1 if both are 0, infinite if only the second is 0."""
    return reduced / full if full else 1.0 if reduced == full else math.inf


def result_pixels(frame: Frame) -> RGB:
    """(H,W,3) uint8: the result of a frame."""
    pixels = frame.pixels()
    picture = np.empty((*pixels.shape[:2], 3), np.uint8)
    color_out(pixels, [picture])
    return picture


def source_pixels(frame: Frame, result: RGB) -> RGB:
    """(H,W,3) uint8: the source of a frame, resized to the height and width of a result."""
    height, width = result.shape[:2]
    return np.asarray(cv2.resize(rgb_picture(frame.source), (width, height), interpolation=cv2.INTER_AREA))
