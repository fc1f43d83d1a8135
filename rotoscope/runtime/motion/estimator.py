"""Motion of the source, estimated once between neighbouring frames and carried on the later one; scene cuts."""

from collections.abc import Generator, Iterable
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Frame, Motion, Picture
from rotoscope.base.times import StageTimes
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.kernels.resize_flow import resize_flow
from rotoscope.runtime.motion.cuts import CutDetector
from rotoscope.runtime.motion.dis import SHORTEST_SIDE
from rotoscope.runtime.motion.still import still_places
from rotoscope.runtime.motion.trust import trust

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


class FlowSource(Protocol):
    """Anything that estimates flow between two pictures: `DisFlow`, a flow network."""

    def __call__(self, a: U8, b: U8) -> F32:
        """F_ab, (H,W,2) float32 pixels; a, b (H,W,3) RGB uint8, or (H,W) grey for DIS."""
        ...


class View(NamedTuple):
    """A source picture as the estimator sees it: small, what the flow source takes, and its luma 0..255."""

    picture: U8
    luma: F32


class MotionEstimator:
    """Motion between two sources at a working scale.

    flow         estimates it
    scale        of the pictures that it sees, in (0, 1]
    sees_colour  it takes (H,W,3) RGB rather than (H,W) luma
    both_ways    the way back is carried and judged too (`Motion.from_previous`, `Motion.trust_ahead`)
    """

    def __init__(
        self, flow: FlowSource, *, scale: float = 0.5, sees_colour: bool = False, both_ways: bool = False
    ) -> None:
        self.flow, self.scale, self.sees_colour, self.both_ways = flow, scale, sees_colour, both_ways

    def view(self, picture: Picture) -> View:
        """What is kept of a frame until the next one comes."""
        size = tuple(max(SHORTEST_SIDE, round(side * self.scale)) for side in (picture.width, picture.height))
        plane = picture.planes[0]
        if self.sees_colour or plane.ndim == 3:
            as_it_is = plane.ndim == 3 and plane.dtype == np.uint8 and picture.colour.full_range
            small = cv2.resize(plane if as_it_is else rgb_picture(picture), size, interpolation=cv2.INTER_AREA)
            grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
            return View(np.asarray(small if self.sees_colour else grey, np.uint8), np.asarray(grey, np.float32))
        luma = cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 2 ** (picture.depth - 8)
        return View(np.asarray(cv2.convertScaleAbs(luma)), luma)

    def __call__(self, now: View, before: View, size: tuple[int, int]) -> tuple[Motion, float]:
        """(motion for pictures of (height, width), mean difference of the lumas along it in levels)."""
        there, back = self.flow(now.picture, before.picture), self.flow(before.picture, now.picture)
        # A place that does not move is the same place in both pictures.
        moving = 1 - still_places(now.luma, before.luma, there, back)
        both = cv2.merge([moving, moving])
        to_previous = np.asarray(cv2.multiply(there, both), np.float32)
        from_previous = np.asarray(cv2.multiply(back, both), np.float32)
        trusted, remaining = trust(now.luma, before.luma, to_previous, from_previous)
        way_back = ahead = None
        if self.both_ways:
            way_back = np.asarray(resize_flow(from_previous, size))
            ahead = _enlarged(trust(before.luma, now.luma, from_previous, to_previous)[0], size)
        motion = Motion(np.asarray(resize_flow(to_previous, size)), way_back, _enlarged(trusted, size), ahead)
        return motion, remaining


def _enlarged(trusted: F32, size: tuple[int, int]) -> F32:
    return np.asarray(cv2.resize(trusted, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def with_motion(frames: Iterable[Frame], estimator: MotionEstimator, times: StageTimes) -> Generator[Frame, None, None]:
    """Each frame with its motion since the one before; at a cut without, and with `cut` set."""
    before: View | None = None
    is_cut = CutDetector()
    for frame in frames:
        with times.measure("flow"):
            now = estimator.view(frame.source)
            if before is not None and before.luma.shape == now.luma.shape and not frame.cut:
                motion, remaining_levels = estimator(now, before, (frame.source.height, frame.source.width))
                frame.cut = is_cut(remaining_levels, float(motion.trust.mean()))
                frame.motion = None if frame.cut else motion
            before = now
        yield frame
