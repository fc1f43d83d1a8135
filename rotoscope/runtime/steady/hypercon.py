"""HyperCon (Szeto, El-Khamy, Lee, Corso, WACV 2021): pool each translated frame with translated neighbours, moved onto it.

Frames were inserted between those of the source before translation (`insert`). The flows used here are those between
neighbouring source frames, composed; for an inserted neighbour a fraction of one of them. No flow is estimated a second time.

Mean and median pool as published. The weighted mean is ours: exponential weights on both sides give the least flicker for a
given distance to the frame-wise result (Whittaker's smoothing).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Array, Frame, Motion, Picture
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.aggregate import aggregate
from rotoscope.kernels.arrays import on_cuda
from rotoscope.kernels.compose_flow import compose_flow
from rotoscope.kernels.weighted_sum import weighted_sum
from rotoscope.runtime.motion.region import Region, motion_in_region
from rotoscope.runtime.steady.along import along
from rotoscope.runtime.steady.detail import Detail

F32 = NDArray[np.float32]
VOTES_FROM = 0.5  # trust
TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """Which frames are pooled.

    insert    frames inserted between two of the source (the paper's i)
    window    neighbours on either side (the paper's gamma)
    dilation  steps between them, inserted frames counted (the paper's d)
    pool      "mean", "median" or "weighted" mean
    strength  for "weighted": weight of a fully trusted neighbour one source frame away, the centre having 1; strength^k at
              k frames, multiplied by trust
    """

    insert: int = 3
    window: int = 2
    dilation: int = 2
    pool: Literal["mean", "median", "weighted"] = "mean"
    strength: float = 0.75

    def needed(self) -> "Neighbourhood":
        """An equal setting that inserts only frames which are pooled: insert=3, dilation=2 becomes insert=1, dilation=1."""
        common = math.gcd(self.steps, self.dilation)
        return replace(self, insert=self.steps // common - 1, dilation=self.dilation // common)

    @property
    def steps(self) -> int:
        """Steps from one source frame to the next."""
        return self.insert + 1

    @property
    def reach(self) -> int:
        """Source frames before and after the centre whose motion is followed."""
        return -(-self.window * self.dilation // self.steps)


@dataclass
class _Place:
    """A source frame, its translation, the translations of the frames inserted after it, and its motion at their size."""

    frame: Frame
    translated: Array
    motion: Motion | None
    inserted: list[Array]


class _Neighbour(NamedTuple):
    """A translation, the flow from the centre to it, where it votes (or its weights), and its weight at full trust."""

    translated: Array
    flow: F32
    votes: NDArray[np.bool_] | F32
    full_weight: float


class HyperCon:
    """Pools translated frames and drops the inserted ones; a frame leaves `around.reach` source frames late.

    A neighbour does not vote outside the picture or where the motion to it is not trusted; there are no neighbours beyond the
    ends of a scene. A weighted mean is read by Catmull-Rom sampling, and gets back the detail that averaging removes, as in
    `blend`.

    around  may be changed at a reset
    region  (width, height) of a source -> (left, top, width, height), the part that results show
    """

    spans_cuts = False

    def __init__(self, around: Neighbourhood, region: Callable[[Size], Region], times: StageTimes) -> None:
        self.around, self._region, self._times = around, region, times
        self.reset()

    @property
    def look_ahead(self) -> int:
        """Source frames that must arrive before one can leave."""
        return self.around.reach

    def reset(self) -> None:
        """Forget the scene."""
        self._kept: list[_Place] = []  # of the scene: what is still looked at
        self._num_given = 0  # of them, those that have left
        self._detail = Detail()

    def step(self, frame: Frame) -> list[Frame]:
        """Take a frame; return the one that its arrival completes, if any."""
        if frame.inserted:
            self._kept[-1].inserted.append(frame.pixels())
            return []
        self._kept.append(_Place(frame, frame.pixels(), self._motion(frame), []))
        ready = len(self._kept) - self.around.reach
        done = self._pooled(range(self._num_given, ready))
        self._num_given = max(self._num_given, ready)
        old = max(0, self._num_given - self.around.reach)
        del self._kept[:old]
        self._num_given -= old
        return done

    def flush(self) -> list[Frame]:
        """The frames that wait for neighbours."""
        done = self._pooled(range(self._num_given, len(self._kept)))
        self._num_given = len(self._kept)
        return done

    def _pooled(self, places: range) -> list[Frame]:
        done = []
        for place in places:
            center = self._kept[place]
            frame = center.frame
            with self._times.measure("steady"):
                neighbours = [*self._followed(self._kept, place, 1), *self._followed(self._kept, place, -1)]
                if neighbours:
                    frame = replace(frame, result=Picture((self._mixed(center.translated, neighbours),)))
            done.append(frame)
        return done

    def _mixed(self, center: Array, neighbours: list[_Neighbour]) -> Array:
        pictures, flows, votes, full_weights = zip(*neighbours, strict=True)
        weighted = self.around.pool == "weighted"
        sampling = "cubic" if weighted else "bilinear"
        pooled: F32 = aggregate(center, pictures, flows, pool=self.around.pool, valid=votes, sampling=sampling)
        if not weighted:
            return pooled
        return self._detail(pooled, center, _share_of(votes, max(sum(full_weights), TINY)))

    def _followed(self, places: Sequence[_Place], center: int, sign: int) -> Iterator[_Neighbour]:
        """The neighbours ahead (sign 1) or behind (-1)."""
        around = self.around
        wanted = [around.dilation * k for k in range(1, around.window + 1)]
        flow: F32 | None = None  # from the centre to the frame `whole` away
        trust: F32 | None = None
        for whole in range(around.reach):
            here = center + sign * whole
            if not 0 <= here + sign < len(places):
                return
            motion = places[max(here, here + sign)].motion
            assert motion is not None
            onward, sure = (
                (motion.from_previous, motion.trust_ahead) if sign > 0 else (motion.to_previous, motion.trust)
            )
            assert onward is not None and sure is not None
            gap = places[min(here, here + sign)]
            far = places[here + sign].translated
            trust, votes = along(sure, flow, trust, VOTES_FROM)
            for step in range(1, around.steps + 1):
                if whole * around.steps + step in wanted:
                    part = onward if step == around.steps else _scaled(onward, step / around.steps)
                    picture = far if step == around.steps else gap.inserted[step - 1 if sign > 0 else -step]
                    there = part if flow is None else compose_flow(flow, part)
                    weight = around.strength ** (whole + step / around.steps)
                    weighted = around.pool == "weighted"
                    yield _Neighbour(picture, there, _scaled(trust, weight) if weighted else votes, weight)
            flow = onward if flow is None else compose_flow(flow, onward)

    def _motion(self, frame: Frame) -> Motion | None:
        if frame.motion is None:
            return None
        height, width = frame.pixels().shape[:2]
        return motion_in_region(frame.motion, self._region(frame.source.size), (height, width))


def _share_of(weights: Sequence[F32], whole: float) -> F32:
    """The sum of the weights, divided by a number, on their device."""
    if on_cuda(*weights):
        shares: F32 = weighted_sum(weights, [1 / whole] * len(weights))
        return shares
    return np.asarray(np.sum(weights, axis=0) / np.float32(whole), np.float32)


def _scaled(array: F32, factor: float) -> F32:
    """An array times a number, on its device."""
    scaled: F32 = weighted_sum([array], [factor]) if on_cuda(array) else array * np.float32(factor)
    return scaled
