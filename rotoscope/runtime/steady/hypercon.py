"""HyperCon (Szeto, El-Khamy, Lee, Corso, WACV 2021): pool each translated frame with translated neighbours, moved onto it.

The video was made finer in time before it was translated (`insert`). Its flows are those between neighbouring source
frames, composed, and a part of one of them where a neighbour lies between two frames: none is estimated a second time.

Mean and median pool as published. The weighted mean is ours: of all filters with as much distance to frame by frame the one
that lets the least flicker through weighs neighbours by powers of one number, on both sides (Whittaker's smoothing).
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Array, Frame, Motion
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.aggregate import aggregate
from rotoscope.kernels.compose_flow import compose_flow
from rotoscope.kernels.warp import warp
from rotoscope.runtime.motion.fitted import Region, fitted
from rotoscope.runtime.steady.detail import Detail

F32 = NDArray[np.float32]
VOTES_FROM = 0.5  # trust
TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """Which frames are pooled.

    insert    frames between two of the source (the paper's i)
    window    neighbours on either side (gamma)
    dilation  steps between them, inserted frames counted (d)
    pool      "mean", "median" or "weighted" mean
    strength  "weighted": what a fully trusted neighbour one source frame away counts, the centre being 1; k frames away
              strength^k, and trust times that
    """

    insert: int = 3
    window: int = 2
    dilation: int = 2
    pool: Literal["mean", "median", "weighted"] = "mean"
    strength: float = 0.75

    def needed(self) -> "Neighbourhood":
        """The same neighbours without inserted frames that none of them is: of 3, two steps apart, every second one is idle."""
        idle = math.gcd(self.steps, self.dilation)
        return replace(self, insert=self.steps // idle - 1, dilation=self.dilation // idle)

    @property
    def steps(self) -> int:
        """From one source frame to the next."""
        return self.insert + 1

    @property
    def reach(self) -> int:
        """Source frames, before and after one, whose motion is followed."""
        return -(-self.window * self.dilation // self.steps)


@dataclass
class _Moment:
    """A source frame, its translation and those of the frames inserted after it, and its motion at their size."""

    frame: Frame
    translated: Array
    motion: Motion | None
    inserted: list[Array]


class _Neighbour(NamedTuple):
    """A translation, the flow from the centre to it, where it votes (or its weights), and its weight where all is trusted."""

    translated: Array
    flow: F32
    votes: NDArray[np.bool_] | F32
    full_weight: float


class HyperCon:
    """The last step: pools translated frames, drops the inserted ones.

    A neighbour does not vote where it lies outside the frame or where the motion that leads to it is not trusted; beyond the
    ends of a scene there are none. A weighted mean is read by Catmull-Rom sampling, and gets back the detail that averaging
    takes, as in `blend`.

    region  (width, height) of a source -> (left, top, width, height), the part that results show
    """

    def __init__(self, around: Neighbourhood, region: Callable[[Size], Region], times: StageTimes) -> None:
        self.around, self._region, self._times = around, region, times

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Steady each frame's result, in order, `reach` frames late."""
        kept: list[_Moment] = []  # of the scene: what is still looked at
        given = 0  # of them, already shown
        detail = Detail()
        for frame in frames:
            if frame.inserted:
                assert isinstance(frame.result, np.ndarray)
                kept[-1].inserted.append(frame.result)
                continue
            if kept and frame.motion is None:
                yield from self._pooled(kept, range(given, len(kept)), detail)
                kept, given, detail = [], 0, Detail()
            assert isinstance(frame.result, np.ndarray)
            kept.append(_Moment(frame, frame.result, self._motion(frame), []))
            ready = len(kept) - self.around.reach
            yield from self._pooled(kept, range(given, ready), detail)
            given = max(given, ready)
            old = max(0, given - self.around.reach)
            del kept[:old]
            given -= old
        yield from self._pooled(kept, range(given, len(kept)), detail)

    def _pooled(self, moments: list[_Moment], places: range, detail: Detail) -> Iterator[Frame]:
        for place in places:
            center = moments[place]
            with self._times.measure("steady"):
                neighbours = [*self._followed(moments, place, 1), *self._followed(moments, place, -1)]
                if neighbours:
                    center.frame.result = self._mixed(center.translated, neighbours, detail)
            yield center.frame

    def _mixed(self, center: Array, neighbours: list[_Neighbour], detail: Detail) -> Array:
        pictures, flows, votes, full_weights = zip(*neighbours, strict=True)
        weighted = self.around.pool == "weighted"
        sampling = "cubic" if weighted else "bilinear"
        pooled: F32 = aggregate(center, pictures, flows, pool=self.around.pool, valid=votes, sampling=sampling)
        if not weighted:
            return pooled
        used: F32 = np.sum(votes, axis=0) / np.float32(max(sum(full_weights), TINY))
        return detail(pooled, center, used)

    def _followed(self, moments: list[_Moment], place: int, sign: int) -> Iterator[_Neighbour]:
        """The neighbours ahead (sign 1) or behind (-1)."""
        around = self.around
        wanted = [around.dilation * k for k in range(1, around.window + 1)]
        flow: F32 | None = None  # from the centre to the frame `whole` away
        trust: F32 | None = None
        for whole in range(around.reach):
            here = place + sign * whole
            if not 0 <= here + sign < len(moments):
                return
            motion = moments[max(here, here + sign)].motion
            assert motion is not None
            onward, sure = (
                (motion.from_previous, motion.trust_ahead) if sign > 0 else (motion.to_previous, motion.trust)
            )
            assert onward is not None and sure is not None
            gap = moments[min(here, here + sign)]
            far = moments[here + sign].translated
            trust = sure if flow is None or trust is None else trust * _moved(sure, flow)
            votes = trust > VOTES_FROM
            for step in range(1, around.steps + 1):
                if whole * around.steps + step in wanted:
                    part = onward if step == around.steps else onward * np.float32(step / around.steps)
                    picture = far if step == around.steps else gap.inserted[step - 1 if sign > 0 else -step]
                    there = part if flow is None else compose_flow(flow, part)
                    weight = around.strength ** (whole + step / around.steps)
                    weighted = around.pool == "weighted"
                    yield _Neighbour(picture, there, trust * np.float32(weight) if weighted else votes, weight)
            flow = onward if flow is None else compose_flow(flow, onward)

    def _motion(self, frame: Frame) -> Motion | None:
        if frame.motion is None:
            return None
        assert isinstance(frame.result, np.ndarray)
        height, width = frame.result.shape[:2]
        return fitted(frame.motion, self._region((frame.source.width, frame.source.height)), (height, width))


def _moved(plane: F32, flow: F32) -> F32:
    return np.asarray(warp(plane[None], flow)[0])
