"""Patch consistency C_PSNR and C_SSIM: how similar a patch of one frame is to the best match near it in the next frame.

Computed as in MichiganCOG's inpainting evaluation, reported by HyperCon (Szeto et al., WACV 2021). They need no flow, so
errors of the flow do not change them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.metrics.fidelity import F64, UNIFORM_SIDE, similarity, window_means
from rotoscope.metrics.rgb_array import RGB, same_size, unit_range

PATCH_PX, REACH_PX = 50, 20
SEED = 1234
SSIM_RANGE = 2.0  # the published evaluation's data range; see `fidelity.ssim`


class PatchSearch:
    """Takes patches of `patch_px` at random positions and searches them within `reach_px` in the next frame.

    To reproduce published values use one object for PSNR and one for SSIM, and keep both through all videos of a data set
    in sorted order: the published code draws all positions from one random generator for each metric.
    """

    def __init__(self, patch_px: int = PATCH_PX, reach_px: int = REACH_PX, seed: int = SEED) -> None:
        if patch_px < UNIFORM_SIDE or reach_px < 1:
            raise ValueError(f"{patch_px=}, {reach_px=}; accepted: a patch of at least {UNIFORM_SIDE}, a reach above 0")
        self.patch_px, self.reach_px = patch_px, reach_px
        self._random = np.random.default_rng(seed)

    def best_psnr(self, current: RGB, following: RGB, hole: NDArray[np.bool_] | None = None) -> float:
        """Highest PSNR in dB between a random patch of one frame and the patches near it in the next; may be infinite.

        hole  (H,W) bool: take the patch at the centre of mass of these pixels instead, NaN if there is none
        """
        if hole is not None and not hole.any():
            return float("nan")
        pair = self._next(current, following, hole)
        errors = [np.square(pair.patch - pair.candidate(y, x)).mean() for y, x in pair.offsets]
        lowest = float(min(errors))
        return float(-10 * np.log10(lowest)) if lowest else float("inf")

    def best_ssim(self, current: RGB, following: RGB) -> float:
        """Highest SSIM (7x7 windows, data range 2) between a random patch of one frame and those near it in the next."""
        pair = self._next(current, following)
        # Means and variances are computed once for the searched area and shared by all candidates; covariances are not.
        unbiased = UNIFORM_SIDE**2 / (UNIFORM_SIDE**2 - 1)
        mean_a, mean_area = window_means(pair.patch), window_means(pair.area)
        variance_a = window_means(pair.patch**2) - mean_a**2
        variance_area = window_means(pair.area**2) - mean_area**2
        inner = self.patch_px - UNIFORM_SIDE + 1
        best = -1.0
        for y, x in pair.offsets:
            here = np.s_[y : y + inner, x : x + inner]
            mean_b = mean_area[here]
            covariance = window_means(pair.patch * pair.candidate(y, x)) - mean_a * mean_b
            variances = variance_a + variance_area[here]
            found = similarity(mean_a, mean_b, unbiased * variances, unbiased * covariance, SSIM_RANGE).mean()
            best = max(best, float(found))
        return best

    def _next(self, current: RGB, following: RGB, hole: NDArray[np.bool_] | None = None) -> "_Pair":
        same_size(current, following)
        height, width = current.shape[:2]
        size, reach = self.patch_px, self.reach_px
        if min(height, width) <= size:
            raise ValueError(f"pictures of {width}x{height}; accepted: sides above the patch's {size} pixels")
        if hole is None:
            top, left = int(self._random.integers(height - size)), int(self._random.integers(width - size))
        else:
            row, column = (math.floor(places.mean() - size / 2) for places in np.nonzero(hole))
            top, left = min(max(row, 0), height - size), min(max(column, 0), width - size)
        rows, columns = _offsets(top, height - size, reach), _offsets(left, width - size, reach)
        area = unit_range(following)[rows[0] : rows[-1] + size, columns[0] : columns[-1] + size]
        patch = unit_range(current)[top : top + size, left : left + size]
        return _Pair(patch.astype(np.float64), area.astype(np.float64), len(rows), len(columns))


class _Pair(NamedTuple):
    """A patch, the area of the next frame in which it is searched, and the number of positions in y and x."""

    patch: F64
    area: F64
    rows: int
    columns: int

    @property
    def offsets(self) -> list[tuple[int, int]]:
        return [(y, x) for y in range(self.rows) for x in range(self.columns)]

    def candidate(self, y: int, x: int) -> F64:
        height, width = self.patch.shape[:2]
        return self.area[y : y + height, x : x + width]


def _offsets(start: int, last: int, reach: int) -> range:
    """Positions from `start - reach` to `start + reach - 1`, cut to 0 .. last."""
    return range(max(start - reach, 0), min(start + reach, last + 1))


def mean_psnr(values: Sequence[float]) -> float:
    """Mean over pairs in dB; infinite values count as the largest finite one. Infinite if all are; NaN if there are none."""
    if not values:
        return float("nan")
    finite = [value for value in values if np.isfinite(value)]
    return float(np.minimum(values, max(finite)).mean()) if finite else float("inf")
