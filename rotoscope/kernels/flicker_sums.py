"""Sums that measure flicker: the change between neighbouring pictures along the motion, and how much detail there is.

They are the sums of `runtime.steady.flicker`, left on the device. The first of three CUDA kernels moves 44 bytes per pixel.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, flat, flow_size, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import run_kernel
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.runs import RUN
from rotoscope.kernels.sampling import aim, gather
from rotoscope.kernels.sampling_reference import sample_reference
from rotoscope.kernels.sums import fold, partial_blocks, sums_scratch

TRUSTED = 0.5


def flicker_sums(
    picture: AnyArray,
    past: AnyArray,
    flow: AnyArray,
    trust: AnyArray,
    *,
    out: AnyArray | None = None,
    scratch: tuple[AnyArray, ...] | None = None,
) -> AnyArray:
    """Return `out`, float32 (3,): change, energy, number of trusted pixels.

    change  sum over pixels whose trust is above 0.5 and three channels of (warp(past, flow) - picture)^2
    energy  sum over all pixels and three channels of the squared differences to the right and below

    picture, past  (H,W,4) float32 RGB and 0
    flow           from picture to past, (H,W,2) float32, (dx, dy) in pixels
    trust          (H,W) float32 in [0,1]
    out            (3,) float32; a new array if None
    scratch        of `sums_scratch` for three sums; allocated if None; not used on the CPU

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = flicker_sums_cuda if on_cuda(picture, past, flow, trust, out) else flicker_sums_cpu
    size = flow_size(flow)
    check(flow, (*size, 2), ("float32",), "flow")
    check(picture, (*size, 4), ("float32",), "picture")
    check(past, (*size, 4), ("float32",), "past")
    check(trust, size, ("float32",), "trust")
    out = output(out, (3,), "float32", picture)
    version(picture, past, flow, trust, out, scratch)
    return out


def flicker_sums_reference(
    picture: NDArray[Any], past: NDArray[Any], flow: NDArray[Any], trust: NDArray[Any]
) -> NDArray[np.float64]:
    """`flicker_sums` in float64 with NumPy."""
    pixels = picture[..., :3].astype(np.float64)
    trusted = trust > TRUSTED
    change = np.square(sample_reference(past[..., :3].astype(np.float64), flow) - pixels)[trusted].sum()
    energy = sum(np.square(np.diff(pixels, axis=axis)).sum() for axis in (0, 1))
    return np.array([change, energy, trusted.sum()])


def flicker_sums_cpu(
    picture: AnyArray, past: AnyArray, flow: AnyArray, trust: AnyArray, out: AnyArray, _scratch: Any
) -> None:
    """`flicker_sums` on NumPy arrays."""
    height, width = trust.shape
    layout, trusted = (height, width, 4, 4, 1), np.float32(TRUSTED)
    each = run_rows(_flicker_sums, height, flat(picture), flat(past), flat(flow), flat(trust), layout, trusted)
    out[:] = np.sum(each, axis=0)


def flicker_sums_cuda(
    picture: AnyArray,
    past: AnyArray,
    flow: AnyArray,
    trust: AnyArray,
    out: AnyArray,
    scratch: tuple[AnyArray, ...] | None,
) -> None:
    """`flicker_sums` on CuPy arrays."""
    scratch = sums_scratch(3, out) if scratch is None else scratch
    size, trusted = (np.int32(trust.shape[0]), np.int32(trust.shape[1])), np.float32(TRUSTED)
    arrays = picture, past, flow, trust
    run_kernel("flicker", "flicker_partials", partial_blocks(1), *arrays, *size, trusted, scratch[0])
    fold(scratch, out)


@cpu_kernel
def _flicker_sums(
    row_begin: int, row_end: int, picture: Any, past: Any, flow: Any, trust: Any, layout: Any, trusted: Any
) -> tuple[float, float, float]:
    """Return the three sums over rows row_begin to row_end; all arrays flat."""
    height, width = layout[0], layout[1]
    spot, part, inside = np.empty((2, RUN), np.int32), np.empty((2, RUN), np.float32), np.empty(RUN, np.uint8)
    moved = np.empty(4 * RUN, np.float32)
    change = energy = number = 0.0
    for y in range(row_begin, row_end):
        for begin in range(0, width, RUN):
            count = min(RUN, width - begin)
            aim(flow, y, begin, count, height, width, spot, part, inside)
            gather(past, layout, False, count, spot, part, moved)
            for k in range(count):
                here = y * width + begin + k
                is_trusted = trust[here] > trusted
                number += is_trusted
                for c in range(3):
                    value = picture[4 * here + c]
                    if begin + k + 1 < width:
                        step = picture[4 * (here + 1) + c] - value
                        energy += step * step
                    if y + 1 < height:
                        step = picture[4 * (here + width) + c] - value
                        energy += step * step
                    if is_trusted:
                        step = moved[4 * k + c] - value
                        change += step * step
    return change, energy, number
