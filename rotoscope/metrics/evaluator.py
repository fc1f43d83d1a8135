"""Evaluate video files: read them side by side and measure, with networks that are loaded once."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rotoscope.base.errors import UsageError
from rotoscope.metrics.evaluation import Evaluation, Flow, evaluate_frames, motion_from_flow
from rotoscope.metrics.frechet import frechet_distance, statistics_of
from rotoscope.metrics.matched import frames_of, matched_frames
from rotoscope.metrics.rgb_array import RGB

if TYPE_CHECKING:
    from rotoscope.metrics.feature_distances import InceptionVector, LpipsDistance, VideoDistance, VideoVector

LpipsNetwork = Literal["squeeze", "alex", "vgg"]
WITHOUT_REFERENCE = "--lpips, --inception and --i3d measure the distance to a --reference; give one"


class Evaluator:
    """Measures results of one part of a source; call it once for each result.

    flow           estimates the motion of the source
    lpips          weights of LPIPS: one file, or the learned weights and those of the backbone; () leaves LPIPS out
    lpips_network  backbone that these weights are for
    inception      weights of Inception-v3 (pytorch-fid's file) for FID; None leaves it out
    i3d            weights of I3D (pytorch-i3d's rgb_imagenet.pt) for VFID and VLPIPS; None leaves them out
    patches        also C_PSNR and C_SSIM, which takes longer than everything else
    column         x of the column of pixels that slices through time show; None: the middle one
    start          seconds of the source to skip: what the results were translated with (`--start`)
    duration       seconds to measure; None: all
    rate           frames per second of image sequences
    Raises UsageError if weights are given and torch is missing, ModelRefused for weights that do not fit.
    """

    def __init__(
        self,
        flow: Flow,
        *,
        lpips: Sequence[str | Path] = (),
        lpips_network: LpipsNetwork = "squeeze",
        inception: str | Path | None = None,
        i3d: str | Path | None = None,
        patches: bool = False,
        column: int | None = None,
        start: float | None = None,
        duration: float | None = None,
        rate: float = 25.0,
    ) -> None:
        self._motion = motion_from_flow(flow)
        self._patches, self._column = patches, column
        self._start, self._duration, self._rate = start, duration, rate
        self._lpips: LpipsDistance | None = None
        self._inception: InceptionVector | None = None
        self._i3d: tuple[VideoVector, VideoDistance] | None = None
        self.needs_reference = bool(lpips or inception or i3d)
        if self.needs_reference:
            if importlib.util.find_spec("torch") is None:
                raise UsageError('LPIPS, FID, VFID and VLPIPS need torch: pip install ".[export]"')
            from rotoscope.metrics import feature_distances as networks

            self._lpips = networks.LpipsDistance(*lpips, backbone=lpips_network) if lpips else None
            self._inception = None if inception is None else networks.InceptionVector(inception)
            self._i3d = None if i3d is None else (networks.VideoVector(i3d), networks.VideoDistance(i3d))

    def __call__(
        self,
        source: str,
        result: str,
        reference: str | None = None,
        *,
        on_frame: Callable[[int], None] = lambda _done: None,
    ) -> Evaluation:
        """Measure one result: a video, folder or pattern of pictures, as is each of the others.

        reference  the same translation frame by frame (`--steady off`); None: measure the result alone
        on_frame   called with the number of frames measured so far
        Raises InputRefused if the videos do not match, UsageError if weights were given but no reference.
        """
        if reference is None and self.needs_reference:
            raise UsageError(WITHOUT_REFERENCE)
        found = evaluate_frames(
            matched_frames(source, result, reference, start=self._start, duration=self._duration, rate=self._rate),
            self._motion,
            distance=self._lpips,
            with_patches=self._patches,
            column_px=self._column,
            on_frame=on_frame,
        )
        if reference is not None:
            found.video_distances = self._video_distances(result, reference)
        return found

    def _video_distances(self, result: str, reference: str) -> dict[str, float]:
        """FID from single frames; VFID and VLPIPS from windows of ten frames."""
        distances: dict[str, float] = {}
        if self._inception is not None:
            frames = [statistics_of(map(self._inception, self._frames(name))) for name in (result, reference)]
            distances["FID"] = frechet_distance(*frames)
        if self._i3d is not None:
            vector, distance = self._i3d
            windows = [statistics_of(vector.windows(self._frames(name))) for name in (result, reference)]
            distances["VFID"] = frechet_distance(*windows)
            distances["VLPIPS"] = distance(self._frames(result), self._frames(reference))
        return distances

    def _frames(self, name: str) -> Iterator[RGB]:
        return frames_of(name, duration=self._duration, rate=self._rate)
