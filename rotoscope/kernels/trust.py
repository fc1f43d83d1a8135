"""Trust in a flow: forward-backward check, and difference of the pictures along it.

trust = max(exp(-forward-backward error) exp(-(difference / 15 levels)^2), exp(-(difference / 4 levels)^2)), the difference
averaged by a Gaussian of 2 pixels; 0 where the flow leaves the picture and where it is NaN. It is the computation of
`runtime.motion.trust.trust`, which says why.

Three CUDA kernels; for each pixel they move 46 bytes with luma of uint8, 52 with float32.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, dtype_name, flat, flow_layout, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import CODES, pixel_grid, run_kernel, structure
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.runs import RUN
from rotoscope.kernels.sampling import aim, gather
from rotoscope.kernels.sampling_reference import inside_reference
from rotoscope.kernels.still_flows import RELATIVE, check_agreement, compared_reference, round_trip_errors
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
    layouts = (height, width, 1, 1, height * width), tuple(flow_layout((height, width)))
    check_px2 = np.float32(RELATIVE), np.float32(FORWARD_BACKWARD_PX2)
    pictures = flat(a), flat(b), flat(flow_ab), flat(flow_ba)
    run_rows(_judge, height, *pictures, *layouts, *check_px2, flat(difference), doubt)
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
    b: Any,
    flow_ab: Any,
    flow_ba: Any,
    layout: Any,
    layout_flow: Any,
    relative: Any,
    tolerance: Any,
    difference: Any,
    doubt: Any,
) -> None:
    """Rows row_begin to row_end; all arrays flat. `doubt` is infinite where the flow leaves the picture."""
    height, width = layout[0], layout[1]
    spot, part, inside = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32), np.empty(RUN, np.uint8)
    back, error, moved = np.empty(2 * RUN, np.float32), np.empty((2, RUN), np.float32), np.empty(RUN, np.float32)
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count = min(RUN, width - begin)
            aim(flow_ab, y, begin, count, height, width, spot, part, inside)
            round_trip_errors(flow_ab, flow_ba, y, begin, count, layout_flow, spot, part, back, error)
            gather(b, layout, False, count, spot, part, moved)
            here = y * width + begin
            for k in range(count):
                difference[here + k] = abs(np.float32(a[here + k]) - moved[k])
                ratio = error[0, k] / (relative * error[1, k] + tolerance)
                doubt[here + k] = ratio if inside[k] != 0 else np.float32(np.inf)


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
    line = np.empty(width, np.float32)
    for y in range(begin, end):
        gauss_down(blurred, y, height, width, taps, line)
        for x in range(width):
            unsure, nearby, little = doubt[y * width + x], line[x] / levels, line[x] / alike
            least = min(unsure + nearby * nearby, little * little)
            known = unsure < np.float32(np.inf) and line[x] >= np.float32(0)  # not outside, not NaN
            out[y * width + x] = np.float32(math.exp(-least)) if known else np.float32(0)
