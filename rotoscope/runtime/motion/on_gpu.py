"""Motion of pictures on a GPU, estimated there; cuts are found some frames later, when their two numbers have arrived."""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from rotoscope.base.frame import Array, Frame, Motion, Picture
from rotoscope.base.gpu_run import Download, GpuRun
from rotoscope.base.times import StageTimes
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.float_picture import float_picture, rgb_picture
from rotoscope.kernels.resize_flow import resize_flow
from rotoscope.kernels.resize_grey import resize_grey
from rotoscope.kernels.still_flows import StillScratch, still_flows, still_scratch
from rotoscope.kernels.sums import sums, sums_scratch
from rotoscope.kernels.trust import trust
from rotoscope.runtime.motion.cuts import CutDetector
from rotoscope.runtime.motion.estimator import FlowSource, FlowSourceBothWays
from rotoscope.runtime.motion.inverse_search import GpuSearch


@dataclass(frozen=True)
class _Small:
    """A source picture at the working size.

    luma     (h,w) float32, 0 to 255; with the search, one of two arrays in turn
    colour   (h,w,3) uint8 RGB, for a network; None for the search
    """

    luma: Array
    colour: Array | None


@dataclass(frozen=True)
class _Judged:
    """A frame with its motion, and the sums over trust and over remaining differences, which are on their way to the host."""

    frame: Frame
    arriving: Download | None  # None for the first frame of a scene
    num_pixels: int


class GpuMotionStage:
    """Gives each frame its motion since the frame before, and marks cuts; the first frame of a scene has no motion.

    Frames leave as many frames late as the run has slots, so that the host does not wait for the numbers that tell a cut.

    flow      a network that estimates flow between two (H,W,3) uint8 pictures on the GPU; None: dense inverse search
    scale     of the working size to the source's, in (0, 1]; a network sees full size
    both_ways also give the motion from the frame before to this one
    """

    spans_cuts = False

    def __init__(
        self,
        run: GpuRun,
        times: StageTimes,
        *,
        flow: FlowSource | None = None,
        scale: float = 0.5,
        both_ways: bool = False,
    ) -> None:
        self._run, self._times, self._flow, self._both_ways = run, times, flow, both_ways
        self._scale = scale if flow is None else 1.0
        self._search: GpuSearch | None = None
        self._still: StillScratch | None = None
        self._sums: tuple[Array, ...] | None = None
        self.reset()

    @property
    def look_ahead(self) -> int:
        """Frames that are held."""
        return self._run.slots

    def reset(self) -> None:
        """Forget the frame before."""
        self._before: _Small | None = None
        self._held: deque[_Judged] = deque()
        self._is_cut = CutDetector()

    def step(self, frame: Frame) -> list[Frame]:
        """Take a frame; return the one whose turn it is, with its motion."""
        with self._times.measure("flow"):
            before, self._before = self._before, self._small(frame.source)
            if before is None:
                self._held.append(_Judged(frame, None, 0))
            else:
                self._held.append(self._judged(frame, self._before, before))
            return [self._decided(self._held.popleft())] if len(self._held) > self._run.slots else []

    def flush(self) -> list[Frame]:
        """The frames that are held."""
        return [self._decided(self._held.popleft()) for _ in range(len(self._held))]

    def _decided(self, judged: _Judged) -> Frame:
        """The frame, marked as a cut if the numbers say so."""
        if judged.arriving is None:
            return judged.frame
        (numbers,) = judged.arriving.wait()
        difference, trusted = (float(number) / judged.num_pixels for number in numbers)
        if self._is_cut(difference, trusted):
            return replace(judged.frame, motion=None, cut=True)
        assert judged.frame.motion is not None
        return replace(judged.frame, motion=replace(judged.frame.motion, mean_trust=trusted))

    def _judged(self, frame: Frame, now: _Small, before: _Small) -> _Judged:
        size = frame.source.height, frame.source.width
        there, back = self._flows(now, before)
        if self._still is None or self._still.near.shape != now.luma.shape:
            self._still, self._sums = still_scratch(now.luma.shape, now.luma), sums_scratch(2, now.luma)
        to_previous, from_previous = still_flows(now.luma, before.luma, there, back, scratch=self._still)
        trusted, difference = trust(now.luma, before.luma, to_previous, from_previous)
        numbers = sums([difference, trusted], scratch=self._sums)
        way_back = ahead = None
        if self._both_ways:
            way_back = resize_flow(from_previous, size)
            ahead, _ = trust(before.luma, now.luma, from_previous, to_previous)
            ahead = resize_grey(ahead, size)
        motion = Motion(resize_flow(to_previous, size), way_back, resize_grey(trusted, size), ahead)
        return _Judged(replace(frame, motion=motion), self._run.download(numbers), trusted.size)

    def _flows(self, now: _Small, before: _Small) -> tuple[Array, Array]:
        if self._flow is not None:
            assert now.colour is not None and before.colour is not None
            if isinstance(self._flow, FlowSourceBothWays):
                return self._flow.both_ways(now.colour, before.colour)
            return self._flow(now.colour, before.colour), self._flow(before.colour, now.colour)
        assert self._search is not None
        there, back = self._search.flow()
        return there, back

    def _small(self, picture: Picture) -> _Small:
        height, width = max(1, round(picture.height * self._scale)), max(1, round(picture.width * self._scale))
        plane, depth = picture.planes[0], picture.depth
        if plane.ndim == 3:  # RGB: its brightness first
            plane, depth = self._grey(picture), 8
        gain = 1 / 2 ** (depth - 8)
        if self._flow is not None:
            luma = self._run.device.empty((height, width), np.float32)
            resize_grey(plane, (height, width), method="area", gain=gain, out=luma)
            return _Small(luma, rgb_picture(picture))
        if self._search is None or self._search.size != (height, width):
            self._search = GpuSearch(self._run, height, width)
        luma = self._search.next_picture()
        resize_grey(plane, (height, width), method="area", gain=gain, out=luma)
        self._search.complete()
        return _Small(luma, None)

    def _grey(self, picture: Picture) -> Array:
        """(H,W) uint8, full range, of an RGB picture."""
        grey = self._run.device.empty((picture.height, picture.width), np.uint8)
        color_out(float_picture(picture), [grey], matrix="601", full_range=True)
        return grey
