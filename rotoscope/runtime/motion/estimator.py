"""Motion of the source, estimated once between neighbouring frames and carried by the later one; scene cuts."""

from dataclasses import replace
from typing import NamedTuple, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Frame, Motion, Picture
from rotoscope.base.times import StageTimes
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.kernels.resize_flow import resize_flow
from rotoscope.kernels.still_flows import still_flows
from rotoscope.kernels.trust import trust
from rotoscope.runtime.motion.cuts import CutDetector
from rotoscope.runtime.motion.dis import SHORTEST_SIDE

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


class FlowSource(Protocol):
    """Anything that estimates flow between two pictures: `DisFlow`, a flow network."""

    def __call__(self, a: U8, b: U8) -> F32:
        """F_ab, (H,W,2) float32 pixels; a, b (H,W,3) RGB uint8, or (H,W) grey for DIS."""
        ...


@runtime_checkable
class FlowSourceBothWays(FlowSource, Protocol):
    """A flow source that gives both directions in less time than two calls: `InverseSearchFlow`."""

    def both_ways(self, a: U8, b: U8) -> tuple[F32, F32]:
        """(F_ab, F_ba), each as `__call__` gives it."""
        ...


class SmallPicture(NamedTuple):
    """A source picture at the working size: what the flow source takes, and its luma 0..255."""

    picture: U8
    luma: F32


class MotionEstimator:
    """Motion between two sources at a working scale.

    flow         estimates flow between two pictures
    scale        of the working size to the source's, in (0, 1]
    sees_colour  the flow source takes (H,W,3) RGB, not (H,W) luma
    both_ways    also give the motion from the frame before to this one (`Motion.from_previous`, `Motion.trust_ahead`)
    """

    def __init__(
        self, flow: FlowSource, *, scale: float = 0.5, sees_colour: bool = False, both_ways: bool = False
    ) -> None:
        self.flow, self.scale, self.sees_colour, self.both_ways = flow, scale, sees_colour, both_ways

    def small(self, picture: Picture) -> SmallPicture:
        """The source at the working size; kept until the next frame comes."""
        size = tuple(max(SHORTEST_SIDE, round(side * self.scale)) for side in (picture.width, picture.height))
        plane = picture.planes[0]
        if self.sees_colour or plane.ndim == 3:
            as_it_is = plane.ndim == 3 and plane.dtype == np.uint8 and picture.colour.full_range
            small = cv2.resize(plane if as_it_is else rgb_picture(picture), size, interpolation=cv2.INTER_AREA)
            grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
            return SmallPicture(np.asarray(small if self.sees_colour else grey, np.uint8), np.asarray(grey, np.float32))
        luma = cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 2 ** (picture.depth - 8)
        return SmallPicture(np.asarray(cv2.convertScaleAbs(luma)), luma)

    def __call__(self, now: SmallPicture, before: SmallPicture, size: tuple[int, int]) -> tuple[Motion, float]:
        """(motion for pictures of `size` (height, width), mean absolute difference of the lumas along it in levels)."""
        if isinstance(self.flow, FlowSourceBothWays):
            there, back = self.flow.both_ways(now.picture, before.picture)
        else:
            there, back = self.flow(now.picture, before.picture), self.flow(before.picture, now.picture)
        to_previous, from_previous = still_flows(now.luma, before.luma, there, back)
        trusted, difference = trust(now.luma, before.luma, to_previous, from_previous)
        way_back = ahead = None
        if self.both_ways:
            way_back = np.asarray(resize_flow(from_previous, size))
            ahead = _enlarged(trust(before.luma, now.luma, from_previous, to_previous)[0], size)
        motion = Motion(np.asarray(resize_flow(to_previous, size)), way_back, _enlarged(trusted, size), ahead)
        return motion, float(difference.mean())


def _enlarged(trusted: F32, size: tuple[int, int]) -> F32:
    return np.asarray(cv2.resize(trusted, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


class MotionStage:
    """Gives each frame its motion since the frame before, and marks cuts; the first frame of a scene has no motion."""

    look_ahead = 0
    spans_cuts = False

    def __init__(self, estimator: MotionEstimator, times: StageTimes) -> None:
        self.estimator, self._times = estimator, times
        self._before: SmallPicture | None = None
        self._is_cut = CutDetector()

    def reset(self) -> None:
        """Forget the frame before."""
        self._before, self._is_cut = None, CutDetector()

    def step(self, frame: Frame) -> list[Frame]:
        """The frame with its motion."""
        with self._times.measure("flow"):
            before, self._before = self._before, self.estimator.small(frame.source)
            if before is None:
                return [frame]
            motion, remaining_levels = self.estimator(self._before, before, (frame.source.height, frame.source.width))
            if self._is_cut(remaining_levels, float(motion.trust.mean())):
                return [replace(frame, cut=True)]
            return [replace(frame, motion=motion)]

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []
