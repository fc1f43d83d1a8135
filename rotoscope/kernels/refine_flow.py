"""Variational refinement of a flow: a few sweeps towards a flow that is smooth and explains both brightness and gradients.

Source: the refinement of Kroeger et al. (ECCV 2016), after Brox et al. (High Accuracy Optical Flow, ECCV 2004). The energy of a
flow w, with the robust penalty psi(s^2) = sqrt(s^2 + epsilon^2), is the sum over pixels and over links of neighbouring pixels

    BRIGHTNESS psi(e_I^2) + GRADIENTS psi(e_x^2 + e_y^2) + SMOOTHNESS sum over 8 neighbours q of share(q) psi(|w_p - w_q|^2)

e_I, e_x and e_y are the differences of brightness and of its derivatives along the flow, divided by the length of their
gradient, so that they are in pixels. share is 1 for neighbours in the same row or column and 1/2 for diagonal ones.

The differences are linearised once, at the given flow. Then each sweep solves the equations of every pixel with the values and
weights of its neighbours from the sweep before (Jacobi's method), over-relaxed by 1.4. With these shares the eigenvalues of
plain Jacobi lie in [-1/3, 1], so factors below 1.5 are stable; with four neighbours none above 1 is. The order of pixels does
not matter.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.densify_flow import read_at, read_reference
from rotoscope.kernels.inverse_search import picture_pair
from rotoscope.kernels.launch import pixel_grid, run_kernel
from rotoscope.kernels.rows import run_rows

BRIGHTNESS, GRADIENTS, SMOOTHNESS = 5.0, 10.0, 10.0
EPSILON_PX = 0.03
NOISE_LEVELS2 = 1.0  # squared; added to squared gradients where a difference is divided by their length
RELAXATION = 1.4
NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))  # (down, right)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def refine_flow(
    first: AnyArray,
    second: AnyArray,
    flow: AnyArray,
    *,
    sweeps: int = 8,
    equations: AnyArray | None = None,
    spare: AnyArray | None = None,
) -> AnyArray:
    """Refine the flow in both directions; return `flow` or `spare`, whichever holds the result. Both are overwritten.

    first, second  (H,W) float32 grey, 0 to 255
    flow           (2,H,W,2) float32: first to second, second to first, (dx, dy) in pixels
    sweeps         0 and more
    equations      scratch, (2,5,H,W) float32; a new array if None
    spare          scratch, like flow, not its memory; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    cuda = on_cuda(first, second, flow, equations, spare)
    height, width = picture_pair(first, second)
    check(flow, (2, height, width, 2), ("float32",), "flow")
    if sweeps < 0:
        raise ValueError(f"{sweeps=}; accepted: 0 and more")
    equations = output(equations, (2, 5, height, width), "float32", flow, "equations")
    spare = output(spare, flow.shape, "float32", flow, "spare")
    if sweeps:
        (refine_flow_cuda if cuda else refine_flow_cpu)(first, second, flow, sweeps, equations, spare)
    return spare if sweeps % 2 else flow


def refine_flow_reference(first: NDArray[Any], second: NDArray[Any], flow: NDArray[Any], sweeps: int = 8) -> F64:
    """`refine_flow` in float64 with NumPy."""
    refined = flow.astype(np.float64)
    for direction, (a, b) in enumerate([(first, second), (second, first)]):
        equations = _linearise_reference(a.astype(np.float64), b.astype(np.float64), refined[direction])
        for _ in range(sweeps):
            refined[direction] = _smooth_reference(equations, refined[direction])
    return refined


def _linearise_reference(a: F64, b: F64, flow: F64) -> F64:
    """(5,H,W): xx, xy, yy, x, y of the equations (xx xy; xy yy) w = (x, y) that the differences alone would give."""
    height, width = a.shape

    def read(down: int, right: int) -> F64:
        return read_reference(b, flow, down, right)

    def own(down: int, right: int) -> F64:
        rows, columns = np.arange(height) + down, np.arange(width) + right
        return a[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]

    bx, by = (read(0, 1) - read(0, -1)) / 2, (read(1, 0) - read(-1, 0)) / 2
    ax, ay = (own(0, 1) - own(0, -1)) / 2, (own(1, 0) - own(-1, 0)) / 2
    here = read(0, 0)
    xx, yy = (read(0, 2) - 2 * here + read(0, -2)) / 4, (read(2, 0) - 2 * here + read(-2, 0)) / 4
    xy = (read(1, 1) - read(1, -1) - read(-1, 1) + read(-1, -1)) / 4
    terms = []
    for weight, differences in (
        (BRIGHTNESS, [(here - a, (ax + bx) / 2, (ay + by) / 2)]),
        (GRADIENTS, [(bx - ax, xx, xy), (by - ay, xy, yy)]),
    ):
        scales = [1 / (gx**2 + gy**2 + NOISE_LEVELS2) for _, gx, gy in differences]
        squares = sum(scale * e**2 for scale, (e, _, _) in zip(scales, differences, strict=True))
        robust = weight / np.sqrt(squares + EPSILON_PX**2)
        terms += [(robust * scale, *parts) for scale, parts in zip(scales, differences, strict=True)]
    y, x = np.mgrid[:height, :width]
    u, v = flow[..., 0], flow[..., 1]
    inside = (u >= -x) & (u <= width - 1 - x) & (v >= -y) & (v <= height - 1 - y)
    made = np.zeros((5, height, width))
    for w, e, gx, gy in terms:
        rest = gx * u + gy * v - e
        made += w * np.stack([gx * gx, gx * gy, gy * gy, gx * rest, gy * rest])
    return np.asarray(made * inside)


def _smooth_reference(equations: F64, flow: F64) -> F64:
    height, width = flow.shape[:2]
    total, weights = np.zeros_like(flow), np.full((height, width), 1e-9)
    for down, right in NEIGHBOURS:
        moved = np.full_like(flow, np.nan)
        target = (slice(max(-down, 0), height - max(down, 0)), slice(max(-right, 0), width - max(right, 0)))
        source = (slice(max(down, 0), height - max(-down, 0)), slice(max(right, 0), width - max(-right, 0)))
        moved[target] = flow[source]
        share = SMOOTHNESS * (0.5 if down and right else 1.0)
        weight = np.nan_to_num(share / np.sqrt(((moved - flow) ** 2).sum(-1) + EPSILON_PX**2))
        total += weight[..., None] * np.nan_to_num(moved)
        weights += weight
    xx, xy, yy, x, y = equations
    xx, yy, x, y = xx + weights, yy + weights, x + total[..., 0], y + total[..., 1]
    solved = np.stack([yy * x - xy * y, xx * y - xy * x], axis=-1) / (xx * yy - xy * xy)[..., None]
    return np.asarray(flow + RELAXATION * (solved - flow))


def refine_flow_cpu(
    first: AnyArray, second: AnyArray, flow: AnyArray, sweeps: int, equations: AnyArray, spare: AnyArray
) -> None:
    """`refine_flow` on NumPy arrays."""
    height = first.shape[0]
    run_rows(_linearise, 2 * height, first, second, flow, equations)
    for _ in range(sweeps):
        run_rows(_smooth, 2 * height, equations, flow, spare)
        flow, spare = spare, flow


def refine_flow_cuda(
    first: AnyArray, second: AnyArray, flow: AnyArray, sweeps: int, equations: AnyArray, spare: AnyArray
) -> None:
    """`refine_flow` on CuPy arrays: one thread per pixel, one layer of blocks per direction, one launch per sweep."""
    height, width = first.shape
    sizes, launch = (np.int32(height), np.int32(width)), pixel_grid(height, width, 2)
    run_kernel("refine_flow", "linearise<float2>", launch, first, second, *sizes, flow, equations)
    for _ in range(sweeps):
        run_kernel("refine_flow", "smooth<float2>", launch, equations, *sizes, flow, spare)
        flow, spare = spare, flow


@cpu_kernel
def _linearise(row_begin: int, row_end: int, first: F32, second: F32, flow: F32, out: F32) -> None:
    """Rows row_begin to row_end, counted over both directions, of the equations (2,5,H,W) of `_linearise_reference`."""
    height, width = first.shape
    half, quarter, two = np.float32(0.5), np.float32(0.25), np.float32(2)
    noise, epsilon2 = np.float32(NOISE_LEVELS2), np.float32(EPSILON_PX * EPSILON_PX)
    brightness, gradients = np.float32(BRIGHTNESS), np.float32(GRADIENTS)
    one = np.float32(1)
    for row in range(row_begin, row_end):
        direction, y = row // height, row % height
        a, b = (first, second) if direction == 0 else (second, first)
        above, below = a[max(y - 1, 0)], a[min(y + 1, height - 1)]
        for x in range(width):
            u, v = flow[direction, y, x, 0], flow[direction, y, x, 1]
            inside = (
                u >= -np.float32(x)
                and u <= np.float32(width - 1 - x)
                and v >= -np.float32(y)
                and v <= np.float32(height - 1 - y)
            )
            if not inside:
                for k in range(5):
                    out[direction, k, y, x] = np.float32(0)
                continue
            ax = (a[y, min(x + 1, width - 1)] - a[y, max(x - 1, 0)]) * half
            ay = (below[x] - above[x]) * half
            here = read_at(b, y, x, u, v)
            bx = (read_at(b, y, x + 1, u, v) - read_at(b, y, x - 1, u, v)) * half
            by = (read_at(b, y + 1, x, u, v) - read_at(b, y - 1, x, u, v)) * half
            xx = (read_at(b, y, x + 2, u, v) - two * here + read_at(b, y, x - 2, u, v)) * quarter
            yy = (read_at(b, y + 2, x, u, v) - two * here + read_at(b, y - 2, x, u, v)) * quarter
            falling = read_at(b, y + 1, x + 1, u, v) + read_at(b, y - 1, x - 1, u, v)
            rising = read_at(b, y + 1, x - 1, u, v) + read_at(b, y - 1, x + 1, u, v)
            xy = (falling - rising) * quarter
            e, gx, gy = here - a[y, x], (ax + bx) * half, (ay + by) * half
            scale = one / (gx * gx + gy * gy + noise)
            w = brightness * scale / np.sqrt(e * e * scale + epsilon2)
            rest = gx * u + gy * v - e
            to_xx, to_xy, to_yy, to_x, to_y = w * gx * gx, w * gx * gy, w * gy * gy, w * gx * rest, w * gy * rest
            ex, ey = bx - ax, by - ay
            scale_x, scale_y = one / (xx * xx + xy * xy + noise), one / (xy * xy + yy * yy + noise)
            w = gradients / np.sqrt(ex * ex * scale_x + ey * ey * scale_y + epsilon2)
            wx, wy = w * scale_x, w * scale_y
            rest_x, rest_y = xx * u + xy * v - ex, xy * u + yy * v - ey
            out[direction, 0, y, x] = to_xx + wx * xx * xx + wy * xy * xy
            out[direction, 1, y, x] = to_xy + wx * xx * xy + wy * xy * yy
            out[direction, 2, y, x] = to_yy + wx * xy * xy + wy * yy * yy
            out[direction, 3, y, x] = to_x + wx * xx * rest_x + wy * xy * rest_y
            out[direction, 4, y, x] = to_y + wx * xy * rest_x + wy * yy * rest_y


@cpu_kernel
def _add_neighbours(own: F32, other: F32, right: int, width: int, share: Any, sums: F32) -> None:
    """Add to sums (3,W), for each pixel of a row, its link to the pixel `right` columns further in the row `other`.

    own, other  (2,W) dx and dy
    sums        weight * dx, weight * dy, weight
    """
    epsilon2 = np.float32(EPSILON_PX * EPSILON_PX)
    begin, count = max(-right, 0), width - abs(right)
    if count <= 0:
        return
    u, v = own[0, begin:], own[1, begin:]
    p, q = other[0, begin + right :], other[1, begin + right :]
    to_x, to_y, to_weight = sums[0, begin:], sums[1, begin:], sums[2, begin:]
    for k in range(count):
        across, down = p[k] - u[k], q[k] - v[k]
        weight = share / np.sqrt(across * across + down * down + epsilon2)
        to_x[k] += weight * p[k]
        to_y[k] += weight * q[k]
        to_weight[k] += weight


@cpu_kernel
def _take_apart(flow: F32, out: F32) -> None:
    """Copy a row of flow (W,2) to (2,W)."""
    for x in range(flow.shape[0]):
        out[0, x], out[1, x] = flow[x, 0], flow[x, 1]


@cpu_kernel
def _smooth(row_begin: int, row_end: int, equations: F32, flow: F32, out: F32) -> None:
    """Rows row_begin to row_end of out, counted over both directions: one sweep."""
    height, width = flow.shape[1], flow.shape[2]
    straight, diagonal = np.float32(SMOOTHNESS), np.float32(SMOOTHNESS / 2)
    relaxation = np.float32(RELAXATION)
    above, own, below = (
        np.empty((2, width), np.float32),
        np.empty((2, width), np.float32),
        np.empty((2, width), np.float32),
    )
    sums = np.empty((3, width), np.float32)
    for row in range(row_begin, row_end):
        direction, y = row // height, row % height
        field = flow[direction]
        _take_apart(field[y], own)
        sums[0, :], sums[1, :], sums[2, :] = np.float32(0), np.float32(0), np.float32(1e-9)
        _add_neighbours(own, own, 1, width, straight, sums)
        _add_neighbours(own, own, -1, width, straight, sums)
        if y + 1 < height:
            _take_apart(field[y + 1], below)
            _add_neighbours(own, below, 0, width, straight, sums)
            _add_neighbours(own, below, 1, width, diagonal, sums)
            _add_neighbours(own, below, -1, width, diagonal, sums)
        if y > 0:
            _take_apart(field[y - 1], above)
            _add_neighbours(own, above, 0, width, straight, sums)
            _add_neighbours(own, above, 1, width, diagonal, sums)
            _add_neighbours(own, above, -1, width, diagonal, sums)
        target = out[direction, y]
        e_xx, e_xy, e_yy = equations[direction, 0, y], equations[direction, 1, y], equations[direction, 2, y]
        e_x, e_y = equations[direction, 3, y], equations[direction, 4, y]
        u, v, sum_x, sum_y, weights = own[0], own[1], sums[0], sums[1], sums[2]
        for x in range(width):
            xx, yy, xy = e_xx[x] + weights[x], e_yy[x] + weights[x], e_xy[x]
            right, down = e_x[x] + sum_x[x], e_y[x] + sum_y[x]
            share = np.float32(1) / (xx * yy - xy * xy)
            target[x, 0] = u[x] + relaxation * ((yy * right - xy * down) * share - u[x])
            target[x, 1] = v[x] + relaxation * ((xx * down - xy * right) * share - v[x])
