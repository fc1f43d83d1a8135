"""Key frames: the generator paints some frames, and the motion of the source carries them over the others."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from rotoscope.base.frame import Array, Frame
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.warp import warp
from rotoscope.runtime.motion.fitted import Region, fitted

LEAST_KNOWN = 0.7  # of the picture: where less of the last key frame can still be seen, a new one is due


def choose_keys(frames: Iterable[Frame], every: int) -> Iterator[Frame]:
    """Mark all but every n-th frame as carried; they must carry motion. A key comes early at a cut and on occlusion."""
    since, known = 0, 1.0
    for frame in frames:
        since += 1
        if frame.motion is not None:
            known *= float(frame.motion.trust.mean())
        frame.carried = frame.motion is not None and since < every and known >= LEAST_KNOWN
        if not frame.carried:
            since, known = 0, 1.0
        yield frame


class Carry:
    """Gives carried frames their result: that of the frame before, moved, read by Catmull-Rom sampling.

    region  (width, height) of a source -> (left, top, width, height), the part that results show
    """

    def __init__(self, region: Callable[[Size], Region], times: StageTimes) -> None:
        self._region, self._times = region, times

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Complete each frame, in order."""
        before: Array | None = None
        for frame in frames:
            if frame.carried:
                assert before is not None and frame.motion is not None
                with self._times.measure("steady"):
                    region = self._region((frame.source.width, frame.source.height))
                    motion = fitted(frame.motion, region, (before.shape[0], before.shape[1]))
                    frame.result = warp(before, motion.to_previous, sampling="cubic")
            assert isinstance(frame.result, np.ndarray)
            before = frame.result
            yield frame
