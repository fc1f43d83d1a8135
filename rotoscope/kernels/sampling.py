"""Sampling a picture at p + flow(p), shared by warp, aggregate, blend, interpolate and the flow operations.

Conventions: backward; flow (dx, dy) in pixels on the grid of the result; pixel centres at integers; positions clamped to
[0, W-1] x [0, H-1], NaN to 0. Bilinear equals grid_sample(align_corners=True, padding_mode="border") and Resample2d. Cubic
is Catmull-Rom (Keys 1981, a = -1/2) with taps clamped to the border and the result clamped to the range of its 2x2 nearest
pixels, so that repeated warping neither blurs nor rings.

The fast path walks rows in runs of `RUN` pixels, in two phases: positions and weights in a loop that vectorises, then per
pixel one vector load per corner. The fraction of a position is taken from the flow alone, before the pixel's own index is
added, so it stays exact to the last bit at the right side of a wide picture.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import layout_of
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.vector import (
    add_scaled4,
    as_float,
    fetch_ahead,
    higher4,
    load4,
    lower4,
    scaled4,
    splat4,
    store4,
    stream4,
)

SAMPLINGS = ("bilinear", "cubic")
RUN = 512  # pixels: long enough for the hardware to prefetch, scratch for 15 pictures stays in the second-level cache
STREAM_FROM = 2**20  # elements; a smaller picture may still be in the second-level cache when it is read next
NOTHING = np.empty(0, np.uint8)  # stands for an optional array in kernels; they test its length

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def check_sampling(sampling: str) -> None:
    """Demand a known name."""
    if sampling not in SAMPLINGS:
        raise ValueError(f"{sampling=}; accepted: {', '.join(SAMPLINGS)}")


def to_pixels(picture: NDArray[Any], size: tuple[int, ...] | None = None) -> F64:
    """Any layout as (H,W,C) float64, for references; (H,W) decides where two layouts fit."""
    planar = layout_of(picture, size).pixel_stride == 1
    pixels: F64 = (np.moveaxis(picture, 0, 2) if planar else picture).astype(np.float64)
    return pixels


def from_pixels(pixels: F64, like: NDArray[Any], size: tuple[int, ...] | None = None) -> NDArray[Any]:
    """(H,W,C) float64 in the layout and dtype of a picture of that size, for references; uint8 is rounded to nearest."""
    if like.dtype == np.uint8:
        return np.floor(np.clip(pixels, 0, 255) + 0.5).astype(np.uint8)
    planar = layout_of(like, size).pixel_stride == 1
    return np.ascontiguousarray(np.moveaxis(pixels, 2, 0) if planar else pixels).astype(np.float32)


def sample_reference(pixels: F64, flow: NDArray[Any], sampling: str = "bilinear") -> F64:
    """(H,W,C) float64 picture sampled at p + flow(p): the oracle."""
    height, width = pixels.shape[:2]
    x, y = positions_reference(flow)
    x, y = np.fmin(np.fmax(x, 0), width - 1), np.fmin(np.fmax(y, 0), height - 1)  # fmax ignores NaN
    column = np.minimum(np.floor(x).astype(int), max(width - 2, 0))  # the 2x2 nearest pixels lie in the frame
    row = np.minimum(np.floor(y).astype(int), max(height - 2, 0))

    def tap(j: int, i: int) -> F64:
        pixel: F64 = pixels[np.clip(row + j, 0, height - 1), np.clip(column + i, 0, width - 1)]
        return pixel

    x_weights, y_weights = _weights_reference(x - column, sampling), _weights_reference(y - row, sampling)
    first = 0 if sampling == "bilinear" else -1
    total = np.zeros(pixels.shape)
    for j, y_weight in enumerate(y_weights):
        for i, x_weight in enumerate(x_weights):
            total += (y_weight * x_weight)[..., None] * tap(first + j, first + i)
    if sampling == "cubic":
        nearest = np.stack([tap(j, i) for j in (0, 1) for i in (0, 1)])
        total = np.clip(total, nearest.min(0), nearest.max(0))
    return total


def positions_reference(flow: NDArray[Any]) -> tuple[F64, F64]:
    """(x, y) that every pixel's flow points to."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]]
    return x + flow[..., 0].astype(np.float64), y + flow[..., 1].astype(np.float64)


def inside_reference(flow: NDArray[Any]) -> NDArray[np.bool_]:
    """(H,W): the target lies in the frame."""
    (x, y), (height, width) = positions_reference(flow), flow.shape[:2]
    inside: NDArray[np.bool_] = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside


def _weights_reference(t: F64, sampling: str) -> tuple[F64, ...]:
    if sampling == "bilinear":
        return 1 - t, t
    return (
        (-t + 2 * t**2 - t**3) / 2,
        (2 - 5 * t**2 + 3 * t**3) / 2,
        (t + 4 * t**2 - 3 * t**3) / 2,
        (-(t**2) + t**3) / 2,
    )


@cpu_kernel
def aim(flow: Any, y: int, begin: int, count: int, height: int, width: int, spot: Any, part: F32, inside: Any) -> None:
    """Where `count` pixels of row y from column `begin` on point to.

    flow    the whole field, flat: float32, or uint16 with the bits of half floats
    spot    int32 (2,RUN): column and row of the top left of the 2x2 nearest pixels
    part    float32 (2,RUN): how far the position lies from there to the right and down, 0 to 1
    inside  uint8 (RUN): the target lies in the frame
    """
    zero, one = np.float32(0), np.float32(1)
    limit_x, limit_y = np.float32(width), np.float32(height)
    # Of a picture of one column both neighbours are that column; likewise for one row.
    last_x, last_y = np.int32(max(width - 2, 0)), np.int32(max(height - 2, 0))
    end_y = np.float32(height - 1 - y)
    here = flow[2 * (y * width + begin) :]
    columns, rows, right, down = spot[0], spot[1], part[0], part[1]
    for k in range(count):
        dx, dy = as_float(here[2 * k]), as_float(here[2 * k + 1])
        x = np.int32(begin) + np.int32(k)
        inside[k] = (
            (dx >= -np.float32(x)) & (dx <= limit_x - one - np.float32(x)) & (dy >= -np.float32(y)) & (dy <= end_y)
        )
        # Not min and max: these comparisons send NaN to the low end, and clamped values fit an int32.
        dx = dx if dx > -limit_x else -limit_x
        dy = dy if dy > -limit_y else -limit_y
        dx = dx if dx < limit_x else limit_x
        dy = dy if dy < limit_y else limit_y
        whole_x, whole_y = np.floor(dx), np.floor(dy)
        a, b = dx - whole_x, dy - whole_y
        column, row = np.int32(whole_x) + x, np.int32(whole_y) + np.int32(y)
        a = a if column >= 0 else zero
        a = a if column <= last_x else one
        b = b if row >= 0 else zero
        b = b if row <= last_y else one
        columns[k] = min(max(column, np.int32(0)), last_x)
        rows[k] = min(max(row, np.int32(0)), last_y)
        right[k], down[k] = a, b


@cpu_kernel
def gather(picture: Any, layout: Any, cubic: bool, count: int, spot: Any, part: F32, out: F32) -> None:
    """Sample `count` pixels at (spot, part) into `out`, flat float32.

    Interleaved pictures give four floats per pixel (of uint8 pixels the fourth means nothing), planar ones and flows give
    channel c of pixel k at out[c*RUN + k].
    """
    vectors = layout[3] == 4 or (layout[3] == 3 and not _near_the_end(layout, count, spot))
    if cubic:
        _gather_cubic(picture, layout, vectors, count, spot, part, out)
    else:
        _gather_bilinear(picture, layout, vectors, count, spot, part, out)


@cpu_kernel
def _near_the_end(layout: Any, count: int, spot: Any) -> bool:
    """Whether a sample may touch the very last pixel: one of three bytes is read as four, which that one has not."""
    near = 0
    last_column, last_row = np.int32(layout[1] - 3), np.int32(layout[0] - 3)
    for k in range(count):
        near |= int(spot[0, k] >= last_column) & int(spot[1, k] >= last_row)
    return near != 0


@cpu_kernel
def _gather_bilinear(picture: Any, layout: Any, vectors: bool, count: int, spot: Any, part: F32, out: F32) -> None:
    height, width, channels, pixel_stride, channel_stride = layout
    index = np.empty(RUN, np.int32)
    weights = np.empty((4, RUN), np.float32)
    top_left, top_right, low_left, low_right = weights[0], weights[1], weights[2], weights[3]
    columns, rows, right, down = spot[0], spot[1], part[0], part[1]
    one = np.float32(1)
    for k in range(count):
        a, b = right[k], down[k]
        index[k] = (rows[k] * np.int32(width) + columns[k]) * np.int32(pixel_stride)
        top_left[k], top_right[k] = (one - a) * (one - b), a * (one - b)
        low_left[k], low_right[k] = (one - a) * b, a * b
    step_x = pixel_stride if width > 1 else 0
    step_y = pixel_stride * width if height > 1 else 0
    if vectors:
        for k in range(count):
            i = np.int64(index[k])
            fetch_ahead(picture, i + 2 * step_y)  # the row that comes into reach with the next one of the result
            value = scaled4(load4(picture, i), top_left[k])
            value = add_scaled4(value, load4(picture, i + step_x), top_right[k])
            value = add_scaled4(value, load4(picture, i + step_y), low_left[k])
            value = add_scaled4(value, load4(picture, i + step_x + step_y), low_right[k])
            store4(out, 4 * k, value)
        return
    line = np.empty(RUN, np.float32)
    for c in range(channels):
        plane, channel = picture[c * channel_stride :], line if pixel_stride == 3 else out[c * RUN :]
        for k in range(count):
            i = np.int64(index[k])
            top = as_float(plane[i]) * top_left[k] + as_float(plane[i + step_x]) * top_right[k]
            low = as_float(plane[i + step_y]) * low_left[k] + as_float(plane[i + step_x + step_y]) * low_right[k]
            channel[k] = top + low
        if pixel_stride == 3:
            for k in range(count):
                out[4 * k + c] = line[k]


@cpu_kernel
def _cubic_weights(part: F32, count: int, weights: F32) -> None:
    half = np.float32(0.5)
    far_left, near_left, near_right, far_right = weights[0], weights[1], weights[2], weights[3]
    for k in range(count):
        t = part[k]
        t2 = t * t
        t3 = t2 * t
        far_left[k] = half * (t2 + t2 - t3 - t)
        near_left[k] = half * (np.float32(3) * t3 - np.float32(5) * t2 + np.float32(2))
        near_right[k] = half * (t + np.float32(4) * t2 - np.float32(3) * t3)
        far_right[k] = half * (t3 - t2)


@cpu_kernel
def _gather_cubic(picture: Any, layout: Any, vectors: bool, count: int, spot: Any, part: F32, out: F32) -> None:
    height, width, channels, pixel_stride, channel_stride = layout
    across, along = np.empty((4, RUN), np.float32), np.empty((4, RUN), np.float32)
    _cubic_weights(part[0], count, across)
    _cubic_weights(part[1], count, along)
    x, lines = np.empty((4, RUN), np.int32), np.empty((4, RUN), np.int32)  # offsets of the taps, in elements
    for tap in range(4):
        to_x, to_y, columns, rows = x[tap], lines[tap], spot[0], spot[1]
        for k in range(count):
            column, row = columns[k] + np.int32(tap - 1), rows[k] + np.int32(tap - 1)
            to_x[k] = min(max(column, np.int32(0)), np.int32(width - 1)) * np.int32(pixel_stride)
            to_y[k] = min(max(row, np.int32(0)), np.int32(height - 1)) * np.int32(width * pixel_stride)
    if vectors:
        for k in range(count):
            top, low = np.int64(lines[1, k]), np.int64(lines[2, k])
            x0, x1, x2, x3 = np.int64(x[0, k]), np.int64(x[1, k]), np.int64(x[2, k]), np.int64(x[3, k])
            a, b = load4(picture, top + x1), load4(picture, top + x2)
            if part[0, k] == 0 and part[1, k] == 0:  # still places are common, and whole pixels
                store4(out, 4 * k, a)
                continue
            c, d = load4(picture, low + x1), load4(picture, low + x2)
            w0, w1, w2, w3 = across[0, k], across[1, k], across[2, k], across[3, k]
            value = splat4(np.float32(0))
            for j in range(4):
                first = np.int64(lines[j, k])
                line = scaled4(load4(picture, first + x0), w0)
                line = add_scaled4(line, load4(picture, first + x1), w1)
                line = add_scaled4(line, load4(picture, first + x2), w2)
                line = add_scaled4(line, load4(picture, first + x3), w3)
                value = add_scaled4(value, line, along[j, k])
            value = higher4(value, lower4(lower4(a, b), lower4(c, d)))
            store4(out, 4 * k, lower4(value, higher4(higher4(a, b), higher4(c, d))))
        return
    step_pixel, step_channel = (4, 1) if pixel_stride == 3 else (1, RUN)
    for channel in range(channels):
        plane = picture[channel * channel_stride :]
        for k in range(count):
            total, lowest, highest = np.float32(0), np.float32(np.inf), np.float32(-np.inf)
            for j in range(4):
                for i in range(4):
                    sample = as_float(plane[np.int64(lines[j, k]) + np.int64(x[i, k])])
                    total += sample * (along[j, k] * across[i, k])
                    if j in (1, 2) and i in (1, 2):
                        lowest, highest = min(lowest, sample), max(highest, sample)
            out[k * step_pixel + channel * step_channel] = min(max(total, lowest), highest)


@cpu_kernel
def load_run(picture: Any, layout: Any, y: int, begin: int, count: int, out: F32) -> None:
    """The pixels of row y from column `begin` on, unmoved, in the arrangement of `gather`."""
    _, width, channels, pixel_stride, channel_stride = layout
    first = (y * width + begin) * pixel_stride
    if pixel_stride == 4:
        here = picture[first : first + 4 * count]
        for i in range(4 * count):
            out[i] = np.float32(here[i])
    elif pixel_stride == 3:
        end = min(count, (picture.shape[0] - first - 4) // 3 + 1)
        for k in range(end):
            store4(out, 4 * k, load4(picture, first + 3 * k))
        for k in range(end, count):
            for c in range(3):
                out[4 * k + c] = as_float(picture[first + 3 * k + c])
    else:
        for c in range(channels):
            here, line = picture[first + c * channel_stride :], out[c * RUN :]
            for k in range(count):
                line[k] = np.float32(here[k * pixel_stride])


@cpu_kernel
def store_run(values: F32, layout: Any, y: int, begin: int, count: int, picture: Any) -> None:
    """Write `count` pixels in the arrangement of `gather` to row y from column `begin` on; uint8 is rounded to nearest."""
    _, width, channels, pixel_stride, channel_stride = layout
    first = (y * width + begin) * pixel_stride
    if pixel_stride == 4:
        here = picture[first : first + 4 * count]
        if picture.shape[0] >= STREAM_FROM and picture.ctypes.data % 16 == 0:
            for k in range(count):
                stream4(here, 4 * k, load4(values, 4 * k))
        else:
            for i in range(4 * count):
                here[i] = values[i]
    elif pixel_stride == 3:
        here = picture[first : first + 3 * count]
        zero, top, half = np.float32(0), np.float32(255), np.float32(0.5)
        for k in range(count):
            for c in range(3):
                value = values[4 * k + c] + half
                value = value if value > zero else zero
                here[3 * k + c] = np.uint8(np.int32(value if value < top else top))
    else:
        for c in range(channels):
            here, line = picture[first + c * channel_stride :], values[c * RUN :]
            for k in range(count):
                here[k * pixel_stride] = line[k]


@cpu_kernel
def mix_runs(first: F32, second: F32, weight: F32, planar: bool) -> None:
    """Into first: (1-weight)*first + weight*second for a run of pixels, one weight per pixel."""
    one = np.float32(1)
    if planar:
        for c in range(first.shape[0] // RUN):
            a, b = first[c * RUN :], second[c * RUN :]
            for k in range(RUN):
                a[k] = (one - weight[k]) * a[k] + weight[k] * b[k]
    else:
        for k in range(RUN):
            mixed = scaled4(load4(first, 4 * k), one - weight[k])
            store4(first, 4 * k, add_scaled4(mixed, load4(second, 4 * k), weight[k]))
