"""Blend: the previous output, warped to now, mixed with the new one where the flow can be trusted. One pass."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import Array, check, check_mask, flat, flow_size, layout_of, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import grid, half_or_float, pixel_type, run_kernel
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.sampling import (
    NOTHING,
    RUN,
    STREAM_FROM,
    aim,
    check_sampling,
    from_pixels,
    gather,
    inside_reference,
    load_run,
    mix_runs,
    sample_reference,
    store_run,
    to_pixels,
)
from rotoscope.kernels.vector import add_scaled4, load4, scaled4, store4, stream4

F32 = NDArray[np.float32]


def blend(
    current: Array,
    previous: Array,
    flow: Array,
    *,
    strength: float,
    confidence: Array | None = None,
    occluded: Array | None = None,
    sampling: str = "bilinear",
    out: Array | None = None,
) -> Array:
    """(1-w) * current + w * warp(previous, flow), where w = strength * confidence, and 0 where occluded or out of frame.

    current     (H,W,4) float32, (H,W,3) uint8 or (C,H,W) float32, any range
    previous    like it
    flow        from the current picture to the previous one, (H,W,2) float32 or float16, pixels
    strength    in [0,1]
    confidence  (H,W) float32 in [0,1]; None: 1
    occluded    (H,W) uint8 or bool, not 0 where the previous picture does not show this point; None: 0
    sampling    "bilinear" or "cubic", as in `warp`
    out         like current, may be current, not previous; made if None. Returned.
    """
    version = blend_cuda if on_cuda(current, previous, flow, confidence, occluded, out) else blend_cpu
    check_sampling(sampling)
    size = flow_size(flow)
    layout = layout_of(current, size, "current")
    check(previous, current.shape, (str(current.dtype),), "previous")
    if not 0 <= strength <= 1:
        raise ValueError(f"{strength=}; accepted: 0 to 1")
    if confidence is not None:
        check(confidence, size, ("float32",), "confidence")
    check_mask(occluded, size, "occluded")
    out = output(out, current.shape, str(current.dtype), current)
    version(current, previous, flow, layout, np.float32(strength), confidence, occluded, sampling, out)
    return out


def blend_reference(
    current: NDArray[Any],
    previous: NDArray[Any],
    flow: NDArray[Any],
    strength: float,
    confidence: NDArray[Any] | None = None,
    occluded: NDArray[Any] | None = None,
    sampling: str = "bilinear",
) -> NDArray[Any]:
    """The formula in float64: the oracle."""
    weight = strength * inside_reference(flow).astype(float)
    if confidence is not None:
        weight = weight * confidence
    if occluded is not None:
        weight = weight * (occluded == 0)
    weight, size = weight[..., None], flow.shape[:2]
    warped = sample_reference(to_pixels(previous, size), flow, sampling)
    return from_pixels((1 - weight) * to_pixels(current, size) + weight * warped, current, size)


def blend_cpu(
    current: Array,
    previous: Array,
    flow: Array,
    layout: Any,
    strength: Any,
    confidence: Array | None,
    occluded: Array | None,
    sampling: str,
    out: Array,
) -> None:
    """`blend` on NumPy arrays."""
    trust = NOTHING.view(np.float32) if confidence is None else flat(confidence)
    hidden = NOTHING if occluded is None else flat(occluded)
    args = (
        flat(current),
        flat(previous),
        flat(flow),
        tuple(layout),
        strength,
        trust,
        hidden,
        sampling == "cubic",
        flat(out),
    )
    run_rows(_blend, layout.height, *args)


def blend_cuda(
    current: Array,
    previous: Array,
    flow: Array,
    layout: Any,
    strength: Any,
    confidence: Array | None,
    occluded: Array | None,
    sampling: str,
    out: Array,
) -> None:
    """`blend` on CuPy arrays."""
    name = f"blend<{pixel_type(layout)}, {half_or_float(flow)}, {sampling}>"
    args = current, previous, flow, np.int32(layout.height), np.int32(layout.width), strength, confidence, occluded, out
    run_kernel("blend", name, grid(layout), *args)


@cpu_kernel
def _blend(
    row_begin: int,
    row_end: int,
    current: Any,
    previous: Any,
    flow: Any,
    layout: Any,
    strength: Any,
    trust: Any,
    hidden: Any,
    cubic: bool,
    out: Any,
) -> None:
    height, width, channels, pixel_stride = layout[0], layout[1], layout[2], layout[3]
    spot, part, inside = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32), np.empty(RUN, np.uint8)
    lanes = max(channels, 4)
    warped, values, weight = (
        np.zeros(lanes * RUN, np.float32),
        np.zeros(lanes * RUN, np.float32),
        np.zeros(RUN, np.float32),
    )
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count = min(RUN, width - begin)
            here = y * width + begin
            aim(flow, y, begin, count, height, width, spot, part, inside)
            gather(previous, layout, cubic, count, spot, part, warped)
            for k in range(count):
                weight[k] = strength if inside[k] != 0 else np.float32(0)
            if trust.shape[0] > 0:
                for k in range(count):
                    weight[k] *= trust[here + k]
            if hidden.shape[0] > 0:
                for k in range(count):
                    weight[k] = weight[k] if hidden[here + k] == 0 else np.float32(0)
            if pixel_stride == 4:
                _mix_pixels(current, warped, weight, 4 * here, count, out)
            else:
                load_run(current, layout, y, begin, count, values)
                mix_runs(values, warped, weight, pixel_stride == 1)
                store_run(values, layout, y, begin, count, out)


@cpu_kernel
def _mix_pixels(current: Any, warped: F32, weight: F32, first: int, count: int, out: Any) -> None:
    """Interleaved float32 from memory to memory, without the scratch that other layouts pass through."""
    old, new = current[first:], out[first:]
    one = np.float32(1)
    if out.shape[0] >= STREAM_FROM and out.ctypes.data % 16 == 0:
        for k in range(count):
            mixed = scaled4(load4(old, 4 * k), one - weight[k])
            stream4(new, 4 * k, add_scaled4(mixed, load4(warped, 4 * k), weight[k]))
    else:
        for k in range(count):
            mixed = scaled4(load4(old, 4 * k), one - weight[k])
            store4(new, 4 * k, add_scaled4(mixed, load4(warped, 4 * k), weight[k]))
