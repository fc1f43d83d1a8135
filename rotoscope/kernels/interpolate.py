"""Interpolate: the picture between two, from two sampling fields and a weight map; masks by the same fields.

HyperCon, eq. 1-2 (Szeto, El-Khamy, Lee, Corso, WACV 2021): v = (1-w) warp(a, F_a) + w warp(b, F_b), and a pixel is known
only if all that flows into it is.
"""

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
    aim,
    check_sampling,
    from_pixels,
    gather,
    load_run,
    mix_runs,
    sample_reference,
    store_run,
    to_pixels,
)

KNOWN = np.float32(1 - 1e-6)  # what the weights of a fully known pixel sum to at least, once rounded


def interpolate(
    picture_a: Array,
    picture_b: Array,
    flow_to_a: Array,
    flow_to_b: Array,
    weight: Array,
    *,
    mask_a: Array | None = None,
    mask_b: Array | None = None,
    known: Array | None = None,
    sampling: str = "bilinear",
    out: Array | None = None,
) -> Array:
    """(1-weight) * warp(picture_a, flow_to_a) + weight * warp(picture_b, flow_to_b).

    picture_a, picture_b  (H,W,4) float32, (H,W,3) uint8 or (C,H,W) float32, any range
    flow_to_a, flow_to_b  from the new picture to each, (H,W,2), both float32 or both float16, pixels
    weight                (H,W) float32 in [0,1]: how much of b
    mask_a, mask_b        (H,W) uint8 or bool, 1 = known, 0 = missing; both or none
    known                 (H,W) uint8 or bool, written, needed with masks: 1 where the masks, bilinearly warped and mixed
                          like the pictures, reach 1 (less 1e-6 for rounding)
    sampling              "bilinear" or "cubic", as in `warp`, for the pictures
    out                   like picture_a and none of the inputs; made if None. Returned.
    """
    pictures, flows = (picture_a, picture_b), (flow_to_a, flow_to_b)
    masks = (mask_a, mask_b, known)
    version = interpolate_cuda if on_cuda(*pictures, *flows, weight, *masks, out) else interpolate_cpu
    check_sampling(sampling)
    size = flow_size(flow_to_a, "flow_to_a")
    check(flow_to_b, flow_to_a.shape, (str(flow_to_a.dtype),), "flow_to_b")
    layout = layout_of(picture_a, size, "picture_a")
    check(picture_b, picture_a.shape, (str(picture_a.dtype),), "picture_b")
    check(weight, size, ("float32",), "weight")
    for mask, name in zip(masks, ("mask_a", "mask_b", "known"), strict=True):
        check_mask(mask, size, name)
    if len({mask is None for mask in masks}) == 2:
        raise ValueError("mask_a, mask_b and known: give all three or none")
    out = output(out, picture_a.shape, str(picture_a.dtype), picture_a)
    version(pictures, flows, weight, masks, layout, sampling, out)
    return out


def interpolate_reference(
    picture_a: NDArray[Any],
    picture_b: NDArray[Any],
    flow_to_a: NDArray[Any],
    flow_to_b: NDArray[Any],
    weight: NDArray[Any],
    sampling: str = "bilinear",
) -> NDArray[Any]:
    """Equation 1 in float64: the oracle."""
    a = sample_reference(to_pixels(picture_a, weight.shape), flow_to_a, sampling)
    b = sample_reference(to_pixels(picture_b, weight.shape), flow_to_b, sampling)
    share = weight.astype(np.float64)[..., None]
    return from_pixels((1 - share) * a + share * b, picture_a, weight.shape)


def interpolate_mask_reference(
    mask_a: NDArray[Any], mask_b: NDArray[Any], flow_to_a: NDArray[Any], flow_to_b: NDArray[Any], weight: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Equation 2 in float64: the mixed masks, and where they reach 1."""
    a = sample_reference(mask_a.astype(np.float64)[..., None], flow_to_a)[..., 0]
    b = sample_reference(mask_b.astype(np.float64)[..., None], flow_to_b)[..., 0]
    soft = (1 - weight.astype(np.float64)) * a + weight * b
    return soft, soft >= 1 - 1e-6


def interpolate_cpu(
    pictures: tuple[Array, Array],
    flows: tuple[Array, Array],
    weight: Array,
    masks: tuple[Array | None, ...],
    layout: Any,
    sampling: str,
    out: Array,
) -> None:
    """`interpolate` on NumPy arrays."""
    mask_lines = [NOTHING if mask is None else flat(mask) for mask in masks]
    args = (
        flat(pictures[0]),
        flat(pictures[1]),
        flat(flows[0]),
        flat(flows[1]),
        flat(weight),
        *mask_lines,
        tuple(layout),
    )
    run_rows(_interpolate, layout.height, *args, sampling == "cubic", flat(out))


def interpolate_cuda(
    pictures: tuple[Array, Array],
    flows: tuple[Array, Array],
    weight: Array,
    masks: tuple[Array | None, ...],
    layout: Any,
    sampling: str,
    out: Array,
) -> None:
    """`interpolate` on CuPy arrays."""
    name = f"interpolate<{pixel_type(layout)}, {half_or_float(flows[0])}, {sampling}>"
    size = np.int32(layout.height), np.int32(layout.width)
    run_kernel("interpolate", name, grid(layout), *pictures, *flows, weight, *masks, *size, KNOWN, out)


@cpu_kernel
def _interpolate(
    row_begin: int,
    row_end: int,
    picture_a: Any,
    picture_b: Any,
    flow_a: Any,
    flow_b: Any,
    weight: Any,
    mask_a: Any,
    mask_b: Any,
    known: Any,
    layout: Any,
    cubic: bool,
    out: Any,
) -> None:
    height, width, channels, pixel_stride = layout[0], layout[1], layout[2], layout[3]
    mask_layout = (height, width, 1, 1, height * width)
    spot_a, part_a = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32)
    spot_b, part_b = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32)
    inside, share = np.empty(RUN, np.uint8), np.zeros(RUN, np.float32)
    lanes = max(channels, 4)
    a, b = np.zeros(lanes * RUN, np.float32), np.zeros(lanes * RUN, np.float32)
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count = min(RUN, width - begin)
            here = y * width + begin
            aim(flow_a, y, begin, count, height, width, spot_a, part_a, inside)
            aim(flow_b, y, begin, count, height, width, spot_b, part_b, inside)
            load_run(weight, mask_layout, y, begin, count, share)
            gather(picture_a, layout, cubic, count, spot_a, part_a, a)
            gather(picture_b, layout, cubic, count, spot_b, part_b, b)
            mix_runs(a, b, share, pixel_stride == 1)
            store_run(a, layout, y, begin, count, out)
            if known.shape[0] > 0:
                gather(mask_a, mask_layout, False, count, spot_a, part_a, a)
                gather(mask_b, mask_layout, False, count, spot_b, part_b, b)
                for k in range(count):
                    known[here + k] = (np.float32(1) - share[k]) * a[k] + share[k] * b[k] >= KNOWN
