"""Aggregate: warp K-1 neighbours onto the centre and pool the K aligned pictures per pixel and channel, in one pass.

HyperCon's aggregation (Szeto, El-Khamy, Lee, Corso, WACV 2021): mean suits styles, median suits inpainting. The warped
stack is never stored: a run of pixels of all K pictures stays in cache while a compare-exchange network finds its median.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import Array, addresses, check, flat, flow_size, layout_of, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.exchange import MAX_INPUTS, full_network, median8
from rotoscope.kernels.launch import grid, half_or_float, pixel_type, pointers, run_kernel
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.sampling import (
    NOTHING,
    RUN,
    aim,
    check_sampling,
    from_pixels,
    gather,
    inside_reference,
    load_run,
    sample_reference,
    store_run,
    to_pixels,
)
from rotoscope.kernels.vector import add_scaled4, array_at, load4, store4

F32 = NDArray[np.float32]
POOLS = ("mean", "median", "weighted")


def aggregate(
    center: Array,
    neighbours: Sequence[Array],
    flows: Sequence[Array],
    *,
    pool: str = "median",
    valid: Sequence[Array] | None = None,
    sampling: str = "bilinear",
    out: Array | None = None,
) -> Array:
    """Pool the centre and its neighbours, each warped by its flow.

    center      (H,W,4) float32, (H,W,3) uint8 or (C,H,W) float32, any range
    neighbours  K-1 pictures like it, K from 2 to 15; a sequence, or one array with K-1 in front
    flows       K-1 flows from the centre to each neighbour, (H,W,2) float32 or float16, pixels
    pool        "mean"; "median", of an even number the mean of the middle two; "weighted" mean
    valid       K-1 masks (H,W) uint8 or bool: where 0, or where the flow leaves the frame, that neighbour does not vote.
                For "weighted" K-1 weights (H,W) float32 >= 0 instead, the centre's being 1. The centre always votes.
                None: all vote, what lies outside the frame being its border.
    sampling    "bilinear" or "cubic", as in `warp`
    out         like center and none of the neighbours; made if None. Returned.
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
        check(neighbour, center.shape, (str(center.dtype),), f"neighbours[{k}]")
        check(flow, (*layout.size, 2), (str(flows[0].dtype),), f"flows[{k}]")
    for k, mask in enumerate(masks):
        check(mask, layout.size, ("float32",) if pool == "weighted" else ("uint8", "bool"), f"valid[{k}]")
    out = output(out, center.shape, str(center.dtype), center)
    version(center, list(neighbours), list(flows), layout, pool, masks, sampling, out)
    return out


def aggregate_reference(
    center: NDArray[Any],
    neighbours: Sequence[NDArray[Any]],
    flows: Sequence[NDArray[Any]],
    pool: str = "median",
    valid: Sequence[NDArray[Any]] | None = None,
    sampling: str = "bilinear",
) -> NDArray[Any]:
    """The stack, warped in float64, then NumPy's own nanmedian or a weighted mean: the oracle."""
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


def aggregate_cpu(
    center: Array,
    neighbours: list[Array],
    flows: list[Array],
    layout: Any,
    pool: str,
    masks: list[Array],
    sampling: str,
    out: Array,
) -> None:
    """`aggregate` on NumPy arrays."""
    lines = [addresses(arrays) for arrays in (neighbours, flows, masks)]
    types = flat(flows[0])[:0], flat(masks[0])[:0] if masks else NOTHING  # of what the addresses lead to
    args = flat(center), *lines, *types, tuple(layout), sampling == "cubic"
    if pool == "median":
        run_rows(_median, layout.height, *args, full_network(len(flows) + 1), flat(out))
    else:
        run_rows(_mean, layout.height, *args, pool == "weighted", flat(out))


def aggregate_cuda(
    center: Array,
    neighbours: list[Array],
    flows: list[Array],
    layout: Any,
    pool: str,
    masks: list[Array],
    sampling: str,
    out: Array,
) -> None:
    """`aggregate` on CuPy arrays."""
    votes = "none" if not masks else "weights" if pool == "weighted" else "masks"
    kind = "median" if pool == "median" else "mean"
    name = f"aggregate<{pixel_type(layout)}, {half_or_float(flows[0])}, {len(flows) + 1}, {kind}, {votes}, {sampling}>"
    lists = pointers(neighbours), pointers(flows), pointers(masks)
    run_kernel("aggregate", name, grid(layout), center, *lists, np.int32(layout.height), np.int32(layout.width), out)


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
    height, width, channels, pixel_stride = layout[0], layout[1], layout[2], layout[3]
    pixels, others, lanes = height * width, pictures.shape[0], max(channels, 4)
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
            everyone = True
            for n in range(others):
                flow = array_at(fields[n], flow_type, 2 * pixels)
                aim(flow, y, begin, count, height, width, spot, part, inside)
                gather(array_at(pictures[n], center, center.shape[0]), layout, cubic, count, spot, part, stack[n + 1])
                if masks.shape[0] > 0:
                    mask = array_at(masks[n], mask_type, pixels)[y * width + begin :]
                    for k in range(count):
                        if inside[k] == 0 or mask[k] == 0:
                            # Sorted to the far end, where the median of those that vote does not look.
                            for c in range(lanes):
                                stack[n + 1, k * step_pixel + c * step_channel] = infinite
                            votes[k] -= 1
                            everyone = False
            middle = stack[0]  # no longer needed for itself once the values are in order
            if everyone:
                for i in range(0, lanes * RUN, 8):
                    median8(stack, others + 1, i, middle)
            else:
                _exchange(stack, network)
                for k in range(count):
                    low, high = stack[(votes[k] - 1) // 2], stack[votes[k] // 2]
                    for c in range(lanes):
                        i = k * step_pixel + c * step_channel
                        middle[i] = np.float32(0.5) * (low[i] + high[i])
            store_run(middle, layout, y, begin, count, out)


@cpu_kernel
def _exchange(stack: Any, network: Any) -> None:
    """Order pairs of lines of the stack, element by element."""
    for e in range(network.shape[0]):
        low, high = stack[network[e, 0]], stack[network[e, 1]]
        for i in range(stack.shape[1]):
            a, b = low[i], high[i]
            low[i] = a if a < b else b
            high[i] = b if a < b else a


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
    height, width, channels, pixel_stride = layout[0], layout[1], layout[2], layout[3]
    pixels, others, lanes = height * width, pictures.shape[0], max(channels, 4)
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
                aim(flow, y, begin, count, height, width, spot, part, inside)
                gather(array_at(pictures[n], center, center.shape[0]), layout, cubic, count, spot, part, values)
                if masks.shape[0] == 0:
                    for i in range(lanes * RUN):
                        total[i] += values[i]
                    continue
                mask = array_at(masks[n], mask_type, pixels)[y * width + begin :]
                for k in range(count):
                    voice = np.float32(mask[k]) if inside[k] != 0 else zero
                    weight[k] = voice if weighted or voice == zero else one  # a mask may hold 255 for yes
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
def _add_weighted(values: F32, weight: F32, planar: bool, total: F32) -> None:
    """Add weight * values to total for a run of pixels, one weight per pixel."""
    if planar:
        for c in range(values.shape[0] // RUN):
            line, target = values[c * RUN :], total[c * RUN :]
            for k in range(RUN):
                target[k] += weight[k] * line[k]
    else:
        for k in range(RUN):
            store4(total, 4 * k, add_scaled4(load4(total, 4 * k), load4(values, 4 * k), weight[k]))
