"""Ramp: a mean over all earlier frames and a few later ones, moved along the motion where it is reliable.

Flicker of the mean goes with the squared steps between the weights of neighbouring frames. The weights of the past therefore
fall exponentially and never end, and those of the later frames fall linearly to nothing: a window that ends in a step lets a
frame come in, or go, at once.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Array, Frame, Motion, Picture
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.aggregate import aggregate
from rotoscope.kernels.blend import blend
from rotoscope.kernels.compose_flow import compose_flow
from rotoscope.kernels.look_ahead_weights import look_ahead_weights
from rotoscope.kernels.past_weight import past_weight
from rotoscope.runtime.motion.region import Region, motion_in_region
from rotoscope.runtime.steady.along import along
from rotoscope.runtime.steady.blend import MOST
from rotoscope.runtime.steady.detail import Detail

F32 = NDArray[np.float32]

FULL_FROM = 0.5  # strength from which on later frames have their full weight


@dataclass(frozen=True)
class _Waiting:
    """A frame that waits for later ones.

    new     its own picture
    past    the mean of it and of all frames before it
    share   (H,W) float32 in [0,1): of the frames before in that mean
    motion  to the frame before and back, at the picture's size; None for the first of a scene
    """

    frame: Frame
    new: Array
    past: Array
    share: F32
    motion: Motion | None


class Ramp:
    """A frame shows the weighted mean of itself (weight 1), all frames before and `late` frames after it.

    A frame k before has weight s^k, s = 0.95 strength; one k after has 1 - k / (late + 1); each times the trust of the motion
    between. Below strength 0.5 the weights of later frames are smaller in proportion. Pictures are read by Catmull-Rom
    sampling. `Detail` raises the detail of what is shown; the mean of the past is kept without.

    strength  0 to 1; may be changed between two steps
    late      later frames that are used, at least 0: a frame leaves after this many later ones
    region    (width, height) of a source -> (left, top, width, height), the part that results show
    """

    spans_cuts = False

    def __init__(self, strength: float, late: int, region: Callable[[Size], Region], times: StageTimes) -> None:
        self.strength, self._late, self._region, self._times = strength, late, region, times
        self.reset()

    @property
    def look_ahead(self) -> int:
        """Frames that must arrive before one can leave."""
        return self._late

    def reset(self) -> None:
        """Forget the scene."""
        self._waiting: deque[_Waiting] = deque()
        self._past: tuple[Array, F32] | None = None  # the mean of all frames so far, and its weight (H,W)
        self._detail = Detail()

    def step(self, frame: Frame) -> list[Frame]:
        """Take a frame; return the one that its arrival completes, and all that wait if it begins a scene."""
        with self._times.measure("steady"):
            new = frame.pixels()
            before = self._past
            if before is None or frame.motion is None or before[0].shape != new.shape:
                done = self.flush()
                self.reset()
                nothing: F32 = np.zeros_like(new, shape=new.shape[:2], dtype=np.float32)
                weight = np.zeros_like(nothing)
                weight[...] = 1
                self._past = new, weight
                self._waiting.append(_Waiting(frame, new, new, nothing, None))
            else:
                done = []
                motion = motion_in_region(frame.motion, self._region(frame.source.size), new.shape[:2])
                picture, weight = before
                weight, share = past_weight(weight, motion.to_previous, motion.trust, strength=MOST * self.strength)
                past = blend(new, picture, motion.to_previous, strength=1, confidence=share, sampling="cubic")
                self._past = past, weight
                self._waiting.append(_Waiting(frame, new, past, share, motion))
            if len(self._waiting) > self._late:
                done.append(self._shown())
            return done

    def flush(self) -> list[Frame]:
        """The frames that wait for later ones."""
        return [self._shown() for _ in range(len(self._waiting))]

    def _shown(self) -> Frame:
        """The frame that has waited longest, with the mean as its result."""
        center = self._waiting[0]
        weights = self._weights()
        pictures, flows, trusts = [], [], []
        flow: F32 | None = None
        trust: F32 | None = None
        for later in list(self._waiting)[1:]:
            motion = later.motion
            assert motion is not None and motion.from_previous is not None and motion.trust_ahead is not None
            trust, _ = along(motion.trust_ahead, flow, trust)
            flow = motion.from_previous if flow is None else compose_flow(flow, motion.from_previous)
            pictures.append(later.new)
            flows.append(flow)
            trusts.append(trust)
        self._waiting.popleft()
        strength = MOST * self.strength
        full = strength / (1 - strength) + sum(weights)
        if full == 0 or (center.motion is None and not pictures):
            return center.frame
        valid, used = look_ahead_weights(center.share, trusts, weights[: len(trusts)], full=full)
        mean: Array = center.past
        if pictures:
            mean = aggregate(center.past, pictures, flows, pool="weighted", valid=valid, sampling="cubic")
        return replace(center.frame, result=Picture((self._detail(mean, center.new, used),)))

    def _weights(self) -> list[float]:
        """Of the later frames, nearest first, at full trust."""
        part = min(1.0, self.strength / FULL_FROM)
        return [part * (1 - k / (self._late + 1)) for k in range(1, self._late + 1)]
