"""Blend: mix the previous output, warped to the current frame, with the current output, in one pass.

Warp convention: `sampling`. At 1280x720 in float32 it takes 2.4 ms; the same from torch operations takes 12.6 ms
(docs/kernels.md).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import (
    AnyArray,
    Layout,
    check,
    check_mask,
    dtype_name,
    flat,
    flow_size,
    layout_of,
    on_cuda,
    output,
)
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import grid, half_or_float, pixel_type, run_kernel
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.runs import NOTHING, RUN, STREAM_FROM, load_run, mix_runs, store_run
from rotoscope.kernels.sampling import aim, check_sampling, gather
from rotoscope.kernels.sampling_reference import from_pixels, inside_reference, sample_reference, to_pixels
from rotoscope.kernels.vector import add_scaled4, load4, scaled4, store4, stream4

F32 = NDArray[np.float32]


class BlendArguments(NamedTuple):
    """Checked arguments of `blend`, as `blend_cpu` and `blend_cuda` take them."""

    current: AnyArray
    previous: AnyArray
    flow: AnyArray
    layout: Layout
    strength: np.float32
    confidence: AnyArray | None
    occluded: AnyArray | None
    sampling: str
    out: AnyArray


def blend(
    current: AnyArray,
    previous: AnyArray,
    flow: AnyArray,
    *,
    strength: float,
    confidence: AnyArray | None = None,
    occluded: AnyArray | None = None,
    sampling: str = "bilinear",
    out: AnyArray | None = None,
) -> AnyArray:
    """Compute (1-w) * current + w * warp(previous, flow), with w = strength * confidence; return `out`.

    w is 0 where `occluded` is not 0 and where the flow leaves the frame.

    current     (H,W,4) float32, (H,W,3) uint8 or (C,H,W) float32, any range
    previous    shape and dtype of current
    flow        from the current picture to the previous one, (H,W,2) float32 or float16, (dx, dy) in pixels
    strength    in [0,1]
    confidence  (H,W) float32 in [0,1]; None: 1 everywhere
    occluded    (H,W) uint8 or bool: not 0 if the previous picture does not show this point; None: 0 everywhere
    sampling    "bilinear" or "cubic", as in `warp`
    out         shape and dtype of current; may be current, not previous; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = blend_cuda if on_cuda(current, previous, flow, confidence, occluded, out) else blend_cpu
    check_sampling(sampling)
    size = flow_size(flow)
    layout = layout_of(current, size, "current")
    check(previous, current.shape, (dtype_name(current),), "previous")
    if not 0 <= strength <= 1:
        raise ValueError(f"{strength=}; accepted: 0 to 1")
    if confidence is not None:
        check(confidence, size, ("float32",), "confidence")
    check_mask(occluded, size, "occluded")
    out = output(out, current.shape, dtype_name(current), current)
    weights = np.float32(strength), confidence, occluded
    version(BlendArguments(current, previous, flow, layout, *weights, sampling, out))
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
    """`blend` in float64 with NumPy."""
    weight = strength * inside_reference(flow).astype(float)
    if confidence is not None:
        weight = weight * confidence
    if occluded is not None:
        weight = weight * (occluded == 0)
    weight, size = weight[..., None], flow.shape[:2]
    warped = sample_reference(to_pixels(previous, size), flow, sampling)
    return from_pixels((1 - weight) * to_pixels(current, size) + weight * warped, current, size)


def blend_cpu(a: BlendArguments) -> None:
    """`blend` on NumPy arrays."""
    confidence = NOTHING.view(np.float32) if a.confidence is None else flat(a.confidence)
    occluded = NOTHING if a.occluded is None else flat(a.occluded)
    pictures = flat(a.current), flat(a.previous), flat(a.flow), tuple(a.layout)
    run_rows(_blend, a.layout.height, *pictures, a.strength, confidence, occluded, a.sampling == "cubic", flat(a.out))


def blend_cuda(a: BlendArguments) -> None:
    """`blend` on CuPy arrays."""
    name = f"blend<{pixel_type(a.layout)}, {half_or_float(a.flow)}, {a.sampling}>"
    size = np.int32(a.layout.height), np.int32(a.layout.width)
    weights = a.strength, a.confidence, a.occluded
    run_kernel("blend", name, grid(a.layout), a.current, a.previous, a.flow, *size, *weights, a.out)


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
    """Rows row_begin to row_end.

    current, previous, out  flat pictures, float32 or uint8
    flow                    flat (H*W*2,) float32, or uint16 for the bits of half floats
    layout                  `Layout` as a tuple
    strength                float32 in [0,1]
    trust                   confidence, flat (H*W,) float32; (0,) if it was not given
    hidden                  `occluded`, flat (H*W,) uint8; (0,) if it was not given
    """
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
    """Mix `count` interleaved float32 pixels from element `first` on, directly in memory; weight (RUN,), warped a run."""
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
