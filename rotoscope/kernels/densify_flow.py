"""Flow of every pixel: the mean over the 2x2 patches that cover it, weighted by how well each explains it.

With e the difference |b(p + u) - a(p)| of the pixel p moved by the flow u of a patch, the weight of the patch is
1 / max(e, LEAST_LEVELS)^2. (Kroeger et al., ECCV 2016, weight by 1 / max(e, 1); the square has less error at edges of motion.)
Patches and borders are those of `inverse_search`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.inverse_search import STRIDE_PX, patch_grid, picture_pair
from rotoscope.kernels.launch import pixel_grid, run_kernel
from rotoscope.kernels.rows import run_rows

LEAST_LEVELS = 0.5

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def densify_flow(first: AnyArray, second: AnyArray, patches: AnyArray, *, out: AnyArray | None = None) -> AnyArray:
    """Return the flow of every pixel of both pictures.

    first, second  (H,W) float32 grey, 0 to 255
    patches        (2,rows,columns,2) float32 of `inverse_search`
    out            (2,H,W,2) float32: first to second, second to first, (dx, dy) in pixels; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = densify_flow_cuda if on_cuda(first, second, patches, out) else densify_flow_cpu
    height, width = picture_pair(first, second)
    check(patches, (2, *patch_grid(height, width), 2), ("float32",), "patches")
    out = output(out, (2, height, width, 2), "float32", first)
    version(first, second, patches, out)
    return out


def densify_flow_reference(first: NDArray[Any], second: NDArray[Any], patches: NDArray[Any]) -> F64:
    """`densify_flow` in float64 with NumPy."""
    height, width = first.shape
    y, x = np.mgrid[:height, :width]
    total, weights = np.zeros((2, height, width, 2)), np.zeros((2, height, width, 1))
    for direction, (a, b) in enumerate([(first, second), (second, first)]):
        for down in (0, 1):
            for right in (0, 1):
                j = np.clip((y + 2) // STRIDE_PX - down, 0, patches.shape[1] - 1)
                i = np.clip((x + 2) // STRIDE_PX - right, 0, patches.shape[2] - 1)
                flow = patches[direction, j, i].astype(np.float64)
                error = np.abs(read_reference(b.astype(np.float64), flow) - a)
                weight = (1 / np.maximum(error, LEAST_LEVELS) ** 2)[..., None]
                total[direction] += weight * flow
                weights[direction] += weight
    return np.asarray(total / weights)


def read_reference(picture: F64, flow: F64, down: int = 0, right: int = 0) -> F64:
    """(H,W): the picture at p + flow(p) + (right, down), bilinear, its border repeated, in float64."""
    height, width = picture.shape
    y, x = np.mgrid[:height, :width]
    whole = np.floor(flow).astype(int)
    part_x, part_y = flow[..., 0] - whole[..., 0], flow[..., 1] - whole[..., 1]
    top, left = y + whole[..., 1] + down, x + whole[..., 0] + right

    def at(rows: Any, columns: Any) -> F64:
        return np.asarray(picture[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)])

    upper = at(top, left) * (1 - part_x) + at(top, left + 1) * part_x
    lower = at(top + 1, left) * (1 - part_x) + at(top + 1, left + 1) * part_x
    values: F64 = upper * (1 - part_y) + lower * part_y
    return values


def densify_flow_cpu(first: AnyArray, second: AnyArray, patches: AnyArray, out: AnyArray) -> None:
    """`densify_flow` on NumPy arrays."""
    run_rows(_densify_flow, 2 * out.shape[1], first, second, patches, out)


def densify_flow_cuda(first: AnyArray, second: AnyArray, patches: AnyArray, out: AnyArray) -> None:
    """`densify_flow` on CuPy arrays: one thread per pixel, one layer of blocks per direction."""
    sizes = tuple(np.int32(side) for side in (*first.shape, *patches.shape[1:3]))
    launch = pixel_grid(*first.shape, 2)
    run_kernel("densify_flow", "densify_flow<float2>", launch, first, second, *sizes, patches, out)


@cpu_kernel
def read_at(picture: F32, y: int, x: int, dx: Any, dy: Any) -> Any:
    """The picture at (x + dx, y + dy), bilinear, its border repeated; NaN counts as far to the left or above."""
    height, width = picture.shape
    one, far_x, far_y = np.float32(1), np.float32(width + 16), np.float32(height + 16)
    dx = dx if dx > -far_x else -far_x
    dx = dx if dx < far_x else far_x
    dy = dy if dy > -far_y else -far_y
    dy = dy if dy < far_y else far_y
    whole_x, whole_y = np.floor(dx), np.floor(dy)
    right, down = dx - whole_x, dy - whole_y
    top, left = y + int(whole_y), x + int(whole_x)
    low, after = min(max(top + 1, 0), height - 1), min(max(left + 1, 0), width - 1)
    top, left = min(max(top, 0), height - 1), min(max(left, 0), width - 1)
    upper = picture[top, left] * ((one - right) * (one - down)) + picture[top, after] * (right * (one - down))
    return upper + (picture[low, left] * ((one - right) * down) + picture[low, after] * (right * down))


@cpu_kernel
def _densify_flow(row_begin: int, row_end: int, first: F32, second: F32, patches: F32, out: F32) -> None:
    """Rows row_begin to row_end of out, counted over both directions."""
    height, width = first.shape
    rows, columns = patches.shape[1], patches.shape[2]
    least = np.float32(LEAST_LEVELS)
    for row in range(row_begin, row_end):
        direction, y = row // height, row % height
        a, b = (first, second) if direction == 0 else (second, first)
        lower = min((y + 2) // 4, rows - 1)
        upper = max(min((y + 2) // 4 - 1, rows - 1), 0)
        for x in range(width):
            after = min((x + 2) // 4, columns - 1)
            before = max(min((x + 2) // 4 - 1, columns - 1), 0)
            total_x, total_y, weights = np.float32(0), np.float32(0), np.float32(0)
            for k in range(4):
                j, i = lower if k < 2 else upper, after if k % 2 == 0 else before
                dx, dy = patches[direction, j, i, 0], patches[direction, j, i, 1]
                error = max(abs(read_at(b, y, x, dx, dy) - a[y, x]), least)
                weight = np.float32(1) / (error * error)
                total_x += weight * dx
                total_y += weight * dy
                weights += weight
            out[direction, y, x, 0], out[direction, y, x, 1] = total_x / weights, total_y / weights
