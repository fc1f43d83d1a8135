"""Dense inverse search: the flow of overlapping 8x8 patches by Gauss-Newton descent, in both directions at once.

Source: Kroeger, Timofte, Dai and Van Gool, Fast Optical Flow using Dense Inverse Search, ECCV 2016. For a patch of picture a at
x and a displacement u, with d = b(x + u) - a(x) over its 64 pixels and g the gradient of a,

    cost(u) = sum (d - mean d)^2        step = (C + DAMPING I)^-1 sum (g - mean g) d        u <- u - step

where C = sum (g - mean g)(g - mean g)^T does not depend on u: the inverse in the name. Because means are subtracted, a change
of brightness is not taken for motion. Damping keeps patches without texture near their start; it does not move the minimum.

Patches lie 4 pixels apart: patch (j, i) covers rows 4j - 2 to 4j + 5 and columns 4i - 2 to 4i + 5. So every pixel of any
picture, even of 1x1, lies in 2x2 patches (border patches count twice). Positions outside a picture read its border.

A patch starts at the best of its own start and the starts of its four neighbours `reach` patches away, each read from the round
before. OpenCV's version reads results of the same round, so they depend on the order. Here they do not: all patches of both
directions can run at once, one CUDA thread each, without barriers.

The CUDA version computes the same sums in another order. Where two costs are nearly equal, rounding then decides between two
flows; both explain the patch about as well. tests/kernels/test_inverse_search.py gives the tolerance.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, describe, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel, cpu_kernel_with_any_order
from rotoscope.kernels.halve import halved_size
from rotoscope.kernels.launch import run_kernel
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.runs import NOTHING
from rotoscope.kernels.vector import load4, store4

PATCH_PX, STRIDE_PX = 8, 4
DAMPING = 2000.0  # squared levels; 5.6 levels of gradient per pixel of a patch
BETTER = 0.98  # a neighbour's flow is taken if it costs less than this share of one's own
SAME_PX = 0.02  # neighbours whose flow differs less are not tried
BLOCK = (32, 2, 1)  # threads: small blocks, because coarse levels have few patches and a GPU has many processors
FARTHEST_PX = 8.0  # a descent that leads farther from its start is not followed (Kroeger et al.: the size of a patch)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def patch_grid(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of patches of a picture."""
    return -(-height // STRIDE_PX), -(-width // STRIDE_PX)


def inverse_search(
    first: AnyArray,
    second: AnyArray,
    *,
    coarser: AnyArray | None = None,
    patches: AnyArray | None = None,
    reach: int = 1,
    descents: int = 3,
    out: AnyArray | None = None,
) -> AnyArray:
    """Search the flow of all patches of both pictures, from a start, and return `out`.

    first, second  (H,W) float32 grey, 0 to 255
    coarser        start: (2,ceil(H/2),ceil(W/2),2) float32, flow of the same pictures at half this size, in its pixels
    patches        start: (2,rows,columns,2) float32, result of a round before; without `coarser` and `patches` it is zero
    reach          0 to 2^15; distance of the neighbours that are tried, in patches; 0: none
    descents       0 and more; Gauss-Newton steps at most
    out            (2,rows,columns,2) float32, rows and columns of `patch_grid`; not the memory of patches; a new array if None
                   out[0] is the flow of patches of first to second, out[1] of second to first, (dx, dy) in pixels

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = inverse_search_cuda if on_cuda(first, second, coarser, patches, out) else inverse_search_cpu
    height, width = picture_pair(first, second)
    shape = (2, *patch_grid(height, width), 2)
    if coarser is not None and patches is not None:
        raise ValueError("coarser and patches are two starts; accepted: one of them")
    if coarser is not None:
        check(coarser, (2, *halved_size((height, width)), 2), ("float32",), "coarser")
    if patches is not None:
        check(patches, shape, ("float32",), "patches")
    if not (0 <= reach <= 2**15 and descents >= 0):
        raise ValueError(f"{reach=}, {descents=}; accepted: reach of 0 to 2^15, descents of 0 and more")
    out = output(out, shape, "float32", first)
    version(first, second, coarser, patches, reach, descents, out)
    return out


def picture_pair(first: AnyArray, second: AnyArray) -> tuple[int, int]:
    """Check two grey pictures and return their (height, width)."""
    if first.ndim != 2 or not all(first.shape):
        raise ValueError(f"first: {describe(first)}; accepted: C-contiguous (H,W) float32")
    check(first, first.shape, ("float32",), "first")
    check(second, first.shape, ("float32",), "second")
    return int(first.shape[0]), int(first.shape[1])


def inverse_search_reference(
    first: NDArray[Any],
    second: NDArray[Any],
    coarser: NDArray[Any] | None = None,
    patches: NDArray[Any] | None = None,
    reach: int = 1,
    descents: int = 3,
) -> tuple[F64, F64]:
    """`inverse_search` in float64 with NumPy, all patches at once; return (flows, costs (2,rows,columns))."""
    flows, costs = [], []
    for direction, (a, b) in enumerate([(first, second), (second, first)]):
        rows, columns = patch_grid(*a.shape)
        j, i = np.mgrid[:rows, :columns]
        if coarser is not None:
            start = _start_reference(coarser[direction].astype(np.float64), a.shape)
        else:
            start = np.zeros((rows, columns, 2)) if patches is None else patches[direction].astype(np.float64)
        search = _PatchesReference(a.astype(np.float64), b.astype(np.float64))
        flow = start.copy()
        cost, step = search.evaluate(flow)
        for down, right in ((0, reach), (0, -reach), (reach, 0), (-reach, 0)) if reach else ():
            candidate = start[np.clip(j + down, 0, rows - 1), np.clip(i + right, 0, columns - 1)]
            tried, its_step = search.evaluate(candidate)
            better = (np.abs(candidate - flow).sum(-1) >= SAME_PX) & (tried < BETTER * cost)
            flow[better], cost[better], step[better] = candidate[better], tried[better], its_step[better]
        begin, descends = flow.copy(), np.ones(cost.shape, bool)
        for _ in range(descents):
            candidate = flow - step
            tried, its_step = search.evaluate(candidate)
            descends &= (((candidate - begin) ** 2).sum(-1) <= FARTHEST_PX**2) & (tried < cost)
            flow[descends], cost[descends], step[descends] = candidate[descends], tried[descends], its_step[descends]
        flows.append(flow)
        costs.append(cost)
    return np.stack(flows), np.stack(costs)


class _PatchesReference:
    """All patches of a in float64: their gradients, and the cost and the next step for a flow of each."""

    def __init__(self, a: F64, b: F64) -> None:
        self.a, self.b = a, b
        rows, columns = patch_grid(*a.shape)
        self.y = STRIDE_PX * np.arange(rows)[:, None, None, None] - 2 + np.arange(PATCH_PX)[:, None]
        self.x = STRIDE_PX * np.arange(columns)[None, :, None, None] - 2 + np.arange(PATCH_PX)
        self.gx = (self._at(a, 0, 1) - self._at(a, 0, -1)) / 2
        self.gy = (self._at(a, 1, 0) - self._at(a, -1, 0)) / 2
        self.gx -= self.gx.mean((2, 3), keepdims=True)
        self.gy -= self.gy.mean((2, 3), keepdims=True)
        xx, xy, yy = ((p * q).sum((2, 3)) for p, q in ((self.gx, self.gx), (self.gx, self.gy), (self.gy, self.gy)))
        self.inverse = np.linalg.inv(np.stack([xx + DAMPING, xy, xy, yy + DAMPING], axis=-1).reshape(*xx.shape, 2, 2))

    def _at(self, picture: F64, down: Any, right: Any) -> F64:
        rows, columns = (
            np.clip(self.y + down, 0, picture.shape[0] - 1),
            np.clip(self.x + right, 0, picture.shape[1] - 1),
        )
        return np.asarray(picture[rows, columns])

    def evaluate(self, flow: F64) -> tuple[F64, F64]:
        """(cost (rows,columns), step (rows,columns,2)) of a flow (rows,columns,2)."""
        whole = np.floor(flow).astype(int)
        part = (flow - whole)[:, :, None, None, :]
        right, down = whole[:, :, None, None, 0], whole[:, :, None, None, 1]
        top = self._at(self.b, down, right) * (1 - part[..., 0]) + self._at(self.b, down, right + 1) * part[..., 0]
        low = (
            self._at(self.b, down + 1, right) * (1 - part[..., 0])
            + self._at(self.b, down + 1, right + 1) * part[..., 0]
        )
        d = top * (1 - part[..., 1]) + low * part[..., 1] - self._at(self.a, 0, 0)
        slope = np.stack([(self.gx * d).sum((2, 3)), (self.gy * d).sum((2, 3))], axis=-1)
        cost = ((d - d.mean((2, 3), keepdims=True)) ** 2).sum((2, 3))
        return cost, np.einsum("jipq,jiq->jip", self.inverse, slope)


def _start_reference(coarser: F64, size: tuple[int, ...]) -> F64:
    """Twice the flow at half the size, read bilinearly at the centre of each patch."""
    rows, columns = patch_grid(*size)
    axes = []
    for count, length, halves in ((rows, size[0], coarser.shape[0]), (columns, size[1], coarser.shape[1])):
        centre = np.minimum(STRIDE_PX * np.arange(count) + 1.5, length - 1)
        position = np.clip((centre + 0.5) / 2 - 0.5, 0, halves - 1)
        low = np.floor(position).astype(int)
        axes.append((low, np.minimum(low + 1, halves - 1), position - low))
    (top, bottom, down), (left, right, across) = axes
    upper = coarser[top][:, left] * (1 - across)[:, None] + coarser[top][:, right] * across[:, None]
    lower = coarser[bottom][:, left] * (1 - across)[:, None] + coarser[bottom][:, right] * across[:, None]
    return np.asarray(2 * (upper * (1 - down)[:, None, None] + lower * down[:, None, None]))


def inverse_search_cpu(
    first: AnyArray,
    second: AnyArray,
    coarser: AnyArray | None,
    patches: AnyArray | None,
    reach: int,
    descents: int,
    out: AnyArray,
) -> None:
    """`inverse_search` on NumPy arrays."""
    nothing = NOTHING.view(np.float32).reshape(0, 0, 0, 0)
    start = coarser if coarser is not None else nothing if patches is None else patches
    args = first, second, start, coarser is not None, reach, descents, out
    run_rows(_inverse_search, 2 * out.shape[1], *args)


def inverse_search_cuda(
    first: AnyArray,
    second: AnyArray,
    coarser: AnyArray | None,
    patches: AnyArray | None,
    reach: int,
    descents: int,
    out: AnyArray,
) -> None:
    """`inverse_search` on CuPy arrays: one thread per patch, one layer of blocks per direction."""
    sizes = np.int32(first.shape[0]), np.int32(first.shape[1]), np.int32(out.shape[1]), np.int32(out.shape[2])
    start = coarser if coarser is not None else patches
    kind = "from_coarser" if coarser is not None else "from_zero" if patches is None else "from_patches"
    numbers = np.int32(reach), np.int32(descents)
    blocks = -(-out.shape[2] // BLOCK[0]), -(-out.shape[1] // BLOCK[1]), 2
    run_kernel(
        "inverse_search", f"inverse_search<{kind}>", (blocks, BLOCK), first, second, *sizes, start, *numbers, out
    )


@cpu_kernel
def _start_at(start: F32, doubled: bool, direction: int, j: int, i: int, size: Any) -> Any:
    """(dx, dy) at which patch (j, i) starts: see `coarser` and `patches` of `inverse_search`; size (H, W)."""
    if start.shape[0] == 0:
        return np.float32(0), np.float32(0)
    if not doubled:
        return start[direction, j, i, 0], start[direction, j, i, 1]
    half, one, two = np.float32(0.5), np.float32(1), np.float32(2)
    rows, columns = start.shape[1], start.shape[2]
    y = min(np.float32(4 * j) + np.float32(1.5), np.float32(size[0] - 1))
    x = min(np.float32(4 * i) + np.float32(1.5), np.float32(size[1] - 1))
    y = min(max((y + half) * half - half, np.float32(0)), np.float32(rows - 1))
    x = min(max((x + half) * half - half, np.float32(0)), np.float32(columns - 1))
    top, left = int(y), int(x)
    down, right = y - np.float32(top), x - np.float32(left)
    bottom, after = min(top + 1, rows - 1), min(left + 1, columns - 1)
    field = start[direction]
    dx = (field[top, left, 0] * (one - right) + field[top, after, 0] * right) * (one - down)
    dx += (field[bottom, left, 0] * (one - right) + field[bottom, after, 0] * right) * down
    dy = (field[top, left, 1] * (one - right) + field[top, after, 1] * right) * (one - down)
    dy += (field[bottom, left, 1] * (one - right) + field[bottom, after, 1] * right) * down
    return two * dx, two * dy


@cpu_kernel
def _window(picture: F32, top: int, left: int, out: F32) -> None:
    """Copy the 10x10 pixels from (top, left) on to `out`, 16 floats a row; outside the picture its border is repeated."""
    height, width = picture.shape
    for j in range(10):
        source = picture[min(max(top + j, 0), height - 1)]
        for i in range(10):
            out[16 * j + i] = source[min(max(left + i, 0), width - 1)]


@cpu_kernel
def _two_windows(picture: F32, top: int, left: int, out: F32) -> None:
    """Copy the 9 rows of 8 pixels from (top, left) on to out[0], those from (top, left + 1) on to out[1].

    out  (2,72) float32. With both, sums over the 64 pixels are one loop over contiguous memory.
    """
    height, width = picture.shape
    if top >= 0 and top + 9 <= height and left >= 0 and left + 9 <= width:
        values, here, after = picture.reshape(-1), out[0], out[1]
        for j in range(9):
            first = (top + j) * width + left
            store4(here, 8 * j, load4(values, first))
            store4(here, 8 * j + 4, load4(values, first + 4))
            store4(after, 8 * j, load4(values, first + 1))
            store4(after, 8 * j + 4, load4(values, first + 5))
    else:
        for j in range(9):
            source = picture[min(max(top + j, 0), height - 1)]
            for i in range(8):
                out[0, 8 * j + i] = source[min(max(left + i, 0), width - 1)]
                out[1, 8 * j + i] = source[min(max(left + i + 1, 0), width - 1)]


@cpu_kernel_with_any_order
def _template(around: F32, patch: F32) -> Any:
    """Fill patch (3,64) with the values, and the gradients to x and y less their means; return (xx, xy, yy) of C.

    around  (160,): the 10x10 pixels around the patch, of `_window`
    """
    half, share = np.float32(0.5), np.float32(1 / 64)
    values, gx, gy = patch[0], patch[1], patch[2]
    for j in range(8):
        above, here, below = around[16 * j :], around[16 * (j + 1) :], around[16 * (j + 2) :]
        for i in range(8):
            values[8 * j + i] = here[i + 1]
            gx[8 * j + i] = (here[i + 2] - here[i]) * half
            gy[8 * j + i] = (below[i + 1] - above[i + 1]) * half
    sum_x, sum_y = np.float32(0), np.float32(0)
    for k in range(64):
        sum_x += gx[k]
        sum_y += gy[k]
    sum_x, sum_y = sum_x * share, sum_y * share
    xx, xy, yy = np.float32(0), np.float32(0), np.float32(0)
    for k in range(64):
        gx[k] -= sum_x
        gy[k] -= sum_y
        xx += gx[k] * gx[k]
        xy += gx[k] * gy[k]
        yy += gy[k] * gy[k]
    return xx, xy, yy


@cpu_kernel_with_any_order
def _evaluate(patch: F32, picture: F32, y: int, x: int, dx: Any, dy: Any, windows: F32) -> Any:
    """(cost, sum gx d, sum gy d) of the patch at row y and column x of the other picture moved by (dx, dy).

    patch    (3,64) of `_template`
    windows  scratch, (2,72)
    """
    height, width = picture.shape
    one, far_x, far_y = np.float32(1), np.float32(width + 16), np.float32(height + 16)
    # Comparisons instead of min and max: they clamp NaN to the low end.
    dx = dx if dx > -far_x else -far_x
    dx = dx if dx < far_x else far_x
    dy = dy if dy > -far_y else -far_y
    dy = dy if dy < far_y else far_y
    whole_x, whole_y = np.floor(dx), np.floor(dy)
    right, down = dx - whole_x, dy - whole_y
    _two_windows(picture, y + int(whole_y), x + int(whole_x), windows)
    top_left, top_right = (one - right) * (one - down), right * (one - down)
    low_left, low_right = (one - right) * down, right * down
    here, after, values, gx, gy = windows[0], windows[1], patch[0], patch[1], patch[2]
    total, square, along_x, along_y = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for k in range(64):
        upper = here[k] * top_left + after[k] * top_right
        d = upper + (here[k + 8] * low_left + after[k + 8] * low_right) - values[k]
        total += d
        square += d * d
        along_x += gx[k] * d
        along_y += gy[k] * d
    return max(square - total * total * np.float32(1 / 64), np.float32(0)), along_x, along_y


@cpu_kernel
def _inverse_search(
    row_begin: int,
    row_end: int,
    first: F32,
    second: F32,
    start: F32,
    doubled: bool,
    reach: int,
    descents: int,
    out: F32,
) -> None:
    """Rows row_begin to row_end of patches, counted over both directions.

    start    of `_start_at`; (0,0,0,0) for zero
    doubled  start is the flow at half the size
    """
    rows, columns = out.shape[1], out.shape[2]
    size = first.shape
    around, patch, windows = np.empty(160, np.float32), np.empty((3, 64), np.float32), np.empty((2, 72), np.float32)
    better, same = np.float32(BETTER), np.float32(SAME_PX)
    damping, farthest = np.float32(DAMPING), np.float32(FARTHEST_PX * FARTHEST_PX)
    for row in range(row_begin, row_end):
        direction, j = row // rows, row % rows
        a, b = (first, second) if direction == 0 else (second, first)
        for i in range(columns):
            y, x = 4 * j - 2, 4 * i - 2
            _window(a, y - 1, x - 1, around)
            xx, xy, yy = _template(around, patch)
            xx, yy = xx + damping, yy + damping
            scale = np.float32(1) / (xx * yy - xy * xy)
            inverse_xx, inverse_xy, inverse_yy = yy * scale, -xy * scale, xx * scale
            dx, dy = _start_at(start, doubled, direction, j, i, size)
            cost, along_x, along_y = _evaluate(patch, b, y, x, dx, dy, windows)
            for k in range(4 if reach > 0 else 0):
                across, down = (reach if k == 0 else -reach, 0) if k < 2 else (0, reach if k == 2 else -reach)
                other_j, other_i = min(max(j + down, 0), rows - 1), min(max(i + across, 0), columns - 1)
                to_x, to_y = _start_at(start, doubled, direction, other_j, other_i, size)
                if abs(to_x - dx) + abs(to_y - dy) < same:
                    continue
                tried, its_x, its_y = _evaluate(patch, b, y, x, to_x, to_y, windows)
                if tried < better * cost:
                    dx, dy, cost, along_x, along_y = to_x, to_y, tried, its_x, its_y
            begin_x, begin_y = dx, dy
            for _ in range(descents):
                to_x = dx - (inverse_xx * along_x + inverse_xy * along_y)
                to_y = dy - (inverse_xy * along_x + inverse_yy * along_y)
                gone_x, gone_y = to_x - begin_x, to_y - begin_y
                if not gone_x * gone_x + gone_y * gone_y <= farthest:
                    break
                tried, its_x, its_y = _evaluate(patch, b, y, x, to_x, to_y, windows)
                if not tried < cost:
                    break
                dx, dy, cost, along_x, along_y = to_x, to_y, tried, its_x, its_y
            out[direction, j, i, 0], out[direction, j, i, 1] = dx, dy
