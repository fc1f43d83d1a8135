"""Composite: finish the picture of a video-to-video network that gives a flow, a share and what it drew (vid2vid).

It is what `runtime.network.state` computes outside the graph. The CUDA kernel moves 48 bytes per pixel.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, on_cuda, output
from rotoscope.kernels.launch import pixel_grid, run_kernel
from rotoscope.kernels.sampling_reference import sample_reference
from rotoscope.kernels.warp import warp


def composite(
    before: AnyArray, flow: AnyArray, carried: AnyArray, drawn: AnyArray, *, out: AnyArray | None = None
) -> AnyArray:
    """Compute warp(before, flow) * carried + drawn and return `out`; all arrays as a network has them, float32, C-contiguous.

    before   (3,H,W), the picture before, any range
    flow     (2,H,W), (dx, dy) in pixels, from the new picture to the one before
    carried  (1,H,W) or (3,H,W), the share of the moved picture
    drawn    (3,H,W), added
    out      (3,H,W), not before's memory; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = composite_cuda if on_cuda(before, flow, carried, drawn, out) else composite_cpu
    size = before.shape[1:]
    check(before, (3, *size), ("float32",), "before")
    check(flow, (2, *size), ("float32",), "flow")
    check(carried, (3 if carried.shape[:1] == (3,) else 1, *size), ("float32",), "carried")
    check(drawn, before.shape, ("float32",), "drawn")
    out = output(out, before.shape, "float32", before)
    version(before, flow, carried, drawn, out)
    return out


def composite_reference(
    before: NDArray[Any], flow: NDArray[Any], carried: NDArray[Any], drawn: NDArray[Any]
) -> NDArray[np.float64]:
    """`composite` in float64 with NumPy."""
    moved = sample_reference(np.moveaxis(before.astype(np.float64), 0, 2), np.moveaxis(flow, 0, 2))
    made: NDArray[np.float64] = np.moveaxis(moved, 2, 0) * carried + drawn
    return made


def composite_cpu(before: AnyArray, flow: AnyArray, carried: AnyArray, drawn: AnyArray, out: AnyArray) -> None:
    """`composite` on NumPy arrays: the warp, and NumPy."""
    moved = warp(before, np.ascontiguousarray(np.moveaxis(flow, 0, 2)))
    np.multiply(moved, carried, out=moved)
    np.add(moved, drawn, out=out)


def composite_cuda(before: AnyArray, flow: AnyArray, carried: AnyArray, drawn: AnyArray, out: AnyArray) -> None:
    """`composite` on CuPy arrays."""
    height, width = before.shape[1:]
    share = carried, np.int32(carried.shape[0])
    size = np.int32(height), np.int32(width)
    run_kernel("composite", "composite", pixel_grid(height, width), before, flow, *share, drawn, *size, out)
