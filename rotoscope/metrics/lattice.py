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
    the variance of its n * n means over equal positions modulo n, divided by its variance. In tiles, both variances are
    summed over all tiles that fit. Chance gives a tile of N pixels a share of c (n * n - 1) / N; c is the mean of the two
    that periods 3 and 5 show, and periods 2, 4, 6, 7, 8, 9 are measured.
    """
    if min(picture.shape[:2]) < LEAST_SIDE_PX:
        return LatticeShare(float("nan"), float("nan"))
    detail = fine_detail(picture)
    whole = max(share([detail], period) for period in PERIODS)
    rows, columns = (side // TILE_PX * TILE_PX for side in detail.shape)
    tiles = [
        detail[y : y + TILE_PX, x : x + TILE_PX] for y in range(0, rows, TILE_PX) for x in range(0, columns, TILE_PX)
    ]
    chance = np.mean([share(tiles, period) / by_chance(period) for period in CHANCE_PERIODS])
    return LatticeShare(whole, float(max(share(tiles, period) - chance * by_chance(period) for period in TILE_PERIODS)))


def fine_detail(picture: RGB) -> F64:
    """Luma (BT.601, in [0,1]) minus the mean of its four neighbours: (H,W,3) -> (H-2,W-2) float64."""
    luma = unit_range(picture).astype(np.float64) @ np.array(LUMA)
    neighbours = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return np.asarray(luma[1:-1, 1:-1] - neighbours / 4)


def share(parts: list[F64], period: int) -> float:
    """Share of a period in parts (H,W), cut to multiples of it: variances of the means, divided by variances; both summed."""
    means = total = 0.0
    for part in parts:
        rows, columns = (side // period for side in part.shape)
        cells = part[: rows * period, : columns * period].reshape(rows, period, columns, period)
        means += float(cells.mean(axis=(0, 2)).var())
        total += float(cells.var())
    return means / total if total > 0 else float("nan")


def by_chance(period: int) -> float:
    """Share that independent values would show in a tile."""
    return (period**2 - 1) / (TILE_PX // period * period) ** 2
