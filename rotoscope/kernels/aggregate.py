"""Aggregate: warp K-1 neighbours onto the centre and pool the K aligned pictures per pixel and channel, in one pass.

Source: HyperCon's aggregation (Szeto, El-Khamy, Lee, Corso, WACV 2021). It uses the mean for style transfer and the median for
inpainting. Warp convention: `sampling`.

How it is fast: the warped pictures are never stored whole. A run of pixels of all K pictures is warped into the cache, where a
compare-exchange network finds its median. At 1280x720 with K = 7 in float32 the median takes 12.1 ms; torch's warps and median
take 223 ms, a hand-written AVX-512 version 14.5 ms (docs/kernels.md).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import (
    AnyArray,
    Layout,
    addresses,
    check,
    dtype_name,
    flat,
    flow_size,
    layout_of,
    on_cuda,
    output,
)
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import grid, half_or_float, pixel_type, pointers, run_kernel
from rotoscope.kernels.median_network import MAX_INPUTS, full_network, median8
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.runs import NOTHING, RUN, load_run, store_run
from rotoscope.kernels.sampling import aim, check_sampling, gather
from rotoscope.kernels.sampling_reference import from_pixels, inside_reference, sample_reference, to_pixels
from rotoscope.kernels.vector import add_scaled4, array_at, load4, store4

F32 = NDArray[np.float32]
POOLS = ("mean", "median", "weighted")


class AggregateArguments(NamedTuple):
    """Checked arguments of `aggregate`, as `aggregate_cpu` and `aggregate_cuda` take them."""

    center: AnyArray
    neighbours: list[AnyArray]
    flows: list[AnyArray]
    layout: Layout
    pool: str
    masks: list[AnyArray]  # empty if `valid` is None
    sampling: str
    out: AnyArray


def aggregate(
    center: AnyArray,
    neighbours: Sequence[AnyArray],
    flows: Sequence[AnyArray],
    *,
    pool: str = "median",
    valid: Sequence[AnyArray] | None = None,
    sampling: str = "bilinear",
    out: AnyArray | None = None,
) -> AnyArray:
    """Warp each neighbour to the centre by its flow, then pool centre and neighbours per pixel and channel; return `out`.

    center      (H,W,4) float32, (H,W,3) uint8 or (C,H,W) float32, any range
    neighbours  K-1 pictures of the same shape and dtype, K from 2 to 15; a sequence, or one array (K-1, ...)
    flows       K-1 flows from the centre to each neighbour, (H,W,2) float32 or float16, pixels
    pool        "mean"; "median" (of an even number: mean of the two in the middle); "weighted" mean
    valid       for "mean" and "median" K-1 masks (H,W) uint8 or bool: a neighbour counts where its mask is not 0 and its
                flow stays in the frame. For "weighted" (required) K-1 weights (H,W) float32 >= 0; the centre has weight 1,
                and a weight is 0 where the flow leaves the frame. The centre always counts. None: all neighbours count
                everywhere; outside the frame they continue with their border pixels.
    sampling    "bilinear" or "cubic", as in `warp`
    out         shape and dtype of center, none of the neighbours' memory; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    masks = [] if valid is None else list(valid)
    version = aggregate_cuda if on_cuda(center, *neighbours, *flows, *masks, out) else aggregate_cpu
    check_sampling(sampling)
    size = flow_size(flows[0], "flows[0]") if len(flows) else None
    layout = layout_of(center, size, "center")
    if pool not in POOLS:
        raise ValueError(f"{pool=}; accepted: {', '.join(POOLS)}")
    if not len(neighbours) == len(flows) in range(1, MAX_INPUTS):
        raise ValueError(f"{len(neighbours)} neighbours, {len(flows)} flows; accepted: as many of each, 1 to 14")
    if pool == "weighted" and valid is None:
        raise ValueError("pool='weighted' needs the weights in `valid`")
    if valid is not None and len(masks) != len(flows):
        raise ValueError(f"{len(masks)} arrays in valid for {len(flows)} neighbours")
    for k, (neighbour, flow) in enumerate(zip(neighbours, flows, strict=True)):
        check(neighbour, center.shape, (dtype_name(center),), f"neighbours[{k}]")
        check(flow, (*layout.size, 2), (dtype_name(flows[0]),), f"flows[{k}]")
    for k, mask in enumerate(masks):
        check(mask, layout.size, ("float32",) if pool == "weighted" else ("uint8", "bool"), f"valid[{k}]")
    out = output(out, center.shape, dtype_name(center), center)
    version(AggregateArguments(center, list(neighbours), list(flows), layout, pool, masks, sampling, out))
    return out


def aggregate_reference(
    center: NDArray[Any],
    neighbours: Sequence[NDArray[Any]],
    flows: Sequence[NDArray[Any]],
    pool: str = "median",
    valid: Sequence[NDArray[Any]] | None = None,
    sampling: str = "bilinear",
) -> NDArray[Any]:
    """`aggregate` in float64 with NumPy: warp all neighbours, then nanmedian or a weighted mean of the stack."""
    size = flows[0].shape[:2]
    warped = [sample_reference(to_pixels(b, size), flow, sampling) for b, flow in zip(neighbours, flows, strict=True)]
    stack = np.stack([to_pixels(center, size), *warped])
    weights = np.ones(stack.shape[:3])
    if valid is not None:
        weights[1:] = [inside_reference(flow) * mask.astype(float) for flow, mask in zip(flows, valid, strict=True)]
    if pool != "weighted":
        weights = (weights > 0).astype(float)
    if pool == "median":
        return from_pixels(np.nanmedian(np.where(weights[..., None] > 0, stack, np.nan), axis=0), center, size)
    return from_pixels((stack * weights[..., None]).sum(0) / weights.sum(0)[..., None], center, size)


def aggregate_cpu(a: AggregateArguments) -> None:
    """`aggregate` on NumPy arrays."""
    lists = [addresses(arrays) for arrays in (a.neighbours, a.flows, a.masks)]
    types = flat(a.flows[0])[:0], flat(a.masks[0])[:0] if a.masks else NOTHING  # element types behind the addresses
    args = flat(a.center), *lists, *types, tuple(a.layout), a.sampling == "cubic"
    if a.pool == "median":
        run_rows(_median, a.layout.height, *args, full_network(len(a.flows) + 1), flat(a.out))
    else:
        run_rows(_mean, a.layout.height, *args, a.pool == "weighted", flat(a.out))


def aggregate_cuda(a: AggregateArguments) -> None:
    """`aggregate` on CuPy arrays."""
    votes = "none" if not a.masks else "weights" if a.pool == "weighted" else "masks"
    kind = "median" if a.pool == "median" else "mean"
    types = f"{pixel_type(a.layout)}, {half_or_float(a.flows[0])}"
    name = f"aggregate<{types}, {len(a.flows) + 1}, {kind}, {votes}, {a.sampling}>"
    lists = pointers(a.neighbours), pointers(a.flows), pointers(a.masks)
    size = np.int32(a.layout.height), np.int32(a.layout.width)
    run_kernel("aggregate", name, grid(a.layout), a.center, *lists, *size, a.out)


@cpu_kernel
def _median(
    row_begin: int,
    row_end: int,
    center: Any,
    pictures: Any,
    fields: Any,
    masks: Any,
    flow_type: Any,
    mask_type: Any,
    layout: Any,
    cubic: bool,
    network: Any,
    out: Any,
) -> None:
    """Rows row_begin to row_end of the median.

    center     flat picture, float32 or uint8
    pictures   uintp (K-1,): addresses of the neighbours, flat pictures of center's dtype and length
    fields     uintp (K-1,): addresses of the flows, flat (H*W*2,) of flow_type's dtype
    masks      uintp (K-1,): addresses of the masks, flat (H*W,) of mask_type's dtype; (0,) if there are none
    flow_type  (0,) float32, or uint16 for the bits of half floats
    mask_type  (0,) uint8
    layout     `Layout` as a tuple
    network    int64 (N,2): exchanges that sort K lines; used for runs in which some neighbour does not count
    out        flat picture like center
    """
    width, channels, pixel_stride = layout[1], layout[2], layout[3]
    pixels, others, lanes = layout[0] * width, pictures.shape[0], max(channels, 4)
    spot, part = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32)
    inside, votes = np.empty(RUN, np.uint8), np.empty(RUN, np.int64)
    stack = np.zeros((others + 1, lanes * RUN), np.float32)
    infinite = np.float32(np.inf)
    step_pixel, step_channel = (1, RUN) if pixel_stride == 1 else (4, 1)
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count = min(RUN, width - begin)
            load_run(center, layout, y, begin, count, stack[0])
            votes[:] = others + 1
            all_count = True
            for n in range(others):
                flow = array_at(fields[n], flow_type, 2 * pixels)
                picture = array_at(pictures[n], center, center.shape[0])
                _warp_run(picture, flow, layout, cubic, y, begin, count, spot, part, inside, stack[n + 1])
                if masks.shape[0] > 0:
                    mask = array_at(masks[n], mask_type, pixels)[y * width + begin :]
                    for k in range(count):
                        if inside[k] == 0 or mask[k] == 0:
                            # Infinity is sorted to the end, beyond the middle of the neighbours that count.
                            for c in range(lanes):
                                stack[n + 1, k * step_pixel + c * step_channel] = infinite
                            votes[k] -= 1
                            all_count = False
            middle = stack[0]  # also takes the result: each element is read before it is written
            if all_count:
                for i in range(0, lanes * RUN, 8):
                    median8(stack, others + 1, i, middle)
            else:
                _sort_lines(stack, network)
                for k in range(count):
                    low, high = stack[(votes[k] - 1) // 2], stack[votes[k] // 2]
                    for c in range(lanes):
                        i = k * step_pixel + c * step_channel
                        middle[i] = np.float32(0.5) * (low[i] + high[i])
            store_run(middle, layout, y, begin, count, out)


@cpu_kernel
def _mean(
    row_begin: int,
    row_end: int,
    center: Any,
    pictures: Any,
    fields: Any,
    masks: Any,
    flow_type: Any,
    mask_type: Any,
    layout: Any,
    cubic: bool,
    weighted: bool,
    out: Any,
) -> None:
    """Rows row_begin to row_end of the mean. The arguments are those of `_median`, except for these.

    masks      uintp (K-1,): addresses of masks, or with `weighted` of weights, flat (H*W,) of mask_type's dtype
    mask_type  (0,) uint8, or float32 with `weighted`
    """
    width, channels, pixel_stride = layout[1], layout[2], layout[3]
    pixels, others, lanes = layout[0] * width, pictures.shape[0], max(channels, 4)
    spot, part, inside = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32), np.empty(RUN, np.uint8)
    values, total = np.zeros(lanes * RUN, np.float32), np.zeros(lanes * RUN, np.float32)
    weight, weights = np.zeros(RUN, np.float32), np.ones(RUN, np.float32)
    zero, one = np.float32(0), np.float32(1)
    share = one / np.float32(others + 1)
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count = min(RUN, width - begin)
            load_run(center, layout, y, begin, count, total)
            weights[:] = np.float32(1)
            for n in range(others):
                flow = array_at(fields[n], flow_type, 2 * pixels)
                picture = array_at(pictures[n], center, center.shape[0])
                _warp_run(picture, flow, layout, cubic, y, begin, count, spot, part, inside, values)
                if masks.shape[0] == 0:
                    for i in range(lanes * RUN):
                        total[i] += values[i]
                    continue
                mask = array_at(masks[n], mask_type, pixels)[y * width + begin :]
                for k in range(count):
                    given = np.float32(mask[k]) if inside[k] != 0 else zero
                    weight[k] = given if weighted or given == zero else one  # a mask may hold 255 for "valid"
                    weights[k] += weight[k]
                _add_weighted(values, weight, pixel_stride == 1, total)
            if masks.shape[0] == 0:
                for i in range(lanes * RUN):
                    values[i] = total[i] * share
            else:
                for k in range(RUN):
                    weights[k] = np.float32(1) / weights[k]
                values[:] = np.float32(0)
                _add_weighted(total, weights, pixel_stride == 1, values)
            store_run(values, layout, y, begin, count, out)


@cpu_kernel
def _warp_run(
    picture: Any,
    flow: Any,
    layout: Any,
    cubic: bool,
    y: int,
    begin: int,
    count: int,
    spot: Any,
    part: F32,
    inside: Any,
    out: F32,
) -> None:
    """Warp `count` pixels of row y from column `begin` on into the run `out`.

    picture, flow       flat, as in `_median`
    spot, part, inside  scratch, as in `aim`; `inside` is read afterwards
    """
    aim(flow, y, begin, count, layout[0], layout[1], spot, part, inside)
    gather(picture, layout, cubic, count, spot, part, out)


@cpu_kernel
def _sort_lines(stack: Any, network: Any) -> None:
    """Sort float32 (K,n) along its first axis by the exchanges of a network, int64 (N,2)."""
    for e in range(network.shape[0]):
        low, high = stack[network[e, 0]], stack[network[e, 1]]
        for i in range(stack.shape[1]):
            a, b = low[i], high[i]
            low[i] = a if a < b else b
            high[i] = b if a < b else a


@cpu_kernel
def _add_weighted(values: F32, weight: F32, planar: bool, total: F32) -> None:
    """Add weight * values to `total`: runs as in `runs`, weight (RUN,) per pixel."""
    if planar:
        for c in range(values.shape[0] // RUN):
            line, target = values[c * RUN :], total[c * RUN :]
            for k in range(RUN):
                target[k] += weight[k] * line[k]
    else:
        for k in range(RUN):
            store4(total, 4 * k, add_scaled4(load4(total, 4 * k), load4(values, 4 * k), weight[k]))
