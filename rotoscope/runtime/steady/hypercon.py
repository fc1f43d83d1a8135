"""HyperCon (Szeto, El-Khamy, Lee, Corso, WACV 2021): pool each translated frame with translated neighbours, moved onto it.

The video was made finer in time before it was translated (`insert`). Its flows are those between neighbouring source
frames, composed, and a part of one of them where a neighbour lies between two frames: none is estimated a second time.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rotoscope.frame import Array, Frame, Motion
from rotoscope.kernels.aggregate import aggregate
from rotoscope.kernels.compose_flow import compose_flow
from rotoscope.kernels.warp import warp
from rotoscope.runtime.flow.fitted import Region, fitted
from rotoscope.runtime.sizes import Size
from rotoscope.runtime.stage_times import StageTimes

F32 = NDArray[np.float32]
VOTES_FROM = 0.5  # trust


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """Which frames are pooled.

    insert    frames between two of the source (the paper's i)
    window    neighbours on either side (gamma)
    dilation  steps between them, inserted frames counted (d)
    pool      "mean" or "median"
    """

    insert: int = 3
    window: int = 2
    dilation: int = 2
    pool: Literal["mean", "median"] = "mean"

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


class HyperCon:
    """The last step: pools translated frames, drops the inserted ones.

    A neighbour does not vote where it lies outside the frame or where the motion that leads to it is not trusted; beyond the
    ends of a scene there are none.

    region  (width, height) of a source -> (left, top, width, height), the part that results show
    """

    def __init__(self, around: Neighbourhood, region: Callable[[Size], Region], times: StageTimes) -> None:
        self.around, self._region, self._times = around, region, times

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Steady each frame's result, in order, `reach` frames late."""
        kept: list[_Moment] = []  # of the scene: what is still looked at
        given = 0  # of them, already shown
        for frame in frames:
            if frame.inserted:
                assert isinstance(frame.result, np.ndarray)
                kept[-1].inserted.append(frame.result)
                continue
            if kept and frame.motion is None:
                yield from self._pooled(kept, range(given, len(kept)))
                kept, given = [], 0
            assert isinstance(frame.result, np.ndarray)
            kept.append(_Moment(frame, frame.result, self._motion(frame), []))
            ready = len(kept) - self.around.reach
            yield from self._pooled(kept, range(given, ready))
            given = max(given, ready)
            old = max(0, given - self.around.reach)
            del kept[:old]
            given -= old
        yield from self._pooled(kept, range(given, len(kept)))

    def _pooled(self, moments: list[_Moment], places: range) -> Iterator[Frame]:
        for place in places:
            center = moments[place]
            with self._times.measure("steady"):
                neighbours = [*self._followed(moments, place, 1), *self._followed(moments, place, -1)]
                if neighbours:
                    pictures, flows, votes = zip(*neighbours, strict=True)
                    center.frame.result = aggregate(
                        center.translated, pictures, flows, pool=self.around.pool, valid=votes
                    )
            yield center.frame

    def _followed(
        self, moments: list[_Moment], place: int, sign: int
    ) -> Iterator[tuple[Array, F32, NDArray[np.bool_]]]:
        """(translation, flow to it, where it may vote) of the neighbours ahead (sign 1) or behind (-1)."""
        wanted = [self.around.dilation * k for k in range(1, self.around.window + 1)]
        flow: F32 | None = None  # from the centre to the frame `whole` away
        trust: F32 | None = None
        for whole in range(self.around.reach):
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
            for step in range(1, self.around.steps + 1):
                if whole * self.around.steps + step in wanted:
                    part = onward if step == self.around.steps else onward * np.float32(step / self.around.steps)
                    picture = far if step == self.around.steps else gap.inserted[step - 1 if sign > 0 else -step]
                    yield picture, part if flow is None else compose_flow(flow, part), votes
            flow = onward if flow is None else compose_flow(flow, onward)

    def _motion(self, frame: Frame) -> Motion | None:
        if frame.motion is None:
            return None
        assert isinstance(frame.result, np.ndarray)
        height, width = frame.result.shape[:2]
        return fitted(frame.motion, self._region((frame.source.width, frame.source.height)), (height, width))


def _moved(plane: F32, flow: F32) -> F32:
    return np.asarray(warp(plane[None], flow)[0])
