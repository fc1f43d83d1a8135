"""What `rotoscope evaluate` measures with: flow, and networks by the paths of their weights."""

import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.cli.progress import Style, shown_progress

if TYPE_CHECKING:
    from rotoscope.metrics.evaluation import Evaluation
    from rotoscope.metrics.pictures import F32, RGB

Numbers = dict[str, dict[str, float]]
"""By video ("result", "frame by frame") or between them ("to frame by frame"), then by name."""


@dataclass(frozen=True, kw_only=True)
class MeasureOptions:
    """What to measure with; every field is a flag of `rotoscope evaluate`."""

    flow: str = "dis"
    """What finds the motion of the source: dis (OpenCV's DIS, preset medium at full size), or onnx:FILE for a flow network."""

    lpips: Annotated[tuple[Path, ...], Parameter(show_default=False)] = ()
    """Weights of LPIPS, for the distance to the reference; a second file where its backbone is in one of its own."""

    lpips_network: Literal["squeeze", "alex", "vgg"] = "squeeze"
    """Which network these weights are for."""

    inception: Path | None = None
    """Weights of Inception-v3 (pytorch-fid's file), for FID to the reference."""

    i3d: Path | None = None
    """Weights of I3D (pytorch-i3d's rgb_imagenet.pt), for VFID and VLPIPS to the reference."""

    patches: bool = False
    """Also patch consistency, C_PSNR and C_SSIM, which takes longer than all the rest."""

    column: int | None = None
    """The column of pixels that the plot follows through time; by default the middle one."""

    duration: float | None = None
    """Seconds to measure, from the first frame on; by default all."""

    rate: float = 25.0
    """Frames per second of image sequences."""

    def __post_init__(self) -> None:
        if self.needs_reference and importlib.util.find_spec("torch") is None:
            raise UsageError('--lpips, --inception and --i3d need torch: pip install ".[export]"')

    @property
    def needs_reference(self) -> bool:
        """Something is asked for that is a distance between two results."""
        return bool(self.lpips or self.inception or self.i3d)


class Measurer:
    """Measures one result after another with networks that are loaded once."""

    def __init__(self, options: MeasureOptions) -> None:
        from rotoscope.metrics.evaluation import from_flow

        self.options = options
        self._motion = from_flow(_flow(options.flow))
        self._distance = None
        if options.lpips:
            from rotoscope.metrics.lpips import LpipsDistance

            self._distance = LpipsDistance(*options.lpips, backbone=options.lpips_network)

    def __call__(
        self, source: str, result: str, reference: str | None, on_frame: Callable[[int], None]
    ) -> tuple["Evaluation", Numbers]:
        """The evaluation, and its numbers with the distances of whole videos added."""
        from rotoscope.metrics.evaluation import evaluate
        from rotoscope.metrics.matched import matched_frames

        found = evaluate(
            matched_frames(source, result, reference, rate=self.options.rate, duration=self.options.duration),
            self._motion,
            distance=self._distance,
            with_patches=self.options.patches,
            column_px=self.options.column,
            on_frame=on_frame,
        )
        numbers = found.summary()
        if reference is not None and self.options.inception is not None:
            numbers["to frame by frame"]["FID"] = self._fid(self.options.inception, result, reference)
        if reference is not None and self.options.i3d is not None:
            numbers["to frame by frame"] |= self._video_distances(self.options.i3d, result, reference)
        return found, numbers

    def _fid(self, weights: Path, result: str, reference: str) -> float:
        """The frames of both videos as two sets of pictures."""
        from rotoscope.metrics.frechet import frechet_distance, statistics_of
        from rotoscope.metrics.inception import InceptionVector

        vector = InceptionVector(weights)
        sets = [statistics_of(map(vector, self._frames(name))) for name in (result, reference)]
        return frechet_distance(*sets)

    def _video_distances(self, weights: Path, result: str, reference: str) -> dict[str, float]:
        """Windows of ten frames of both videos, as two sets and pair by pair."""
        from rotoscope.metrics.frechet import frechet_distance, statistics_of
        from rotoscope.metrics.video_features import VideoDistance, VideoVector

        vector, distance = VideoVector(weights), VideoDistance(weights)
        sets = [statistics_of(vector.windows(self._frames(name))) for name in (result, reference)]
        return {
            "VFID": frechet_distance(*sets),
            "VLPIPS": distance(self._frames(result), self._frames(reference)),
        }

    def _frames(self, name: str) -> "Iterator[RGB]":
        from rotoscope.metrics.matched import frames_of

        return frames_of(name, rate=self.options.rate, duration=self.options.duration)


def measured(
    measure: Measurer, source: str, result: str, reference: str | None, progress: Style
) -> tuple["Evaluation", Numbers]:
    """Measure one result while progress is shown."""
    from rotoscope.runtime.pipeline.job import Progress

    begin = time.perf_counter()
    with shown_progress(progress) as show:
        return measure(
            source, result, reference, lambda done: show(Progress(done, None, time.perf_counter() - begin, {}))
        )


def _flow(name: str) -> "Callable[[RGB, RGB], F32]":
    """What estimates flow, by its name."""
    from rotoscope.assembly.pair_networks import flow_source
    from rotoscope.base.options import SteadyOptions
    from rotoscope.kernels.rows import usable_cores
    from rotoscope.runtime.motion.dis import DisFlow

    return flow_source(SteadyOptions(flow=name), usable_cores()) or DisFlow("medium", scale=1.0)
