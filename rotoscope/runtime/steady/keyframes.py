"""Key frames: the network translates some frames, and the motion of the source moves their results over the others."""

from collections.abc import Callable
from dataclasses import replace

from rotoscope.base.frame import Array, Frame, Picture
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.warp import warp
from rotoscope.runtime.motion.region import Region, motion_in_region

LEAST_KNOWN = 0.7  # share of the picture: a new key frame is due when less of the last one can still be seen


class ChooseKeys:
    """Marks all but every n-th frame as carried; frames must have motion. A key frame comes early at a cut and on occlusion.

    every  n, at least 1; may be changed between two steps
    """

    look_ahead = 0
    spans_cuts = False

    def __init__(self, every: int) -> None:
        self.every = every
        self.reset()

    def reset(self) -> None:
        """Make the next frame a key frame."""
        self._since, self._known = 0, 1.0

    def step(self, frame: Frame) -> list[Frame]:
        """The frame, marked."""
        self._since += 1
        if frame.motion is not None:
            known = frame.motion.mean_trust
            self._known *= float(frame.motion.trust.mean()) if known is None else known
        carried = frame.motion is not None and self._since < self.every and self._known >= LEAST_KNOWN
        if not carried:
            self.reset()
        return [replace(frame, carried=carried)]

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []


class Carry:
    """Gives carried frames their result: that of the frame before, moved, read by Catmull-Rom sampling.

    region  (width, height) of a source -> (left, top, width, height), the part that results show
    """

    look_ahead = 0
    spans_cuts = False

    def __init__(self, region: Callable[[Size], Region], times: StageTimes) -> None:
        self._region, self._times = region, times
        self.reset()

    def reset(self) -> None:
        """Forget the frame before."""
        self._before: Array | None = None

    def step(self, frame: Frame) -> list[Frame]:
        """The frame with a result."""
        if frame.carried:
            assert self._before is not None and frame.motion is not None
            with self._times.measure("steady"):
                height, width = self._before.shape[:2]
                motion = motion_in_region(frame.motion, self._region(frame.source.size), (height, width))
                moved = warp(self._before, motion.to_previous, sampling="cubic")
            frame = replace(frame, result=Picture((moved,)))
        self._before = frame.pixels()
        return [frame]

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []
