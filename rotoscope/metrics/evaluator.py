"""Evaluate video files: read them side by side and measure, with networks that are loaded once."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.metrics.confusion import LabelScores
from rotoscope.metrics.evaluation import Evaluation, Flow, evaluate_frames, motion_from_flow
from rotoscope.metrics.frechet import frechet_distance, statistics_of
from rotoscope.metrics.holes import hole_masks
from rotoscope.metrics.label_scores import FindLabels, label_scores
from rotoscope.metrics.matched import frames_of, matched_frames, pictures_of
from rotoscope.metrics.published_weights import check_there
from rotoscope.metrics.rgb_array import F32, RGB
from rotoscope.metrics.warping_error import Mask

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
    mask           holes that the results have filled (a video, folder or picture, white in the hole): also E_warp around them
    labels         label maps of the frames, a folder of PNG files of class numbers: also scores of labels
    find_labels    finds the class of each pixel of a picture; comes with `labels`
    patches        also C_PSNR and C_SSIM, which takes longer than everything else
    column         x of the column of pixels that slices through time show; None: the middle one
    start          seconds of the source to skip: what the results were translated with (`--start`)
    duration       seconds to measure; None: all
    rate           frames per second of image sequences
    Raises UsageError if weights are given and torch is missing, or one of `labels` and `find_labels` alone; ModelRefused for
    weights that are not there or do not fit.
    """

    def __init__(
        self,
        flow: Flow,
        *,
        lpips: Sequence[str | Path] = (),
        lpips_network: LpipsNetwork = "squeeze",
        inception: str | Path | None = None,
        i3d: str | Path | None = None,
        mask: str | Path | None = None,
        labels: str | Path | None = None,
        find_labels: FindLabels | None = None,
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
        self._mask, self._labels, self._find_labels = mask, labels, find_labels
        if (labels is None) != (find_labels is None):
            raise UsageError(
                "--labels needs one of --segmenter onnx:FILE (photographs) and --palette COLOURS (label pictures), and "
                "they need --labels"
            )
        self.needs_reference = bool(lpips or inception or i3d)
        named = [(path, "LPIPS") for path in lpips] + [(inception, "FID"), (i3d, "VFID")]
        for path, measure in named:
            if path is not None:
                check_there(path, measure, lpips_network)
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
        keep_vectors: bool = False,
    ) -> Evaluation:
        """Measure one result: a video, folder or pattern of pictures, as is each of the others.

        reference     the same translation frame by frame (`--steady off`); None: measure the result alone
        on_frame      called with the number of frames measured so far
        keep_vectors  also return the feature vectors of FID and VFID, 8 kB a frame, to compare sets of videos
        Raises InputRefused if the videos do not match, UsageError if weights were given but no reference.
        """
        if reference is None and self.needs_reference:
            raise UsageError(WITHOUT_REFERENCE)
        found = evaluate_frames(
            matched_frames(source, result, reference, start=self._start, duration=self._duration, rate=self._rate),
            self._motion,
            distance=self._lpips,
            holes=None if self._mask is None else self._holes(self._mask),
            with_patches=self._patches,
            column_px=self._column,
            on_frame=on_frame,
        )
        if reference is not None:
            found.video_distances, found.vectors = self._video_distances(result, reference, keep_vectors)
        videos = {"result": result} | ({"frame by frame": reference} if reference is not None else {})
        for video, name in videos.items() if self._labels is not None else ():
            found.label_scores[video] = self._label_scores(name)
        return found

    def pictures(self, pictures: str, reference: str | None = None) -> dict[str, float]:
        """Measure pictures that are no video: FCN scores with labels, FID to a reference of any number of pictures.

        Raises UsageError if neither labels nor weights of Inception-v3 and a reference were given.
        """
        numbers: dict[str, float] = {}
        if self._labels is not None:
            numbers |= self._label_scores(pictures).named()
        if self._inception is not None and reference is not None:
            sets = [statistics_of(map(self._inception, pictures_of(name))) for name in (pictures, reference)]
            numbers["FID"] = frechet_distance(*sets)
        if not numbers:
            raise UsageError(
                "nothing to measure on pictures alone; accepted: --labels MAPS with --segmenter or --palette, --reference REAL "
                "--inception FILE, or SOURCE RESULT"
            )
        return numbers

    def _label_scores(self, name: str) -> LabelScores:
        assert self._labels is not None and self._find_labels is not None
        pictures = pictures_of(name, self._duration, self._rate)
        return label_scores(
            pictures, str(self._labels), self._find_labels, start=self._start, duration=self._duration, rate=self._rate
        )

    def _holes(self, mask: str | Path) -> Iterator[Mask]:
        return hole_masks(str(mask), start=self._start, duration=self._duration, rate=self._rate)

    def _video_distances(
        self, result: str, reference: str, keep_vectors: bool
    ) -> tuple[dict[str, float], dict[str, tuple[F32, F32]]]:
        """FID from single frames; VFID and VLPIPS from windows of ten frames; and the vectors, if they are kept."""
        distances: dict[str, float] = {}
        kept: dict[str, tuple[F32, F32]] = {}
        makers: dict[str, Callable[[Iterator[RGB]], Iterator[F32]]] = {}
        if self._inception is not None:
            makers["FID"] = partial(map, self._inception)
        if self._i3d is not None:
            makers["VFID"] = self._i3d[0].windows
            distances["VLPIPS"] = self._i3d[1](self._frames(result), self._frames(reference))
        for measure, vectors in makers.items():
            batches: tuple[list[F32], list[F32]] = ([], [])
            sets = [
                statistics_of(_kept(vectors(self._frames(name)), into if keep_vectors else None))
                for name, into in zip((result, reference), batches, strict=True)
            ]
            distances[measure] = frechet_distance(*sets)
            if keep_vectors:
                kept[measure] = (np.concatenate(batches[0]), np.concatenate(batches[1]))
        return distances, kept

    def _frames(self, name: str) -> Iterator[RGB]:
        return frames_of(name, duration=self._duration, rate=self._rate)


def _kept(batches: Iterator[F32], into: list[F32] | None) -> Iterator[F32]:
    """Pass batches on, and append them to a list if there is one."""
    for batch in batches:
        if into is not None:
            into.append(batch)
        yield batch
