"""Warp: align picture b to a along the flow from a to b, backward; the sampling is described in `sampling`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import Array, check_mask, flat, flow_size, layout_of, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import grid, half_or_float, pixel_type, run_kernel
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.sampling import (
    NOTHING,
    RUN,
    aim,
    check_sampling,
    from_pixels,
    gather,
    inside_reference,
    sample_reference,
    store_run,
    to_pixels,
)


def warp(
    picture: Array, flow: Array, *, sampling: str = "bilinear", inside: Array | None = None, out: Array | None = None
) -> Array:
    """The picture sampled at p + flow(p): `warp(image_b, F_ab)` aligns b to a.

    picture   (H,W,4) float32, (H,W,3) uint8 or (C,H,W) float32, any range
    flow      (H,W,2) float32 or float16, pixels, (dx, dy); outside is clamped to the border
    sampling  "bilinear", or "cubic": Catmull-Rom clamped to the range of the 2x2 nearest pixels
    inside    (H,W) uint8 or bool, written: 1 where the target lies in the frame; where it left, or is NaN, 0
    out       like picture and another array than it; made if None. Returned.
    """
    version = warp_cuda if on_cuda(picture, flow, inside, out) else warp_cpu
    check_sampling(sampling)
    size = flow_size(flow)
    layout = layout_of(picture, size)
    check_mask(inside, size, "inside")
    out = output(out, picture.shape, str(picture.dtype), picture)
    version(picture, flow, layout, sampling, inside, out)
    return out


def warp_reference(
    picture: NDArray[Any], flow: NDArray[Any], sampling: str = "bilinear"
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """(out, inside) in float64 throughout: the oracle."""
    size = flow.shape[:2]
    sampled = sample_reference(to_pixels(picture, size), flow, sampling)
    return from_pixels(sampled, picture, size), inside_reference(flow)


def warp_cpu(picture: Array, flow: Array, layout: Any, sampling: str, inside: Array | None, out: Array) -> None:
    """`warp` on NumPy arrays."""
    mask = NOTHING if inside is None else flat(inside)
    run_rows(_warp, layout.height, flat(picture), flat(flow), tuple(layout), sampling == "cubic", mask, flat(out))


def warp_cuda(picture: Array, flow: Array, layout: Any, sampling: str, inside: Array | None, out: Array) -> None:
    """`warp` on CuPy arrays."""
    name = f"warp<{pixel_type(layout)}, {half_or_float(flow)}, {sampling}>"
    size = np.int32(layout.height), np.int32(layout.width)
    run_kernel("warp", name, grid(layout), picture, flow, *size, inside, out)


@cpu_kernel
def _warp(row_begin: int, row_end: int, picture: Any, flow: Any, layout: Any, cubic: bool, mask: Any, out: Any) -> None:
    height, width, channels = layout[0], layout[1], layout[2]
    spot, part = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32)
    inside, values = np.empty(RUN, np.uint8), np.zeros(max(channels, 4) * RUN, np.float32)
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count = min(RUN, width - begin)
            aim(flow, y, begin, count, height, width, spot, part, inside)
            gather(picture, layout, cubic, count, spot, part, values)
            store_run(values, layout, y, begin, count, out)
            if mask.shape[0] > 0:
                mask[y * width + begin : y * width + begin + count] = inside[:count]
