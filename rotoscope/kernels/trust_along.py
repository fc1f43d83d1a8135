"""Trust along a chain of flows: the trust of the first flow, times that of the second where the first points.

It is what `runtime.steady.hypercon` computes for neighbours that are several frames away. The CUDA kernel moves 21 bytes per
pixel, and 9 for the first flow of a chain.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, check_mask, on_cuda, output
from rotoscope.kernels.launch import pixel_grid, run_kernel
from rotoscope.kernels.sampling_reference import sample_reference
from rotoscope.kernels.warp import warp


def trust_along(
    sure: AnyArray,
    flow: AnyArray | None = None,
    before: AnyArray | None = None,
    *,
    votes_from: float = 0.5,
    votes: AnyArray | None = None,
    out: AnyArray | None = None,
) -> AnyArray:
    """Compute before * warp(sure, flow) and return `out`; without a flow, a copy of `sure`.

    sure        (H,W) float32 in [0,1]: trust of the last flow of the chain
    flow        (H,W,2) float32, (dx, dy) in pixels: the chain before it; None for the first
    before      (H,W) float32 in [0,1]: trust of that chain; None for the first
    votes_from  a neighbour votes where the result is above this
    votes       written unless None, (H,W) uint8 or bool
    out         (H,W) float32, not sure's memory if there is a flow; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = trust_along_cuda if on_cuda(sure, flow, before, votes, out) else trust_along_cpu
    if (flow is None) != (before is None):
        raise ValueError("flow without before, or before without flow; accepted: both or neither")
    check(sure, sure.shape[:2], ("float32",), "sure")
    if flow is not None and before is not None:
        check(flow, (*sure.shape, 2), ("float32",), "flow")
        check(before, sure.shape, ("float32",), "before")
    check_mask(votes, sure.shape, "votes")
    out = output(out, sure.shape, "float32", sure)
    version(sure, flow, before, np.float32(votes_from), votes, out)
    return out


def trust_along_reference(
    sure: NDArray[Any], flow: NDArray[Any] | None = None, before: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """`trust_along` in float64 with NumPy."""
    exact = sure.astype(np.float64)
    if flow is None or before is None:
        return exact
    moved: NDArray[np.float64] = sample_reference(exact[..., None], flow)[..., 0]
    return before * moved


def trust_along_cpu(
    sure: AnyArray,
    flow: AnyArray | None,
    before: AnyArray | None,
    votes_from: Any,
    votes: AnyArray | None,
    out: AnyArray,
) -> None:
    """`trust_along` on NumPy arrays: the warp, and NumPy."""
    if flow is None or before is None:
        out[...] = sure
    else:
        np.multiply(before, warp(sure[None], flow)[0], out=out)
    if votes is not None:
        votes[...] = out > votes_from


def trust_along_cuda(
    sure: AnyArray,
    flow: AnyArray | None,
    before: AnyArray | None,
    votes_from: Any,
    votes: AnyArray | None,
    out: AnyArray,
) -> None:
    """`trust_along` on CuPy arrays."""
    height, width = sure.shape
    arrays = sure, flow, before, np.int32(height), np.int32(width), votes_from
    run_kernel("mix", "trust_along", pixel_grid(height, width), *arrays, out, votes)
