"""Gaussian windows over planes, for `still_flows` and `trust`: 17 taps, standard deviation 2 pixels, edges reflected.

These are OpenCV's GaussianBlur with sigma 2 of a float plane and its default border.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.compile import cpu_kernel

F64 = NDArray[np.float64]

SIGMA_PX, REACH_PX = 2.0, 8

_falloff = np.exp(-np.square(np.arange(REACH_PX + 1) / SIGMA_PX) / 2)
TAPS = (_falloff / (2 * _falloff.sum() - 1)).astype(np.float32)
"""float32 (9,): the taps from the middle on; all 17 together sum to 1"""


def reflected(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Return indices inside an axis of length `size`: reflected at its ends, the edge not doubled."""
    period = max(2 * size - 2, 1)
    index = np.abs(index) % period
    return np.minimum(index, period - index)


def window_reference(plane: F64, weights: F64) -> F64:
    """Return the plane (H,W) filtered along both axes with an odd number of symmetrical weights, edges reflected."""
    reach = len(weights) // 2
    for axis in (0, 1):
        size = plane.shape[axis]
        taps = [plane.take(reflected(np.arange(size) + k - reach, size), axis) for k in range(len(weights))]
        plane = np.einsum("k,kyx->yx", weights, np.stack(taps))
    return plane


def gauss_reference(plane: F64) -> F64:
    """Return the plane (H,W) blurred, in float64."""
    half = TAPS.astype(np.float64)
    return window_reference(plane, np.concatenate([half[:0:-1], half]))


@cpu_kernel
def reflect(index: int, size: int) -> int:
    """Return an index inside an axis of length `size`: reflected at its ends, the edge not doubled."""
    if size == 1:
        return 0
    while index < 0 or index >= size:
        index = -index if index < 0 else 2 * size - 2 - index
    return index


@cpu_kernel
def pad_row(row: Any, width: int, reach: int, out: Any) -> None:
    """Write a row (>= W,) with `reach` pixels on either side, reflected, to out (>= W + 2 * reach,).

    Loops over padded rows have no conditions, so they are vectorised.
    """
    for x in range(width):
        out[reach + x] = row[x]
    for x in range(reach):
        out[x] = row[reflect(x - reach, width)]
        out[reach + width + x] = row[reflect(width + x, width)]


@cpu_kernel
def gauss_across(begin: int, end: int, plane: Any, width: int, taps: Any, out: Any) -> None:
    """Rows begin to end of the plane, blurred along each row.

    plane  flat (H*W,) uint8 or float32
    taps   `TAPS`
    out    flat (H*W,) float32
    """
    line = np.empty(width + 16, np.float32)
    for y in range(begin, end):
        target = out[y * width :]
        pad_row(plane[y * width :], width, 8, line)
        for x in range(width):
            target[x] = line[x + 8] * taps[0]
        for i in range(1, 9):
            left, right, tap = line[8 - i :], line[8 + i :], taps[i]
            for x in range(width):
                target[x] += tap * (left[x] + right[x])


@cpu_kernel
def gauss_down(plane: Any, y: int, height: int, width: int, taps: Any, line: Any) -> None:
    """Write row y of the plane, blurred along each column, to `line` (>= W,) float32; plane flat (H*W,) float32."""
    here = plane[y * width :]
    for x in range(width):
        line[x] = here[x] * taps[0]
    for j in range(1, 9):
        above, below = plane[reflect(y - j, height) * width :], plane[reflect(y + j, height) * width :]
        for x in range(width):
            line[x] += taps[j] * (above[x] + below[x])
