"""Laplacian pyramids (Burt and Adelson 1983) as OpenCV's pyrDown and pyrUp make them, for `detail`: CPU parts and reference.

Down: (1,4,6,4,1)/16 along both axes, edges reflected, every second pixel. Doubled: (1,6,1)/8 at even places and (4,4)/8 at odd
ones; beyond the low end pixels are reflected, beyond the high end the last is repeated.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.windows import reflect, reflected

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def level_sizes(size: tuple[int, int], count: int) -> list[tuple[int, int]]:
    """Return (height, width) of `count` levels below the first one, too."""
    sizes = [size]
    for _ in range(count):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def down_reference(level: F64) -> F64:
    """Return the next level of (H,W,C) float64."""
    for axis in (0, 1):
        size = level.shape[axis]
        places = 2 * np.arange(-(-size // 2))
        level = sum(
            level.take(reflected(places + k - 2, size), axis) * tap
            for k, tap in enumerate(np.array([1, 4, 6, 4, 1]) / 16)
        )
    return level


def doubled_reference(level: F64, size: tuple[int, ...]) -> F64:
    """Return a level (h,w,C) float64 enlarged to `size` (height, width)."""
    for axis in (0, 1):
        last, places = level.shape[axis] - 1, np.arange(size[axis])
        middle, even = places // 2, places % 2 == 0
        low = np.where(even, np.where(middle > 0, middle - 1, min(1, last)), middle)
        high = np.minimum(middle + 1, last)
        weights = np.where(even, [[1], [6], [1]], [[0], [4], [4]]) / 8
        shape = [-1 if a == axis else 1 for a in range(3)]
        taps = zip(weights, (low, np.minimum(middle, last), high), strict=True)
        level = sum(level.take(np.minimum(at, last), axis) * weight.reshape(shape) for weight, at in taps)
    return level


def energy_reference(band: F64, weight: F64 | None = None, power: int = 1) -> float:
    """Return the sum of the squared differences to the right and below, times weight^power of the pixel if there is one."""
    share = np.ones(band.shape[:2]) if weight is None else weight**power
    right, below = np.square(np.diff(band, axis=1)).sum(2), np.square(np.diff(band, axis=0)).sum(2)
    return float((right * share[:, :-1]).sum() + (below * share[:-1]).sum())


@cpu_kernel
def pyramid_down(begin: int, end: int, level: F32, out: F32) -> None:
    """Rows begin to end of out (h,w,C), the next level of level (H,W,C)."""
    height, width, channels = level.shape
    line = np.empty((width, channels), np.float32)
    taps = (np.float32(0.375), np.float32(0.25), np.float32(0.0625))
    for y in range(begin, end):
        for j in range(-2, 3):
            row, tap = level[reflect(2 * y + j, height)], taps[abs(j)]
            for x in range(width):
                for c in range(channels):
                    line[x, c] = row[x, c] * tap if j == -2 else line[x, c] + row[x, c] * tap
        for x in range(out.shape[1]):
            for c in range(channels):
                total = np.float32(0)
                for i in range(-2, 3):
                    total += line[reflect(2 * x + i, width), c] * taps[abs(i)]
                out[y, x, c] = total


@cpu_kernel
def add_doubled(begin: int, end: int, level: F32, coarser: F32, factor: Any, out: F32) -> None:
    """Rows begin to end: out = level + factor * doubled coarser; level and out (H,W,C), may be the same.

    coarser  (h,w,C), h = (H + 1) // 2, w = (W + 1) // 2
    """
    rows, columns, channels = coarser.shape
    line = np.empty((columns, channels), np.float32)
    for y in range(begin, end):
        middle = y // 2
        for x in range(columns):
            for c in range(channels):
                here, below = coarser[min(middle, rows - 1), x, c], coarser[min(middle + 1, rows - 1), x, c]
                if y % 2 == 0:
                    above = coarser[middle - 1 if middle > 0 else min(1, rows - 1), x, c]
                    line[x, c] = (above + below) * np.float32(0.125) + here * np.float32(0.75)
                else:
                    line[x, c] = (here + below) * np.float32(0.5)
        for x in range(out.shape[1]):
            middle = x // 2
            left = middle - 1 if middle > 0 else min(1, columns - 1)
            at, right = min(middle, columns - 1), min(middle + 1, columns - 1)
            for c in range(channels):
                if x % 2 == 0:
                    value = (line[left, c] + line[right, c]) * np.float32(0.125) + line[at, c] * np.float32(0.75)
                else:
                    value = (line[at, c] + line[right, c]) * np.float32(0.5)
                out[y, x, c] = level[y, x, c] + factor * value


@cpu_kernel
def band_energies(begin: int, end: int, band: F32, weight: F32) -> tuple[float, float, float]:
    """Return the sums of squared differences to the right and below: plain, times weight, times its square.

    band  (H,W,C); weight (H,W)
    """
    height, width, channels = band.shape
    plain: Any = 0.0
    once: Any = 0.0
    twice: Any = 0.0
    for y in range(begin, end):
        for x in range(width):
            steps = np.float32(0)
            for c in range(channels):
                if x + 1 < width:
                    step = band[y, x + 1, c] - band[y, x, c]
                    steps += step * step
                if y + 1 < height:
                    step = band[y + 1, x, c] - band[y, x, c]
                    steps += step * step
            share = weight[y, x]
            plain += steps
            once += share * steps
            twice += share * share * steps
    return plain, once, twice
