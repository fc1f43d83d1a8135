"""Measure a result against its source and against the frame-by-frame translation, from frames in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rotoscope.base.errors import InputRefused
from rotoscope.metrics.confusion import LabelScores
from rotoscope.metrics.curves import Curves
from rotoscope.metrics.fidelity import psnr, ssim
from rotoscope.metrics.gradient_energy import OCTAVES, relative_energy, sharpness_drift
from rotoscope.metrics.holes import hole_for
from rotoscope.metrics.matched import MatchedFrame
from rotoscope.metrics.patch_consistency import PATCH_PX, mean_psnr
from rotoscope.metrics.rgb_array import F32, RGB
from rotoscope.metrics.warping_error import Mask, visible

STRIP_FRAMES = 3

Flow = Callable[[RGB, RGB], F32]
"""(picture a, picture b), both (H,W,3) uint8 -> F_ab, (H,W,2) float32 pixels on the grid of a."""
FlowAndVisible = Callable[[int, RGB, RGB], tuple[F32, Mask]]
"""(t, source frame t, source frame t + 1) -> flow from t to t + 1 (H,W,2), pixels of t that t + 1 shows (H,W) bool."""
Numbers = dict[str, dict[str, float]]
"""Numbers by "source", "result", "frame by frame" and "to frame by frame" (the distance between the last two), then by name."""


@dataclass(repr=False)
class Evaluation:
    """Curves and numbers of the result, of the frame-by-frame reference, and of the distance between them.

    `summary()` gives the numbers of the whole video, `curves()` those of every frame.

    `reference` is None and the lists psnr, ssim and lpips are empty if there is no reference.
    """

    result: Curves
    reference: Curves | None
    seconds: list[float] = field(default_factory=list)  # of each frame, since the first one
    visible: list[float] = field(default_factory=list)  # share of pixels that count, 0 to 1, of each pair
    source_columns: list[RGB] = field(default_factory=list)  # (H,3) of each frame
    psnr: list[float] = field(default_factory=list)  # in dB, of each frame to the reference's frame
    ssim: list[float] = field(default_factory=list)
    lpips: list[float] = field(default_factory=list)  # empty if no `distance` was given
    video_distances: dict[str, float] = field(
        default_factory=dict
    )  # FID, VFID and VLPIPS to the reference, if asked for
    vectors: dict[str, tuple[F32, F32]] = field(default_factory=dict)
    """By FID and VFID: feature vectors (N,D) of the result and of the reference, if they were asked for."""
    label_scores: dict[str, LabelScores] = field(
        default_factory=dict
    )  # FCN scores of "result" and "frame by frame", if there are label maps
    worst: tuple[MatchedFrame, ...] = ()  # up to three frames; the last two are the pair with the largest warping error

    def __repr__(self) -> str:
        """One line: number of frames, E_warp, and where the other numbers are."""
        found = [f"E_warp {self.result.summary()['E_warp']:.3g}"]
        if self.reference is not None:
            found.append(f"frame by frame {self.reference.summary()['E_warp']:.3g}")
        return f"<Evaluation of {len(self.seconds)} frames: {', '.join(found)}; summary() gives all numbers>"

    @property
    def sharpness(self) -> list[float]:
        """Gradient energy of each frame relative to the reference's frame, summed over octaves; needs a reference."""
        assert self.reference is not None
        return [
            float(relative_energy([mine.sum()], [theirs.sum()]))
            for mine, theirs in zip(self.result.energy, self.reference.energy, strict=True)
        ]

    def summary(self) -> Numbers:
        """Return the numbers of the whole video; a number that could not be measured is NaN."""
        numbers = {
            "source": {"visible pixels": float(np.mean(self.visible)), "visible at least": float(np.min(self.visible))},
            "result": self.result.summary(),
        }
        if self.reference is not None:
            octaves = relative_energy(self.result.energy, self.reference.energy)
            between = {f"gradient energy, octave {index + 1}": float(value) for index, value in enumerate(octaves)}
            between |= {
                "sharpness drift": sharpness_drift(self.sharpness),
                "PSNR": mean_psnr(self.psnr),
                "SSIM": float(np.mean(self.ssim)),
            }
            if self.lpips:
                between["LPIPS"] = float(np.mean(self.lpips))
            numbers |= {"frame by frame": self.reference.summary(), "to frame by frame": between | self.video_distances}
        for video, scores in self.label_scores.items():
            numbers[video] |= scores.named()
        return numbers

    def curves(self) -> dict[str, Any]:
        """Return every value of every frame and pair as lists and dictionaries."""
        names = ("warping_error", "temporal_loss", "around_hole", "best_psnr", "best_ssim", "psnr_at_hole")
        videos = {"result": self.result} | ({"frame by frame": self.reference} if self.reference is not None else {})
        values: dict[str, Any] = {"seconds": self.seconds, "visible": self.visible}
        for video, curves in videos.items():
            values[video] = {name: getattr(curves, name) for name in names if getattr(curves, name)}
            values[video]["gradient_energy"] = [energy.tolist() for energy in curves.energy]
            values[video]["lattice"] = [frame._asdict() for frame in curves.lattice]
        if self.reference is not None:
            values["to frame by frame"] = {
                name: curve for name in ("psnr", "ssim", "lpips", "sharpness") if (curve := getattr(self, name))
            }
        return values


def evaluate_frames(
    frames: Iterable[MatchedFrame],
    motion: FlowAndVisible,
    *,
    distance: Callable[[RGB, RGB], float] | None = None,
    holes: Iterator[Mask] | None = None,
    with_patches: bool = False,
    column_px: int | None = None,
    on_frame: Callable[[int], None] = lambda _done: None,
) -> Evaluation:
    """Measure videos frame by frame; three frames and one column of every frame are held.

    frames        from `matched_frames`
    motion        of the source, for example `motion_from_flow`
    distance      of a result frame to the reference's frame, for example `LpipsDistance`
    holes         (H,W) bool of each frame, True in the hole that was filled; None: there is none
    with_patches  also patch consistency, which takes longer than everything else
    column_px     x of the column that slices through time show; None: the middle one
    on_frame      called with the number of frames measured so far
    Raises InputRefused for a video of fewer than two frames, for pictures that are too small for the chosen measures, and for
    a column outside the picture.
    """
    recent: deque[MatchedFrame] = deque(maxlen=STRIP_FRAMES)
    two_holes: deque[Mask] = deque(maxlen=2)
    found: Evaluation | None = None
    largest = -np.inf
    for index, frame in enumerate(frames):
        if found is None:
            height, width = frame.source.shape[:2]
            least = PATCH_PX + 1 if with_patches else 2**OCTAVES
            if min(height, width) < least:
                patches = " with patches" if with_patches else ""
                raise InputRefused(f"a picture of {width}x{height}; accepted: sides of at least {least}{patches}")
            column = width // 2 if column_px is None else column_px
            if not 0 <= column < width:
                raise InputRefused(f"column {column} of a picture {width} pixels wide; accepted: 0..{width - 1}")
            with_reference = frame.reference is not None
            found = Evaluation(
                result=Curves(with_patches=with_patches),
                reference=Curves(with_patches=with_patches) if with_reference else None,
            )
        previous = recent[-1] if recent else None
        recent.append(frame)
        if holes is not None:
            two_holes.append(hole_for(holes, frame.source, index))
        _add(found, frame, column, distance)
        if previous is not None:
            flow, valid = motion(index - 1, previous.source, frame.source)
            near = (two_holes[0], two_holes[1]) if two_holes else None
            found.visible.append(float(valid.mean()))
            found.result.add_pair(previous.result, frame.result, flow, valid, near)
            if found.reference is not None and previous.reference is not None and frame.reference is not None:
                found.reference.add_pair(previous.reference, frame.reference, flow, valid, near)
            error = (found.reference or found.result).warping_error[-1]
            if error > largest:
                largest, found.worst = error, tuple(recent)
        on_frame(index + 1)
    if found is None or not found.result.warping_error:
        raise InputRefused("a video of fewer than two frames has no consistency to measure; accepted: at least two")
    return found


def motion_from_flow(flow: Flow) -> FlowAndVisible:
    """Estimate flow forward and backward; a pixel counts if both agree (see `warping_error.visible`)."""

    def motion(_index: int, current: RGB, following: RGB) -> tuple[F32, Mask]:
        forward, backward = flow(current, following), flow(following, current)
        return forward, visible(forward, backward)

    return motion


def _add(found: Evaluation, frame: MatchedFrame, column: int, distance: Callable[[RGB, RGB], float] | None) -> None:
    found.seconds.append(frame.seconds)
    found.source_columns.append(frame.source[:, column].copy())
    found.result.add(frame.result, column)
    if found.reference is not None and frame.reference is not None:
        found.reference.add(frame.reference, column)
        found.psnr.append(psnr(frame.result, frame.reference))
        found.ssim.append(ssim(frame.result, frame.reference))
        if distance is not None:
            found.lpips.append(distance(frame.result, frame.reference))
