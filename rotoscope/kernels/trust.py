"""Trust in a flow: forward-backward check, and difference of the pictures along it.

trust = max(exp(-forward-backward error) exp(-(difference / 15 levels)^2), exp(-(difference / 4 levels)^2)), the difference
averaged by a Gaussian of 2 pixels; 0 where the flow leaves the picture and where it is NaN. The forward-backward error is
|f + g|^2 / (0.01 (|f|^2 + |g|^2) + 1 px^2), g the backward flow where f points.

The second term is for places such as leaves and crowds, where both flows lead to pixels that look the same but not back to the
start. Mixing two such places is no worse than not mixing them.

Three CUDA kernels; for each pixel they move 46 bytes with luma of uint8, 52 with float32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, dtype_name, flat, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import CODES, pixel_grid, run_kernel, structure
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.runs import RUN
from rotoscope.kernels.sampling_reference import inside_reference
from rotoscope.kernels.still_flows import RELATIVE, check_agreement, compare_run, compared_reference, joined_pixels
from rotoscope.kernels.windows import TAPS, gauss_across, gauss_down, gauss_reference

F64 = NDArray[np.float64]

FORWARD_BACKWARD_PX2 = 1.0
DIFFERENCE_LEVELS = 15.0  # of 255
ALIKE_LEVELS = 4.0  # differences far below this are trusted whatever the check of the flows says


def trust(
    a: AnyArray,
    b: AnyArray,
    flow_ab: AnyArray,
    flow_ba: AnyArray,
    *,
    out: AnyArray | None = None,
    difference: AnyArray | None = None,
    scratch: tuple[AnyArray, AnyArray] | None = None,
) -> tuple[AnyArray, AnyArray]:
    """Return (out, difference) of the flow from a to b; `sums` makes one number of each.

    a, b              (H,W) luma of both pictures, uint8 or float32, 0 to 255
    flow_ab, flow_ba  (H,W,2) float32, (dx, dy) in pixels
    out               (H,W) float32 in [0,1]; a new array if None
    difference        (H,W) float32: |a - b along the flow| in levels; a new array if None
    scratch           two arrays (H,W) float32, overwritten; allocated if None; not used on the CPU

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = trust_cuda if on_cuda(a, b, flow_ab, flow_ba, out, difference) else trust_cpu
    check_agreement(a, b, flow_ab, flow_ba)
    out = output(out, a.shape, "float32", a)
    difference = output(difference, a.shape, "float32", a, "difference")
    version(a, b, flow_ab, flow_ba, out, difference, scratch)
    return out, difference


def trust_reference(a: NDArray[Any], b: NDArray[Any], flow_ab: NDArray[Any], flow_ba: NDArray[Any]) -> tuple[F64, F64]:
    """`trust` in float64 with NumPy."""
    error, moved = compared_reference(a, b, flow_ab, flow_ba, FORWARD_BACKWARD_PX2)
    difference = np.abs(moved)
    nearby = gauss_reference(difference)
    with np.errstate(invalid="ignore"):
        doubt = np.minimum(error + np.square(nearby / DIFFERENCE_LEVELS), np.square(nearby / ALIKE_LEVELS))
        sure = np.where(inside_reference(flow_ab), np.exp(-doubt), 0)
    return np.nan_to_num(sure, nan=0.0), difference


def trust_cpu(
    a: AnyArray,
    b: AnyArray,
    flow_ab: AnyArray,
    flow_ba: AnyArray,
    out: AnyArray,
    difference: AnyArray,
    _scratch: tuple[AnyArray, AnyArray] | None,
) -> None:
    """`trust` on NumPy arrays."""
    height, width = a.shape
    doubt, blurred = np.empty(height * width, np.float32), np.empty(height * width, np.float32)
    joined, layout = joined_pixels(b, flow_ba)
    check_px2 = np.float32(RELATIVE), np.float32(FORWARD_BACKWARD_PX2)
    run_rows(_judge, height, flat(a), joined, flat(flow_ab), layout, *check_px2, flat(difference), doubt)
    run_rows(gauss_across, height, flat(difference), width, TAPS, blurred)
    run_rows(
        _trust_down,
        height,
        blurred,
        doubt,
        height,
        width,
        TAPS,
        np.float32(DIFFERENCE_LEVELS),
        np.float32(ALIKE_LEVELS),
        flat(out),
    )


def trust_cuda(
    a: AnyArray,
    b: AnyArray,
    flow_ab: AnyArray,
    flow_ba: AnyArray,
    out: AnyArray,
    difference: AnyArray,
    scratch: tuple[AnyArray, AnyArray] | None,
) -> None:
    """`trust` on CuPy arrays."""
    height, width = a.shape
    doubt, blurred = (np.empty_like(out), np.empty_like(out)) if scratch is None else scratch
    size, launch = (np.int32(height), np.int32(width)), pixel_grid(height, width)
    check_px2 = np.float32(RELATIVE), np.float32(FORWARD_BACKWARD_PX2)
    gauss = structure(np.float32, *TAPS.tolist())
    judge = f"judge<{CODES[dtype_name(a)]}>"
    run_kernel("agreement", judge, launch, a, b, flow_ab, flow_ba, *size, *check_px2, difference, doubt)
    run_kernel("agreement", "gauss_across<float>", launch, difference, *size, gauss, blurred)
    levels = np.float32(DIFFERENCE_LEVELS), np.float32(ALIKE_LEVELS)
    run_kernel("agreement", "trust_down", launch, blurred, doubt, *size, gauss, *levels, out)


@cpu_kernel
def _judge(
    row_begin: int,
    row_end: int,
    a: Any,
    joined: Any,
    flow_ab: Any,
    layout: Any,
    relative: Any,
    tolerance: Any,
    difference: Any,
    doubt: Any,
) -> None:
    """Rows row_begin to row_end; all arrays flat. `doubt` is infinite where the flow leaves the picture."""
    width, outside = layout[1], np.float32(np.inf)
    spot, part, inside = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32), np.empty(RUN, np.uint8)
    moved, error = np.empty(4 * RUN, np.float32), np.empty(RUN, np.float32)
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count, here = min(RUN, width - begin), y * width + begin
            unsure, levels = doubt[here:], difference[here:]
            compare_run(
                a,
                joined,
                flow_ab,
                y,
                begin,
                count,
                layout,
                relative,
                tolerance,
                spot,
                part,
                inside,
                moved,
                error,
                levels,
            )
            for k in range(count):
                levels[k] = abs(levels[k])
                unsure[k] = error[k] if inside[k] != 0 else outside


@cpu_kernel
def _trust_down(
    begin: int,
    end: int,
    blurred: Any,
    doubt: Any,
    height: int,
    width: int,
    taps: Any,
    levels: Any,
    alike: Any,
    out: Any,
) -> None:
    """Rows begin to end of `out`; all arrays flat, float32."""
    line, zero, limit = np.empty(width, np.float32), np.float32(0), np.float32(np.inf)
    for y in range(begin, end):
        gauss_down(blurred, y, height, width, taps, line)
        unsure, target = doubt[y * width :], out[y * width :]
        for x in range(width):
            nearby, little = line[x] / levels, line[x] / alike
            least = min(unsure[x] + nearby * nearby, little * little)
            known = (unsure[x] < limit) & (line[x] >= zero)  # not outside, not NaN
            target[x] = _falling(least) if known else zero


@cpu_kernel
def _falling(x: Any) -> Any:
    """exp(-x) of float32 x >= 0, within 1e-5 of itself; unlike `math.exp` it is vectorised. 0 from 30 on."""
    t = -x * np.float32(1 / 64)
    series = np.float32(1 / 120) + t * np.float32(1 / 720)
    series = np.float32(1 / 24) + t * series
    series = np.float32(1 / 6) + t * series
    series = np.float32(1 / 2) + t * series
    power = np.float32(1) + t * (np.float32(1) + t * series)
    for _ in range(6):
        power *= power
    return power if x < np.float32(30) else np.float32(0)
