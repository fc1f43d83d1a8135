"""Measure a result against its source, and against the frame-by-frame translation that it should stay true to."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rotoscope.base.errors import InputRefused
from rotoscope.metrics.fidelity import psnr, ssim
from rotoscope.metrics.gradient_energy import OCTAVES, relative_energy, sharpness_drift
from rotoscope.metrics.matched import Moment
from rotoscope.metrics.measures import Measures
from rotoscope.metrics.patch_consistency import PATCH_PX, mean_psnr
from rotoscope.metrics.pictures import F32, RGB
from rotoscope.metrics.warping_error import Mask, visible

STRIP_FRAMES = 3

Motion = Callable[[int, RGB, RGB], tuple[F32, Mask]]
"""(t, source frame t, source frame t + 1) -> flow from t to t + 1 (H,W,2), pixels of t that t + 1 shows (H,W)."""


@dataclass
class Evaluation:
    """The outcome: curves and sums of the result, of the frame-by-frame reference, and of how far apart they are."""

    result: Measures
    reference: Measures | None
    seconds: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)  # share of pixels that count, of each pair
    source_columns: list[RGB] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)  # of each frame to the reference's
    ssim: list[float] = field(default_factory=list)
    lpips: list[float] = field(default_factory=list)
    worst: tuple[Moment, ...] = ()  # neighbours up to the pair with the largest error, frame by frame if there is that

    @property
    def sharpness(self) -> list[float]:
        """Gradient energy of each frame over that of the reference's frame, all octaves together."""
        assert self.reference is not None
        return [
            float(relative_energy([mine.sum()], [theirs.sum()]))
            for mine, theirs in zip(self.result.energy, self.reference.energy, strict=True)
        ]

    def summary(self) -> dict[str, dict[str, float]]:
        """Numbers of the whole video by name: of the result, of the reference, and between them."""
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
            numbers |= {"frame by frame": self.reference.summary(), "to frame by frame": between}
        return numbers

    def curves(self) -> dict[str, Any]:
        """Every value of every frame and pair, for JSON."""
        names = ("warping_error", "temporal_loss", "best_psnr", "best_ssim")
        videos = {"result": self.result} | ({"frame by frame": self.reference} if self.reference is not None else {})
        curves: dict[str, Any] = {"seconds": self.seconds, "visible": self.visible}
        for video, measures in videos.items():
            curves[video] = {name: getattr(measures, name) for name in names if getattr(measures, name)}
            curves[video]["gradient_energy"] = [energy.tolist() for energy in measures.energy]
        if self.reference is not None:
            curves["to frame by frame"] = {
                name: values for name in ("psnr", "ssim", "lpips", "sharpness") if (values := getattr(self, name))
            }
        return curves


def evaluate(
    moments: Iterable[Moment],
    motion: Motion,
    *,
    distance: Callable[[RGB, RGB], float] | None = None,
    with_patches: bool = False,
    column_px: int | None = None,
    on_frame: Callable[[int], None] = lambda _done: None,
) -> Evaluation:
    """Measure a video as it passes by; a few frames and one column of each are held.

    moments       from `matched_frames`
    motion        of the source
    distance      of a result frame to the reference's, such as `lpips.LpipsDistance`
    with_patches  also patch consistency, which costs more than all the rest
    column_px     which column of pixels the slices through time show; by default the middle one
    Raises InputRefused for a video of fewer than two frames, and for one too small for the measures asked for.
    """
    recent: deque[Moment] = deque(maxlen=STRIP_FRAMES)
    found: Evaluation | None = None
    largest = -np.inf
    for index, moment in enumerate(moments):
        if found is None:
            height, width = moment.source.shape[:2]
            least = PATCH_PX + 1 if with_patches else 2**OCTAVES
            if min(height, width) < least:
                patches = " with patches" if with_patches else ""
                raise InputRefused(f"a picture of {width}x{height}; accepted: sides of at least {least}{patches}")
            column = width // 2 if column_px is None else column_px
            if not 0 <= column < width:
                raise InputRefused(f"column {column} of a picture {width} pixels wide; accepted: 0..{width - 1}")
            with_reference = moment.reference is not None
            found = Evaluation(
                result=Measures(with_patches=with_patches),
                reference=Measures(with_patches=with_patches) if with_reference else None,
            )
        previous = recent[-1] if recent else None
        recent.append(moment)
        _add(found, moment, column, distance)
        if previous is not None:
            flow, valid = motion(index - 1, previous.source, moment.source)
            _add_pair(found, previous, moment, flow, valid)
            error = (found.reference or found.result).warping_error[-1]
            if error > largest:
                largest, found.worst = error, tuple(recent)
        on_frame(index + 1)
    if found is None or not found.result.warping_error:
        raise InputRefused("a video of fewer than two frames has no consistency to measure")
    return found


def from_flow(flow: Callable[[RGB, RGB], F32]) -> Motion:
    """Motion by an estimator of flow between two pictures, run both ways; occlusion by `kernels.occlusion`."""

    def motion(_index: int, current: RGB, following: RGB) -> tuple[F32, Mask]:
        forward, backward = flow(current, following), flow(following, current)
        return forward, visible(forward, backward)

    return motion


def _add(found: Evaluation, moment: Moment, column: int, distance: Callable[[RGB, RGB], float] | None) -> None:
    found.seconds.append(moment.seconds)
    found.source_columns.append(moment.source[:, column].copy())
    found.result.add(moment.result, column)
    if found.reference is not None and moment.reference is not None:
        found.reference.add(moment.reference, column)
        found.psnr.append(psnr(moment.result, moment.reference))
        found.ssim.append(ssim(moment.result, moment.reference))
        if distance is not None:
            found.lpips.append(distance(moment.result, moment.reference))


def _add_pair(found: Evaluation, current: Moment, following: Moment, flow: F32, valid: Mask) -> None:
    found.visible.append(float(valid.mean()))
    found.result.add_pair(current.result, following.result, flow, valid)
    if found.reference is not None and current.reference is not None and following.reference is not None:
        found.reference.add_pair(current.reference, following.reference, flow, valid)
