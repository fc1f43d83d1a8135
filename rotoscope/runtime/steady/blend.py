"""Blend: the previous output, moved to now, mixed with the new one where the motion can be trusted. No look-ahead."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Frame
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.blend import blend
from rotoscope.runtime.motion.fitted import Region, fitted
from rotoscope.runtime.steady.detail import Detail

F32 = NDArray[np.float32]

MOST = 0.95  # weight of history at strength 1: a twentieth of each new frame keeps it from ageing


class Blend:
    """A recursion: what a frame shows is (1 - w) new + w history, w = 0.95 strength * trust.

    History is read by Catmull-Rom sampling, which does not blur it a little more with every frame, and it is kept without
    the detail that `Detail` adds to what is shown, so that nothing builds up.

    strength  0 to 1
    region    (width, height) of a source -> (left, top, width, height), the part that results show
    """

    def __init__(self, strength: float, region: Callable[[Size], Region], times: StageTimes) -> None:
        self.weight, self._region, self._times = MOST * strength, region, times

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Steady each frame's result, in order."""
        history: F32 | None = None
        detail = Detail()
        for frame in frames:
            assert isinstance(frame.result, np.ndarray)
            with self._times.measure("steady"):
                if history is None or frame.motion is None or history.shape != frame.result.shape:
                    history, detail = frame.result, Detail()
                else:
                    height, width = frame.result.shape[:2]
                    region = self._region((frame.source.width, frame.source.height))
                    motion = fitted(frame.motion, region, (height, width))
                    history = blend(
                        frame.result,
                        history,
                        motion.to_previous,
                        strength=self.weight,
                        confidence=motion.trust,
                        sampling="cubic",
                    )
                    frame.result = detail(history, frame.result, motion.trust)
            yield frame
