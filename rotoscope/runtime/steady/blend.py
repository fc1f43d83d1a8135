"""Blend: the previous output, moved along the motion, mixed with the new one where the motion is reliable. No look-ahead."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Frame, Picture
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.blend import blend
from rotoscope.runtime.motion.region import Region, motion_in_region
from rotoscope.runtime.steady.detail import Detail

F32 = NDArray[np.float32]

MOST = 0.95  # weight of history at strength 1: a twentieth of each new frame keeps history from ageing


class Blend:
    """A recursion: a frame shows (1 - w) new + w history, w = 0.95 strength * trust.

    History is read by Catmull-Rom sampling, which does not blur it more with every frame. It is kept without the detail that
    `Detail` adds to the shown picture, so that nothing builds up.

    strength  0 to 1; may be changed between two steps
    region    (width, height) of a source -> (left, top, width, height), the part that results show
    """

    look_ahead = 0
    spans_cuts = False

    def __init__(self, strength: float, region: Callable[[Size], Region], times: StageTimes) -> None:
        self.strength, self._region, self._times = strength, region, times
        self.reset()

    def reset(self) -> None:
        """Forget the history."""
        self._history: F32 | None = None
        self._detail = Detail()

    def step(self, frame: Frame) -> list[Frame]:
        """The frame with its result steadied."""
        with self._times.measure("steady"):
            new = frame.pixels()
            if self._history is None or frame.motion is None or self._history.shape != new.shape:
                self.reset()
                self._history = new
                return [frame]
            height, width = new.shape[:2]
            motion = motion_in_region(frame.motion, self._region(frame.source.size), (height, width))
            self._history = blend(
                new,
                self._history,
                motion.to_previous,
                strength=MOST * self.strength,
                confidence=motion.trust,
                sampling="cubic",
            )
            return [replace(frame, result=Picture((self._detail(self._history, new, motion.trust),)))]

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []
