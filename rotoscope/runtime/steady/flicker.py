"""Flicker: what steadying does to a video, measured on the way, on every twelfth pair of frames.

It is judged with the motion that the steadying itself follows, which flatters it: for a claim there is `rotoscope evaluate`.
"""

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Frame
from rotoscope.base.options import Flicker
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.warp import warp
from rotoscope.runtime.motion.fitted import Region, fitted

F32 = NDArray[np.float32]

FIRST, EVERY = 4, 12  # index of the first frame of a pair that is looked at: a scene has settled by then
TRUSTED = 0.5


class FlickerMeter:
    """Two taps around a stage that steadies: `around(stage)` is that stage, measured.

    region  (width, height) of a source -> (left, top, width, height), the part that results show
    """

    def __init__(self, region: Callable[[Size], Region], times: StageTimes) -> None:
        self._region, self._times = region, times
        self._plain: dict[int, F32] = {}  # frame-wise results of frames that are still in the stage
        self._changes = np.zeros(2)  # frame by frame, shown
        self._energies = np.zeros(2)
        self._num_values = 0

    def around(
        self, stage: Callable[[Iterable[Frame]], Iterator[Frame]]
    ) -> Callable[[Iterable[Frame]], Iterator[Frame]]:
        """The stage with what goes in and comes out looked at; frames pass unchanged."""
        return lambda frames: self._leave(stage(self._enter(frames)))

    @property
    def measured(self) -> Flicker | None:
        """Over all pairs so far; None before there was one, and for pictures without any detail."""
        if not self._num_values or not self._energies[0]:
            return None
        before, after = self._changes / self._num_values
        return Flicker(float(before), float(after), float(self._energies[1] / self._energies[0]))

    def _enter(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if not frame.inserted and (frame.index - FIRST) % EVERY < 2:
                assert isinstance(frame.result, np.ndarray)
                self._plain[frame.index] = frame.result
            yield frame

    def _leave(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        first: tuple[F32, F32] | None = None
        for frame in frames:
            plain = self._plain.pop(frame.index, None)
            if plain is not None:
                assert isinstance(frame.result, np.ndarray)
                pair = plain, frame.result
                if (frame.index - FIRST) % EVERY == 0:
                    first = pair
                elif first is not None and frame.motion is not None and first[0].shape == plain.shape:
                    with self._times.measure("steady"):
                        self._add(frame, first, pair)
            yield frame

    def _add(self, frame: Frame, before: tuple[F32, F32], now: tuple[F32, F32]) -> None:
        assert frame.motion is not None
        height, width = now[0].shape[:2]
        motion = fitted(frame.motion, self._region((frame.source.width, frame.source.height)), (height, width))
        trusted = (motion.trust > TRUSTED).view(np.uint8)
        for n, (picture, past) in enumerate(zip(now, before, strict=True)):
            self._changes[n] += cv2.norm(warp(past, motion.to_previous), picture, cv2.NORM_L2SQR, trusted)
            self._energies[n] += cv2.norm(picture[1:], picture[:-1], cv2.NORM_L2SQR)
            self._energies[n] += cv2.norm(picture[:, 1:], picture[:, :-1], cv2.NORM_L2SQR)
        self._num_values += 3 * cv2.countNonZero(trusted)
