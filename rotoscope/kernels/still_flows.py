"""Set flows to 0 where nothing moves, whatever they say.

Flow estimators give a vector everywhere; on a plain wall they follow noise and compression, and a stylised wall that is moved
along such a flow swims. Where forward and backward flow disagree, and not moving explains the pixels about as well, the place
counts as still.

Six CUDA kernels; for each pixel they move 114 bytes with luma of uint8, 120 with float32.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, dtype_name, flat, flow_size, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import CODES, pixel_grid, run_kernel, structure
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.runs import RUN
from rotoscope.kernels.sampling import aim, gather
from rotoscope.kernels.sampling_reference import sample_reference
from rotoscope.kernels.windows import (
    TAPS,
    gauss_across,
    gauss_down,
    gauss_reference,
    pad_row,
    reflect,
    window_reference,
)

F64 = NDArray[np.float64]

RELATIVE = 0.01  # of the squared lengths of both flows, as in `occlusion`
FORWARD_BACKWARD_PX2 = 0.25
WINDOW_PX = 9
UNRELIABLE_PX = 5  # pixels this near to one that fails the check count as failed
# A window is still if its difference without motion is at most this factor times that along the flow, plus these levels of 255.
UNRELIABLE_RATIO, UNRELIABLE_LEVELS = 1.2, 1.0  # where the flow fails the check
RELIABLE_RATIO, RELIABLE_LEVELS = 1.05, 0.1  # where it passes
BRIGHTER_LEVELS = 6.0  # change of light allowed where nothing moves
VOTERS_PX = 5  # a place is still if most places around it are

LIMITS = (UNRELIABLE_RATIO, UNRELIABLE_LEVELS, RELIABLE_RATIO, RELIABLE_LEVELS, BRIGHTER_LEVELS)


class StillScratch(NamedTuple):
    """Arrays that `still_flows` overwrites on CUDA, of one size (H,W)."""

    differences: AnyArray  # (H,W,2) float32
    sums: AnyArray  # (H,W,4) float32
    marks: AnyArray  # (H,W) uint8
    near: AnyArray  # (H,W) uint8
    softened: AnyArray  # (H,W) float32


def still_scratch(size: tuple[int, int], like: AnyArray) -> StillScratch:
    """Return the scratch arrays for flows of `size` (height, width), on the device of `like`."""
    shapes = ((*size, 2), np.float32), ((*size, 4), np.float32), (size, np.uint8), (size, np.uint8), (size, np.float32)
    return StillScratch(*(np.empty_like(like, shape=shape, dtype=dtype) for shape, dtype in shapes))


def still_flows(
    a: AnyArray,
    b: AnyArray,
    flow_ab: AnyArray,
    flow_ba: AnyArray,
    *,
    out_ab: AnyArray | None = None,
    out_ba: AnyArray | None = None,
    scratch: StillScratch | None = None,
) -> tuple[AnyArray, AnyArray]:
    """Return (out_ab, out_ba): both flows times the same map, 0 at still places and 1 at moving ones, with soft edges.

    a, b              (H,W) luma of both pictures, uint8 or float32, 0 to 255
    flow_ab, flow_ba  (H,W,2) float32, (dx, dy) in pixels
    out_ab, out_ba    (H,W,2) float32; may be the flows; new arrays if None. 0 where the map is 0, even for NaN
    scratch           of `still_scratch`; allocated if None; not used on the CPU

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = still_flows_cuda if on_cuda(a, b, flow_ab, flow_ba, out_ab, out_ba) else still_flows_cpu
    check_agreement(a, b, flow_ab, flow_ba)
    out_ab = output(out_ab, flow_ab.shape, "float32", flow_ab, "out_ab")
    out_ba = output(out_ba, flow_ba.shape, "float32", flow_ba, "out_ba")
    version(a, b, flow_ab, flow_ba, out_ab, out_ba, scratch)
    return out_ab, out_ba


def check_agreement(a: AnyArray, b: AnyArray, flow_ab: AnyArray, flow_ba: AnyArray) -> None:
    """Raise ValueError unless these are two lumas of one dtype, uint8 or float32, and two float32 flows of their size."""
    size = flow_size(flow_ab, "flow_ab")
    check(flow_ab, flow_ab.shape, ("float32",), "flow_ab")
    check(flow_ba, flow_ab.shape, ("float32",), "flow_ba")
    check(a, size, ("uint8", "float32"), "a")
    check(b, size, (dtype_name(a),), "b")


def still_flows_reference(
    a: NDArray[Any], b: NDArray[Any], flow_ab: NDArray[Any], flow_ba: NDArray[Any]
) -> tuple[F64, F64, F64]:
    """`still_flows` in float64 with NumPy; return (out_ab, out_ba, the margin of each pixel's decision).

    The margin (H,W) is how far the nearest decision of a pixel is from turning, as a share of its threshold; votes and edges
    spread a turned decision over 13 pixels.
    """
    error, moved = compared_reference(a, b, flow_ab, flow_ba, FORWARD_BACKWARD_PX2)
    height, width = a.shape
    failed = np.pad(~(error <= 1), UNRELIABLE_PX // 2)
    views = np.lib.stride_tricks.sliding_window_view(failed, (UNRELIABLE_PX, UNRELIABLE_PX))
    unreliable = views.any((2, 3))
    moved_texture, moved_light = _windows_reference(moved)
    texture, light = _windows_reference(a.astype(np.float64) - b)
    surely = RELIABLE_RATIO * moved_texture + RELIABLE_LEVELS
    maybe = UNRELIABLE_RATIO * moved_texture + UNRELIABLE_LEVELS
    bright = UNRELIABLE_RATIO * moved_light + BRIGHTER_LEVELS
    still = ((texture <= surely) | unreliable & (texture <= maybe)) & (light <= bright)
    reach = VOTERS_PX // 2
    votes = np.lib.stride_tricks.sliding_window_view(np.pad(still.astype(int), reach, "edge"), (VOTERS_PX, VOTERS_PX))
    edges = gauss_reference((votes.sum((2, 3)) > VOTERS_PX**2 // 2).astype(np.float64))
    moving = (1 - np.clip(2 * edges - 0.5, 0, 1))[..., None]
    with np.errstate(invalid="ignore"):
        results = [np.where(moving > 0, flow.astype(np.float64) * moving, 0) for flow in (flow_ab, flow_ba)]
        margin = np.minimum(
            np.minimum(np.abs(texture - surely) / surely, np.abs(texture - maybe) / maybe),
            np.minimum(np.abs(light - bright) / bright, np.nan_to_num(np.abs(error - 1), nan=1.0)),
        )
    return results[0], results[1], margin.reshape(height, width)


def compared_reference(
    a: NDArray[Any], b: NDArray[Any], flow_ab: NDArray[Any], flow_ba: NDArray[Any], tolerance_px2: float
) -> tuple[F64, F64]:
    """Return (forward-backward error, a - b along the flow), each (H,W) float64; the check fails above 1 and for NaN."""
    f = flow_ab.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        g = sample_reference(flow_ba.astype(np.float64), flow_ab)
        gap = np.square(f + g).sum(2)
        error = gap / (RELATIVE * (np.square(f).sum(2) + np.square(g).sum(2)) + tolerance_px2)
    return error, a.astype(np.float64) - sample_reference(b.astype(np.float64)[..., None], flow_ab)[..., 0]


def _windows_reference(difference: F64) -> tuple[F64, F64]:
    """Per window of 9x9: standard deviation (texture) and absolute mean (light)."""
    weights = np.full(WINDOW_PX, 1 / WINDOW_PX)
    mean = window_reference(difference, weights)
    square = window_reference(np.square(difference), weights)
    return np.sqrt(np.maximum(square - mean * mean, 0)), np.abs(mean)


def joined_pixels(luma: AnyArray, flow: AnyArray) -> tuple[AnyArray, tuple[int, ...]]:
    """Return luma (H,W) and flow (H,W,2) side by side, flat (H*W*4,) float32, and the layout: on the CPU alone."""
    height, width = luma.shape
    out = np.empty(4 * height * width, np.float32)
    run_rows(join, height, flat(luma), flat(flow), width, out)
    return out, (height, width, 4, 4, 1)


def still_flows_cpu(
    a: AnyArray,
    b: AnyArray,
    flow_ab: AnyArray,
    flow_ba: AnyArray,
    out_ab: AnyArray,
    out_ba: AnyArray,
    _scratch: StillScratch | None,
) -> None:
    """`still_flows` on NumPy arrays."""
    height, width = a.shape
    failed, near = np.empty(height * width, np.uint8), np.empty(height * width, np.uint8)
    differences, totals = np.empty((2, height * width), np.float32), np.empty((4, height * width), np.float32)
    joined, layout = joined_pixels(b, flow_ba)
    check_px2 = np.float32(RELATIVE), np.float32(FORWARD_BACKWARD_PX2)
    run_rows(_compare, height, flat(a), flat(b), joined, flat(flow_ab), layout, *check_px2, failed, differences)
    run_rows(_windows_across, height, differences, failed, width, totals, near)
    still, softened = failed, differences[0]
    run_rows(_windows_down, height, totals, near, height, width, np.array(LIMITS, np.float32), still)
    votes = near
    run_rows(_still_votes, height, still, height, width, votes)
    run_rows(gauss_across, height, votes, width, TAPS, softened)
    flows = flat(flow_ab), flat(flow_ba), flat(out_ab), flat(out_ba)
    run_rows(_stop_flows, height, softened, height, width, TAPS, *flows)


def still_flows_cuda(
    a: AnyArray,
    b: AnyArray,
    flow_ab: AnyArray,
    flow_ba: AnyArray,
    out_ab: AnyArray,
    out_ba: AnyArray,
    scratch: StillScratch | None,
) -> None:
    """`still_flows` on CuPy arrays."""
    height, width = a.shape
    t = still_scratch((height, width), a) if scratch is None else scratch
    size, launch = (np.int32(height), np.int32(width)), pixel_grid(height, width)
    check_px2 = np.float32(RELATIVE), np.float32(FORWARD_BACKWARD_PX2)
    compare = f"compare<{CODES[dtype_name(a)]}>"
    run_kernel("agreement", compare, launch, a, b, flow_ab, flow_ba, *size, *check_px2, t.marks, t.differences)
    run_kernel("agreement", "windows_across", launch, t.differences, t.marks, *size, t.sums, t.near)
    run_kernel("agreement", "windows_down", launch, t.sums, t.near, *size, structure(np.float32, *LIMITS), t.marks)
    run_kernel("agreement", "still_votes", launch, t.marks, *size, t.near)
    gauss = structure(np.float32, *TAPS.tolist())
    run_kernel("agreement", "gauss_across<unsigned char>", launch, t.near, *size, gauss, t.softened)
    run_kernel("agreement", "stop_flows", launch, t.softened, flow_ab, flow_ba, *size, gauss, out_ab, out_ba)


@cpu_kernel
def join(row_begin: int, row_end: int, luma: Any, flow: Any, width: int, out: Any) -> None:
    """Rows row_begin to row_end of out, flat (H*W*4,) float32: luma, dx, dy and 0 of each pixel, for one load of `gather`."""
    for i in range(row_begin * width, row_end * width):
        out[4 * i], out[4 * i + 1], out[4 * i + 2] = luma[i], flow[2 * i], flow[2 * i + 1]
        out[4 * i + 3] = np.float32(0)


@cpu_kernel
def compare_run(
    a: Any, joined: Any, flow_ab: Any, y: int, begin: int, count: int, layout: Any, relative: Any, tolerance: Any,
    spot: Any, part: Any, inside: Any, moved: Any, error: Any, difference: Any,
) -> None:  # fmt: skip
    """Compare `count` pixels of row y, from column `begin` on, with the places to which their flow points.

    joined            of `join` for b and flow_ba
    layout            of joined, `Layout` as a tuple
    spot, part, moved  scratch: (2,RUN) int32, (2,RUN) float32, (4*RUN,) float32
    inside            written, (RUN,) uint8: 1 where the flow stays in the picture
    error             written, (RUN,) float32: forward-backward error; the check fails above 1 and for NaN
    difference        written, (>= count,) float32: a - b along the flow
    """
    height, width = layout[0], layout[1]
    aim(flow_ab, y, begin, count, height, width, spot, part, inside)
    gather(joined, layout, False, count, spot, part, moved)
    here, values = flow_ab[2 * (y * width + begin) :], a[y * width + begin :]
    for k in range(count):
        u, v, p, q = here[2 * k], here[2 * k + 1], moved[4 * k + 1], moved[4 * k + 2]
        gap, lengths = (u + p) * (u + p) + (v + q) * (v + q), u * u + v * v + p * p + q * q
        error[k] = gap / (relative * lengths + tolerance)
        difference[k] = np.float32(values[k]) - moved[4 * k]


@cpu_kernel
def _compare(
    row_begin: int,
    row_end: int,
    a: Any,
    b: Any,
    joined: Any,
    flow_ab: Any,
    layout: Any,
    relative: Any,
    tolerance: Any,
    failed: Any,
    differences: Any,
) -> None:
    """Rows row_begin to row_end; all arrays flat, differences (2,H*W): along the flow, in place."""
    width = layout[1]
    spot, part, inside = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32), np.empty(RUN, np.uint8)
    moved, error = np.empty(4 * RUN, np.float32), np.empty(RUN, np.float32)
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count, here = min(RUN, width - begin), y * width + begin
            compare_run(
                a, joined, flow_ab, y, begin, count, layout, relative, tolerance, spot, part, inside, moved, error,
                differences[0, here:],
            )  # fmt: skip
            values, others, marks, unmoved = a[here:], b[here:], failed[here:], differences[1, here:]
            for k in range(count):
                marks[k] = np.uint8(0) if error[k] <= np.float32(1) else np.uint8(1)  # 1 for NaN, too
                unmoved[k] = np.float32(values[k]) - np.float32(others[k])


@cpu_kernel
def _windows_across(begin: int, end: int, differences: Any, failed: Any, width: int, totals: Any, near: Any) -> None:
    """Rows begin to end: sums over 9 pixels of both differences and of their squares; whether one of 5 pixels failed."""
    line, squares = np.empty(width + 8, np.float32), np.empty(width + 8, np.float32)
    marks = np.zeros(width + 4, np.uint8)
    for y in range(begin, end):
        first = y * width
        for which in range(2):
            pad_row(differences[which, first:], width, 4, line)
            for x in range(width + 8):
                squares[x] = line[x] * line[x]
            _sum_nine(line, width, totals[2 * which, first:])
            _sum_nine(squares, width, totals[2 * which + 1, first:])
        for x in range(width):
            marks[x + 2] = failed[first + x]
        target = near[first:]
        for x in range(width):
            target[x] = marks[x] | marks[x + 1] | marks[x + 2] | marks[x + 3] | marks[x + 4]


@cpu_kernel
def _sum_nine(line: Any, width: int, out: Any) -> None:
    """Write the sums over 9 pixels of a padded row (W+8,) to out (>= W,)."""
    for x in range(width):
        left = (line[x] + line[x + 1]) + (line[x + 2] + line[x + 3])
        right = (line[x + 5] + line[x + 6]) + (line[x + 7] + line[x + 8])
        out[x] = left + line[x + 4] + right


@cpu_kernel
def _windows_down(
    begin: int, end: int, totals: Any, near: Any, height: int, width: int, limits: Any, still: Any
) -> None:
    """Rows begin to end of `still`: 1 where not moving explains the window; limits: `LIMITS`."""
    share, zero = np.float32(1 / 81), np.float32(0)
    sums, unreliable = np.empty((4, width), np.float32), np.empty(width, np.uint8)
    moved, moved_squares, unmoved, squares = sums[0], sums[1], sums[2], sums[3]
    for y in range(begin, end):
        sums[:] = zero
        for j in range(-4, 5):
            first = reflect(y + j, height) * width
            for which in range(4):
                source, total = totals[which, first:], sums[which]
                for x in range(width):
                    total[x] += source[x]
        unreliable[:] = 0
        for row in range(max(y - 2, 0), min(y + 3, height)):
            marks = near[row * width :]
            for x in range(width):
                unreliable[x] |= marks[x]
        target = still[y * width :]
        for x in range(width):
            moved_mean, mean = moved[x] * share, unmoved[x] * share
            moved_texture = np.sqrt(max(moved_squares[x] * share - moved_mean * moved_mean, zero))
            texture = np.sqrt(max(squares[x] * share - mean * mean, zero))
            surely = texture <= limits[2] * moved_texture + limits[3]
            maybe = (unreliable[x] != 0) & (texture <= limits[0] * moved_texture + limits[1])
            target[x] = (surely | maybe) & (abs(mean) <= limits[0] * abs(moved_mean) + limits[4])


@cpu_kernel
def _still_votes(begin: int, end: int, still: Any, height: int, width: int, votes: Any) -> None:
    """Rows begin to end: 1 where most of the 5x5 places around are still; the border is repeated."""
    counts = np.empty(width + 4, np.uint8)
    for y in range(begin, end):
        counts[:] = 0
        for j in range(-2, 3):
            row = still[min(max(y + j, 0), height - 1) * width :]
            for x in range(width):
                counts[x + 2] += row[x]
        for x in range(2):
            counts[x], counts[width + 2 + x] = counts[2], counts[width + 1]
        target = votes[y * width :]
        for x in range(width):
            target[x] = counts[x] + counts[x + 1] + counts[x + 2] + counts[x + 3] + counts[x + 4] > 12


@cpu_kernel
def _stop_flows(
    begin: int,
    end: int,
    softened: Any,
    height: int,
    width: int,
    taps: Any,
    flow_ab: Any,
    flow_ba: Any,
    out_ab: Any,
    out_ba: Any,
) -> None:
    """Rows begin to end: both flows times 1 less the softened still places; where that is 0 they are 0, even if NaN."""
    line = np.empty(width, np.float32)
    zero, one = np.float32(0), np.float32(1)
    for y in range(begin, end):
        gauss_down(softened, y, height, width, taps, line)
        for x in range(width):
            moving = one - min(max(np.float32(2) * line[x] - np.float32(0.5), zero), one)
            for i in range(2 * (y * width + x), 2 * (y * width + x) + 2):
                out_ab[i] = flow_ab[i] * moving if moving > zero else zero
                out_ba[i] = flow_ba[i] * moving if moving > zero else zero
