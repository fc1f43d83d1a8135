"""Interpolate: make the picture between two pictures from two flows and a weight map, and its mask of known pixels.

Source: HyperCon, equations 1 and 2 (Szeto, El-Khamy, Lee, Corso, WACV 2021): (1-w) warp(a, F_a) + w warp(b, F_b); a pixel is
known only if all samples that contribute to it are. Warp convention: `sampling`. It takes 3.7 ms at 1280x720 in float32.
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
from rotoscope.kernels.runs import NOTHING, RUN, load_run, mix_runs, store_run
from rotoscope.kernels.sampling import aim, check_sampling, gather
from rotoscope.kernels.sampling_reference import from_pixels, sample_reference, to_pixels

KNOWN = np.float32(1 - 1e-6)  # least value of the mixed masks of a known pixel: 1, less rounding


class InterpolateArguments(NamedTuple):
    """Checked arguments of `interpolate`, as `interpolate_cpu` and `interpolate_cuda` take them."""

    pictures: tuple[AnyArray, AnyArray]
    flows: tuple[AnyArray, AnyArray]
    weight: AnyArray
    masks: tuple[AnyArray | None, AnyArray | None, AnyArray | None]  # mask_a, mask_b, known: all or none
    layout: Layout
    sampling: str
    out: AnyArray


def interpolate(
    picture_a: AnyArray,
    picture_b: AnyArray,
    flow_to_a: AnyArray,
    flow_to_b: AnyArray,
    weight: AnyArray,
    *,
    mask_a: AnyArray | None = None,
    mask_b: AnyArray | None = None,
    known: AnyArray | None = None,
    sampling: str = "bilinear",
    out: AnyArray | None = None,
) -> AnyArray:
    """Compute (1-weight) * warp(picture_a, flow_to_a) + weight * warp(picture_b, flow_to_b); return `out`.

    picture_a, picture_b  (H,W,4) float32, (H,W,3) uint8 or (C,H,W) float32, any range, both of one shape and dtype
    flow_to_a, flow_to_b  from the new picture to each, (H,W,2), both float32 or both float16, (dx, dy) in pixels
    weight                (H,W) float32 in [0,1]: share of picture_b
    mask_a, mask_b        (H,W) uint8 or bool, 1 = known, 0 = missing; give both masks and known, or none of the three
    known                 written, (H,W) uint8 or bool: 1 where the masks, warped bilinearly and mixed like the pictures,
                          reach 1 (less 1e-6 for rounding)
    sampling              "bilinear" or "cubic", as in `warp`; for the pictures only
    out                   shape and dtype of picture_a, none of the inputs' memory; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    pictures, flows = (picture_a, picture_b), (flow_to_a, flow_to_b)
    masks = (mask_a, mask_b, known)
    version = interpolate_cuda if on_cuda(*pictures, *flows, weight, *masks, out) else interpolate_cpu
    check_sampling(sampling)
    size = flow_size(flow_to_a, "flow_to_a")
    check(flow_to_b, flow_to_a.shape, (dtype_name(flow_to_a),), "flow_to_b")
    layout = layout_of(picture_a, size, "picture_a")
    check(picture_b, picture_a.shape, (dtype_name(picture_a),), "picture_b")
    check(weight, size, ("float32",), "weight")
    for mask, name in zip(masks, ("mask_a", "mask_b", "known"), strict=True):
        check_mask(mask, size, name)
    if len({mask is None for mask in masks}) == 2:
        raise ValueError("mask_a, mask_b and known: give all three or none")
    out = output(out, picture_a.shape, dtype_name(picture_a), picture_a)
    version(InterpolateArguments(pictures, flows, weight, masks, layout, sampling, out))
    return out


def interpolate_reference(
    picture_a: NDArray[Any],
    picture_b: NDArray[Any],
    flow_to_a: NDArray[Any],
    flow_to_b: NDArray[Any],
    weight: NDArray[Any],
    sampling: str = "bilinear",
) -> NDArray[Any]:
    """Equation 1 in float64 with NumPy: the picture."""
    a = sample_reference(to_pixels(picture_a, weight.shape), flow_to_a, sampling)
    b = sample_reference(to_pixels(picture_b, weight.shape), flow_to_b, sampling)
    share = weight.astype(np.float64)[..., None]
    return from_pixels((1 - share) * a + share * b, picture_a, weight.shape)


def interpolate_mask_reference(
    mask_a: NDArray[Any], mask_b: NDArray[Any], flow_to_a: NDArray[Any], flow_to_b: NDArray[Any], weight: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Equation 2 in float64 with NumPy; return the mixed masks (H,W) and whether they reach 1."""
    a = sample_reference(mask_a.astype(np.float64)[..., None], flow_to_a)[..., 0]
    b = sample_reference(mask_b.astype(np.float64)[..., None], flow_to_b)[..., 0]
    soft = (1 - weight.astype(np.float64)) * a + weight * b
    return soft, soft >= 1 - 1e-6


def interpolate_cpu(a: InterpolateArguments) -> None:
    """`interpolate` on NumPy arrays."""
    inputs = *map(flat, a.pictures), *map(flat, a.flows), flat(a.weight)
    masks = [NOTHING if mask is None else flat(mask) for mask in a.masks]
    run_rows(_interpolate, a.layout.height, *inputs, *masks, tuple(a.layout), a.sampling == "cubic", flat(a.out))


def interpolate_cuda(a: InterpolateArguments) -> None:
    """`interpolate` on CuPy arrays."""
    name = f"interpolate<{pixel_type(a.layout)}, {half_or_float(a.flows[0])}, {a.sampling}>"
    size = np.int32(a.layout.height), np.int32(a.layout.width)
    run_kernel("interpolate", name, grid(a.layout), *a.pictures, *a.flows, a.weight, *a.masks, *size, KNOWN, a.out)


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
    """Rows row_begin to row_end.

    picture_a, picture_b, out  flat pictures, float32 or uint8
    flow_a, flow_b             flat (H*W*2,) float32, or uint16 for the bits of half floats
    weight                     flat (H*W,) float32
    mask_a, mask_b, known      flat (H*W,) uint8; (0,) if they were not given
    layout                     `Layout` as a tuple
    """
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
