"""Laplacian pyramids (Burt and Adelson 1983) as OpenCV's pyrDown and pyrUp make them, for `detail`: CPU parts and reference.

Down: (1,4,6,4,1)/16 along both axes, edges reflected, every second pixel. Doubled: (1,6,1)/8 at even places and (4,4)/8 at odd
ones; beyond the low end pixels are reflected, beyond the high end the last is repeated.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.compile import cpu_kernel, cpu_kernel_with_any_order
from rotoscope.kernels.vector import add_scaled4, load4, scaled4, store4
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
def pyramid_down(begin: int, end: int, level: F32, size: Any, channels: int, out: F32) -> None:
    """Rows begin to end of out, the next level of level.

    level, out  flat (H*W*C,) and (h*w*C,)
    size        (H, W)
    channels    C: 1 or 4
    """
    height, width = size
    long, columns = width * channels, (width + 1) // 2
    line = np.empty(long + 4 * channels, np.float32)
    middle = line[2 * channels :]
    near, far, own = np.float32(0.25), np.float32(0.0625), np.float32(0.375)
    for y in range(begin, end):
        a, b, c, d, e = (
            level[reflect(2 * y - 2, height) * long :], level[reflect(2 * y - 1, height) * long :],
            level[2 * y * long :], level[reflect(2 * y + 1, height) * long :], level[reflect(2 * y + 2, height) * long :],
        )  # fmt: skip
        for i in range(long):
            middle[i] = (a[i] + e[i]) * far + (b[i] + d[i]) * near + c[i] * own
        _reflect_ends(line, width, channels)
        target = out[y * columns * channels :]
        if channels == 1:
            for x in range(columns):
                ends, sides = line[2 * x] + line[2 * x + 4], line[2 * x + 1] + line[2 * x + 3]
                target[x] = ends * far + sides * near + line[2 * x + 2] * own
        else:
            for x in range(columns):
                total = add_scaled4(scaled4(load4(line, 8 * x), far), load4(line, 8 * x + 4), near)
                total = add_scaled4(total, load4(line, 8 * x + 8), own)
                total = add_scaled4(total, load4(line, 8 * x + 12), near)
                store4(target, 4 * x, add_scaled4(total, load4(line, 8 * x + 16), far))


@cpu_kernel
def _reflect_ends(line: F32, width: int, channels: int) -> None:
    """Fill the two pixels on either side of a row, line ((W+4)*C,), with those inside, reflected."""
    for x in range(2):
        left, right = reflect(x - 2, width) + 2, reflect(width + x, width) + 2
        for c in range(channels):
            line[x * channels + c] = line[left * channels + c]
            line[(width + 2 + x) * channels + c] = line[right * channels + c]


@cpu_kernel
def add_doubled(
    begin: int, end: int, level: F32, coarser: F32, size: Any, channels: int, factor: Any, out: F32
) -> None:
    """Rows begin to end: out = level + factor * doubled coarser.

    level, out  flat (H*W*C,), may be the same
    coarser     flat (h*w*C,), h = (H + 1) // 2, w = (W + 1) // 2
    size        (H, W)
    channels    C: 1 or 4
    """
    height, width = size
    rows, columns = (height + 1) // 2, (width + 1) // 2
    short = columns * channels
    line, wide = np.empty(short + 2 * channels, np.float32), np.empty(2 * columns, np.float32)
    middle = line[channels:]
    own, side, half = factor * np.float32(0.75), factor * np.float32(0.125), factor * np.float32(0.5)
    beside = min(1, columns - 1) + 1
    for y in range(begin, end):
        at = y // 2
        here, below = coarser[at * short :], coarser[min(at + 1, rows - 1) * short :]
        if y % 2 == 0:
            above = coarser[(at - 1 if at > 0 else min(1, rows - 1)) * short :]
            for i in range(short):
                middle[i] = (above[i] + below[i]) * np.float32(0.125) + here[i] * np.float32(0.75)
        else:
            for i in range(short):
                middle[i] = (here[i] + below[i]) * np.float32(0.5)
        for c in range(channels):
            line[c], line[short + channels + c] = line[beside * channels + c], line[short + c]
        source, target = level[y * width * channels :], out[y * width * channels :]
        if channels == 1:
            for x in range(columns):
                wide[2 * x] = (line[x] + line[x + 2]) * side + line[x + 1] * own
                wide[2 * x + 1] = (line[x + 1] + line[x + 2]) * half
            for x in range(width):
                target[x] = source[x] + wide[x]
        else:
            for x in range(columns):
                left, centre, right = load4(line, 4 * x), load4(line, 4 * x + 4), load4(line, 4 * x + 8)
                value = add_scaled4(load4(source, 8 * x), left, side)
                store4(target, 8 * x, add_scaled4(add_scaled4(value, right, side), centre, own))
                if 2 * x + 1 < width:
                    value = add_scaled4(load4(source, 8 * x + 4), centre, half)
                    store4(target, 8 * x + 4, add_scaled4(value, right, half))


@cpu_kernel_with_any_order
def band_energy(begin: int, end: int, band: F32, size: Any, channels: int) -> Any:
    """Return the sum of the squared differences to the right and below, over rows begin to end.

    band  flat (H*W*C,); size: (H, W); channels: C
    """
    height, long = size[0], size[1] * channels
    total: Any = 0.0
    for y in range(begin, end):
        row = band[y * long :]
        right, below = row[channels:], band[min(y + 1, height - 1) * long :]
        steps = np.float32(0)
        for i in range(long - channels):
            step = right[i] - row[i]
            steps += step * step
        for i in range(long):
            step = below[i] - row[i]
            steps += step * step
        total += steps
    return total


@cpu_kernel_with_any_order
def weighted_energies(begin: int, end: int, band: F32, weight: F32, size: Any) -> tuple[float, float]:
    """Return the same sums of one channel times the weight of each pixel, and times its square.

    band, weight  flat (H*W,); size: (H, W)
    """
    height, width = size
    once: Any = 0.0
    twice: Any = 0.0
    for y in range(begin, end):
        row, share = band[y * width :], weight[y * width :]
        right, below = row[1:], band[min(y + 1, height - 1) * width :]
        steps, more = np.float32(0), np.float32(0)
        for x in range(width - 1):
            across, down = right[x] - row[x], below[x] - row[x]
            weighted = share[x] * (across * across + down * down)
            steps += weighted
            more += share[x] * weighted
        down = below[width - 1] - row[width - 1]
        weighted = share[width - 1] * down * down
        once += steps + weighted
        twice += more + share[width - 1] * weighted
    return once, twice


@cpu_kernel
def mean_of_channels(begin: int, end: int, picture: F32, width: int, out: F32) -> None:
    """Rows begin to end of out, flat (H*W,): the mean of the first three channels of picture, flat (H*W*4,)."""
    third = np.float32(1 / 3)
    for i in range(begin * width, end * width):
        out[i] = (picture[4 * i] + picture[4 * i + 1] + picture[4 * i + 2]) * third


@cpu_kernel
def add_to_channels(begin: int, end: int, picture: F32, plane: F32, width: int, out: F32) -> None:
    """Rows begin to end of out, flat (H*W*4,): picture with plane, flat (H*W,), added to its first three channels."""
    three = np.ones(4, np.float32)
    three[3] = 0
    for i in range(begin * width, end * width):
        store4(out, 4 * i, add_scaled4(load4(picture, 4 * i), load4(three, 0), plane[i]))
