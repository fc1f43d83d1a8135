"""Lattice share: how much of a picture's fine detail repeats every n pixels.

Networks that work in cells of n pixels (strided convolutions, pixel shuffle, resizing by whole factors) may print a pattern of
period n on the picture. It neither moves nor flickers and adds sharpness, so that other measures reward it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.manifest import LUMA
from rotoscope.metrics.rgb_array import RGB, unit_range

PERIODS = tuple(range(2, 10))  # pixels
TILE_PERIODS = (
    2,
    4,
)  # the cells in which networks work; longer periods have too few cells in a tile, and 8 is that of JPEG
CHANCE_PERIODS = (3, 5)  # no network works in cells of these sides, so that their share in a tile is chance
TILE_PX = 60
TILE_STEP_PX = 30  # half a tile: with more tiles, single edges count less
LEAST_SIDE_PX = TILE_PX + 2  # one tile and the border that the neighbours need

F64 = NDArray[np.float64]


class LatticeShare(NamedTuple):
    """Shares of the variance of fine detail, 1 = all of it; NaN for a picture smaller than 62 pixels or without detail.

    picture  largest share of a period of 2 to 9 pixels in the whole picture; chance alone gives about n * n / (H * W)
    tiles    that of period 2 or 4 in tiles of 60 pixels, less chance; it also finds a lattice whose sign follows the content,
             which cancels in the whole picture. Below 0: less than chance.
    """

    picture: float
    tiles: float


def lattice_share(picture: RGB) -> LatticeShare:
    """Measure a picture (H,W,3), uint8 or float in [0,1].

    Fine detail is the luma minus the mean of its four neighbours, without the outermost pixels. The share of a period n is
    the variance of its n * n means over equal positions modulo n, divided by its variance. Tiles overlap by half, and both
    variances are summed over them. Chance gives a tile of N pixels a share of c (n * n - 1) / N; c is the mean of the two
    that periods 3 and 5 show. Raises ValueError for an array that is no picture.
    """
    luma = unit_range(picture).astype(np.float64) @ np.array(LUMA)
    if min(luma.shape) < LEAST_SIDE_PX:
        return LatticeShare(float("nan"), float("nan"))
    detail = fine_detail(luma)
    whole = max(share(detail[None], period) for period in PERIODS)
    windows = np.lib.stride_tricks.sliding_window_view(detail, (TILE_PX, TILE_PX))[::TILE_STEP_PX, ::TILE_STEP_PX]
    tiles = windows.reshape(-1, TILE_PX, TILE_PX)
    chance = np.mean([share(tiles, period) / by_chance(period) for period in CHANCE_PERIODS])
    return LatticeShare(whole, float(max(share(tiles, period) - chance * by_chance(period) for period in TILE_PERIODS)))


def fine_detail(luma: F64) -> F64:
    """Luma minus the mean of its four neighbours: (H,W) -> (H-2,W-2)."""
    neighbours = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return np.asarray(luma[1:-1, 1:-1] - neighbours / 4)


def share(parts: F64, period: int) -> float:
    """Share of a period in parts (K,H,W), cut to multiples of it: variances of the means, divided by variances; both summed."""
    rows, columns = (side // period for side in parts.shape[1:])
    cut = parts[:, : rows * period, : columns * period]
    cells = cut.reshape(-1, rows, period, columns, period).mean(axis=(1, 3))
    total = float(cut.var(axis=(1, 2)).sum())
    return float(cells.var(axis=(1, 2)).sum()) / total if total > 0 else float("nan")


def by_chance(period: int) -> float:
    """Share that independent values would show in a tile."""
    return (period**2 - 1) / (TILE_PX // period * period) ** 2
