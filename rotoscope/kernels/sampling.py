"""Sample a picture at p + flow(p). Shared by warp, aggregate, blend, interpolate and the flow operations.

Convention of every warp here:

- backward: pixel p of the result is the picture at p + flow(p)
- flow: (dx, dy) in pixels, on the grid of the result; pixel centres at integers
- border: positions are clamped to [0, W-1] x [0, H-1]; NaN is clamped to 0
- bilinear: equals torch's grid_sample(align_corners=True, padding_mode="border") and FlowNet2's Resample2d
- cubic: Catmull-Rom (Keys 1981, a = -1/2); the 4x4 taps are clamped to the border and the result to the range of the 2x2
  nearest pixels, so that repeated warps do not blur or ring

How the CPU version is fast: it walks each row in runs of `RUN` pixels, in two phases. `aim` computes positions and weights in
a loop that vectorises; `gather` then loads a pixel as one vector of four floats per tap. On the machine of docs/kernels.md a
warp of 1280x720 takes 1.9 ms bilinear and 5.5 ms cubic.

The fraction of a position comes from the flow alone, before the pixel's own index is added. Otherwise it would lose bits at
the right side of a wide picture. `sampling_reference` has the NumPy reference.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.runs import RUN
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
)

SAMPLINGS = ("bilinear", "cubic")

F32 = NDArray[np.float32]


def check_sampling(sampling: str) -> None:
    """Raise ValueError unless `sampling` is a known name."""
    if sampling not in SAMPLINGS:
        raise ValueError(f"{sampling=}; accepted: {', '.join(SAMPLINGS)}")


@cpu_kernel
def aim(flow: Any, y: int, begin: int, count: int, height: int, width: int, spot: Any, part: F32, inside: Any) -> None:
    """Compute where the flow of `count` pixels of row y, from column `begin` on, points to.

    flow    flat (H*W*2,): float32, or uint16 for the bits of half floats
    spot    written, int32 (2,RUN): column and row of the top left one of the 2x2 nearest pixels
    part    written, float32 (2,RUN) in [0,1]: distance of the position from that pixel, to the right and down
    inside  written, uint8 (RUN,): 1 if the position lies in the frame, else 0
    """
    zero, one = np.float32(0), np.float32(1)
    limit_x, limit_y = np.float32(width), np.float32(height)
    # In a picture of one column both neighbours are that column; the same holds for one row.
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
        # Comparisons instead of min and max: they clamp NaN to the low end. Clamped values fit an int32.
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
    """Sample `count` pixels at the positions (spot, part) of `aim` into the run `out`.

    picture  flat, float32 or uint8; for a flow float32 or uint16 (bits of half floats)
    layout   `Layout` as a tuple
    out      written, float32, a run as described in `runs`
    """
    vectors = layout[3] == 4 or (layout[3] == 3 and not _near_the_end(layout, count, spot))
    if cubic:
        _gather_cubic(picture, layout, vectors, count, spot, part, out)
    else:
        _gather_bilinear(picture, layout, vectors, count, spot, part, out)


@cpu_kernel
def _near_the_end(layout: Any, count: int, spot: Any) -> bool:
    """Return whether a sample may touch the last pixel: pixels of 3 bytes are loaded as 4, one past the end of the last."""
    near = 0
    last_column, last_row = np.int32(layout[1] - 3), np.int32(layout[0] - 3)
    for k in range(count):
        near |= int(spot[0, k] >= last_column) & int(spot[1, k] >= last_row)
    return near != 0


@cpu_kernel
def _gather_bilinear(picture: Any, layout: Any, vectors: bool, count: int, spot: Any, part: F32, out: F32) -> None:
    """`gather` with 2x2 taps; `vectors`: load pixels as four floats at once."""
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
            fetch_ahead(picture, i + 2 * step_y)  # the row that the next row of the result will need
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
    """Write the four Catmull-Rom weights of each of `count` distances part (RUN,) into weights (4,RUN)."""
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
    """`gather` with 4x4 taps; `vectors`: load pixels as four floats at once."""
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
            if part[0, k] == 0 and part[1, k] == 0:  # no motion and whole pixels are common: the result is the pixel
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
