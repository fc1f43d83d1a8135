"""Weight of the past: how much a running mean over all earlier frames counts beside the newest one, per pixel.

The mean moves along the flow with its weight. The weight grows by 1 with every frame and shrinks by strength * trust, so at a
place that is always trusted it tends to 1 / (1 - strength). Where nothing was seen before it is 1.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, flat, flow_size, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import pixel_grid, run_kernel
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.runs import RUN
from rotoscope.kernels.sampling import aim, gather
from rotoscope.kernels.sampling_reference import inside_reference, sample_reference

F64 = NDArray[np.float64]


def past_weight(
    before: AnyArray,
    flow: AnyArray,
    trust: AnyArray,
    *,
    strength: float,
    out: AnyArray | None = None,
    share: AnyArray | None = None,
) -> tuple[AnyArray, AnyArray]:
    """Return (out, share): out = 1 + w and share = w / (1 + w), with w = strength * trust * warp(before, flow) (bilinear).

    w is 0 where the flow leaves the frame.

    before    (H,W) float32, at least 0: weight of the mean up to the previous frame
    flow      (H,W,2) float32, (dx, dy) in pixels, from the current picture to the previous one
    trust     (H,W) float32 in [0,1]
    strength  in [0,1]
    out       (H,W) float32, not `before`: weight of the mean with the current frame, which counts 1; a new array if None
    share     (H,W) float32 in [0,1): share of the past in that mean; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = past_weight_cuda if on_cuda(before, flow, trust, out, share) else past_weight_cpu
    size = flow_size(flow)
    check(flow, (*size, 2), ("float32",), "flow")
    check(before, size, ("float32",), "before")
    check(trust, size, ("float32",), "trust")
    if not 0 <= strength <= 1:
        raise ValueError(f"{strength=}; accepted: 0 to 1")
    out = output(out, size, "float32", before)
    share = output(share, size, "float32", before, "share")
    version(before, flow, trust, np.float32(strength), out, share)
    return out, share


def past_weight_reference(
    before: NDArray[Any], flow: NDArray[Any], trust: NDArray[Any], strength: float
) -> tuple[F64, F64]:
    """`past_weight` in float64 with NumPy."""
    moved = sample_reference(before.astype(np.float64)[..., None], flow)[..., 0]
    weight = strength * trust * np.where(inside_reference(flow), moved, 0)
    return 1 + weight, weight / (1 + weight)


def past_weight_cpu(
    before: AnyArray, flow: AnyArray, trust: AnyArray, strength: np.float32, out: AnyArray, share: AnyArray
) -> None:
    """`past_weight` on NumPy arrays."""
    height, width = before.shape
    layout = height, width, 1, 1, height * width
    run_rows(_past_weight, height, flat(before), flat(flow), flat(trust), layout, strength, flat(out), flat(share))


def past_weight_cuda(
    before: AnyArray, flow: AnyArray, trust: AnyArray, strength: np.float32, out: AnyArray, share: AnyArray
) -> None:
    """`past_weight` on CuPy arrays."""
    height, width = before.shape
    size = np.int32(height), np.int32(width)
    run_kernel("ramp", "past_weight", pixel_grid(height, width), before, flow, trust, *size, strength, out, share)


@cpu_kernel
def _past_weight(
    row_begin: int,
    row_end: int,
    before: Any,
    flow: Any,
    trust: Any,
    layout: Any,
    strength: Any,
    out: Any,
    share: Any,
) -> None:
    """Rows row_begin to row_end; all arrays flat, float32."""
    height, width = layout[0], layout[1]
    spot, part, inside = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32), np.empty(RUN, np.uint8)
    moved = np.empty(RUN, np.float32)
    one = np.float32(1)
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count = min(RUN, width - begin)
            here = y * width + begin
            aim(flow, y, begin, count, height, width, spot, part, inside)
            gather(before, layout, False, count, spot, part, moved)
            for k in range(count):
                weight = strength * trust[here + k] * moved[k] if inside[k] != 0 else np.float32(0)
                out[here + k] = one + weight
                share[here + k] = weight / (one + weight)
