"""Add whole arrays, each times a number: scale a flow, mix two flows, add the votes of several neighbours.

The CUDA kernel moves every array once, 4 bytes per element.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, on_cuda, output
from rotoscope.kernels.launch import Launch, pointers, run_kernel, structure

MOST = 14
THREADS = 256  # of a block


def weighted_sum(arrays: Sequence[AnyArray], factors: Sequence[float], *, out: AnyArray | None = None) -> AnyArray:
    """Return `out`: the sum over k of factors[k] * arrays[k].

    arrays   1 to 14, float32, C-contiguous, of one shape, any range
    factors  as many numbers
    out      shape of arrays, float32; may be one of them; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    if not 1 <= len(arrays) <= MOST or len(factors) != len(arrays):
        raise ValueError(f"{len(arrays)} arrays and {len(factors)} factors; accepted: 1 to {MOST} of both")
    version = weighted_sum_cuda if on_cuda(*arrays, out) else weighted_sum_cpu
    for k, array in enumerate(arrays):
        check(array, arrays[0].shape, ("float32",), f"arrays[{k}]")
    out = output(out, arrays[0].shape, "float32", arrays[0])
    version(arrays, factors, out)
    return out


def weighted_sum_reference(arrays: Sequence[NDArray[Any]], factors: Sequence[float]) -> NDArray[np.float64]:
    """`weighted_sum` in float64 with NumPy."""
    total: NDArray[np.float64] = np.tensordot(np.array(factors, np.float64), np.stack(arrays).astype(np.float64), 1)
    return total


def weighted_sum_cpu(arrays: Sequence[AnyArray], factors: Sequence[float], out: AnyArray) -> None:
    """`weighted_sum` on NumPy arrays, with NumPy."""
    total = arrays[0] * np.float32(factors[0])
    for array, factor in zip(arrays[1:], factors[1:], strict=True):
        total += array * np.float32(factor)
    out[...] = total


def weighted_sum_cuda(arrays: Sequence[AnyArray], factors: Sequence[float], out: AnyArray) -> None:
    """`weighted_sum` on CuPy arrays."""
    numbers = structure(np.float32, *factors, *(0.0,) * (MOST - len(factors)))
    counts = np.int32(len(arrays)), np.int32(out.size)
    run_kernel("mix", "weighted_sum", line_blocks(out.size), pointers(list(arrays)), numbers, *counts, out)


def line_blocks(size: int) -> Launch:
    """Return (blocks, threads): one thread per element of an array of `size` elements."""
    return (-(-size // THREADS), 1, 1), (THREADS, 1, 1)
