"""Flicker: how much steadying changes a video, measured while it runs, on every twelfth pair of frames.

The motion used here is the one that steadying itself follows, which favours it; `rotoscope evaluate` judges independently.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Frame
from rotoscope.base.gpu_run import Download, GpuRun
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.flicker_sums import flicker_sums
from rotoscope.kernels.warp import warp
from rotoscope.runtime.motion.region import Region, motion_in_region

F32 = NDArray[np.float32]

FIRST, EVERY = (
    4,
    12,
)  # index of the first frame of a measured pair (a scene has settled by then), and the period of pairs
TRUSTED = 0.5


@dataclass(frozen=True)
class FlickerChange:
    """Effect of steadying, on every twelfth pair of frames.

    frame_by_frame, shown  mean squared difference of neighbouring frames along the motion, where trust is above 0.5, over the
                           three channels, pictures in [0,1]: E_warp (Lai et al., ECCV 2018) except for the masks
    sharpness              gradient energy of the shown frames divided by that of the frame-wise ones
    """

    frame_by_frame: float
    shown: float
    sharpness: float


class FlickerMeter:
    """Two stages around a steadying stage, `entering` and `leaving`; frames pass both unchanged.

    region  (width, height) of a source -> (left, top, width, height), the part that results show
    gpu     of a run whose pictures stay on it; None: they are on the CPU
    """

    def __init__(self, region: Callable[[Size], Region], times: StageTimes, gpu: GpuRun | None = None) -> None:
        self._region, self._times, self._gpu = region, times, gpu
        self._arriving: deque[Download] = deque()  # sums of pairs, from the GPU
        self._framewise: dict[int, F32] = {}  # results of frames that are still in the steadying stage, by index
        self._changes = np.zeros(2)  # frame by frame, shown
        self._energies = np.zeros(2)
        self._num_values = 0
        self.entering = _Tap(self._enter, self._framewise.clear)
        self.leaving = _Tap(self._leave, self._forget_pair)
        self._first: tuple[int, F32, F32] | None = None

    @property
    def measured(self) -> FlickerChange | None:
        """Over all pairs so far; None before the first pair, and for pictures without any detail."""
        self._take_arrived()
        if not self._num_values or not self._energies[0]:
            return None
        before, after = self._changes / self._num_values
        return FlickerChange(float(before), float(after), float(self._energies[1] / self._energies[0]))

    def _enter(self, frame: Frame) -> None:
        if not frame.inserted and (frame.index - FIRST) % EVERY < 2:
            self._framewise[frame.index] = frame.pixels()

    def _leave(self, frame: Frame) -> None:
        framewise = self._framewise.pop(frame.index, None)
        if framewise is None:
            return
        shown = frame.pixels()
        if (frame.index - FIRST) % EVERY == 0:
            self._first = frame.index, framewise, shown
            return
        first, self._first = self._first, None
        # A frame of the pair may be missing: undecodable, or the other side of a cut.
        if first is None or first[0] != frame.index - 1 or frame.motion is None or first[1].shape != framewise.shape:
            return
        with self._times.measure("steady"):
            self._add(frame, first[1:], (framewise, shown))

    def _forget_pair(self) -> None:
        self._first = None

    def _add(self, frame: Frame, before: tuple[F32, F32], now: tuple[F32, F32]) -> None:
        assert frame.motion is not None
        height, width = now[0].shape[:2]
        motion = motion_in_region(frame.motion, self._region(frame.source.size), (height, width))
        if self._gpu is not None:
            self._take_arrived()  # of the pair before, long ago: its buffers are used again
            pairs = zip(now, before, strict=True)
            sums = [flicker_sums(picture, past, motion.to_previous, motion.trust) for picture, past in pairs]
            self._arriving.append(self._gpu.download(*sums))
            return
        trusted = (motion.trust > TRUSTED).view(np.uint8)
        for n, (picture, past) in enumerate(zip(now, before, strict=True)):
            self._changes[n] += cv2.norm(warp(past, motion.to_previous), picture, cv2.NORM_L2SQR, trusted)
            self._energies[n] += cv2.norm(picture[1:], picture[:-1], cv2.NORM_L2SQR)
            self._energies[n] += cv2.norm(picture[:, 1:], picture[:, :-1], cv2.NORM_L2SQR)
        self._num_values += 3 * cv2.countNonZero(trusted)

    def _take_arrived(self) -> None:
        """Add the sums of the pairs so far that a GPU made."""
        while self._arriving:
            for n, (change, energy, num_trusted) in enumerate(self._arriving.popleft().wait()):
                self._changes[n] += change
                self._energies[n] += energy
                self._num_values += 3 * int(num_trusted) if n == 0 else 0


class _Tap:
    """A stage that looks at frames and passes them on."""

    look_ahead = 0
    spans_cuts = True

    def __init__(self, look: Callable[[Frame], None], forget: Callable[[], None]) -> None:
        self._look, self._forget = look, forget

    def reset(self) -> None:
        """Forget what was seen of this stream."""
        self._forget()

    def step(self, frame: Frame) -> list[Frame]:
        """The frame, unchanged."""
        self._look(frame)
        return [frame]

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []
