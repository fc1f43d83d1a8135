"""Sums over whole planes, left on the device: a few numbers that the host may read late.

On CUDA four kernels add in a fixed order, in float: 65536 partial sums, 2048, 32, one. The first moves every element once, 4
bytes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, on_cuda, output
from rotoscope.kernels.launch import Launch, pointers, run_kernel

THREADS = 256  # of a block
PARTIALS = 65536  # threads that fill a large GPU
FOLDED = 2048, 32, 1  # sums after each step
MOST_PLANES = 14


def sums(
    planes: Sequence[AnyArray], *, out: AnyArray | None = None, scratch: tuple[AnyArray, ...] | None = None
) -> AnyArray:
    """Return `out`: the sum over each plane.

    planes   1 to 14 arrays, float32, C-contiguous, of one shape and any range
    out      (K,) float32; a new array if None
    scratch  of `sums_scratch`, overwritten; allocated if None; not used on the CPU

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    if not 1 <= len(planes) <= MOST_PLANES:
        raise ValueError(f"{len(planes)} planes; accepted: 1 to {MOST_PLANES}")
    version = sums_cuda if on_cuda(*planes, out) else sums_cpu
    for k, plane in enumerate(planes):
        check(plane, planes[0].shape, ("float32",), f"planes[{k}]")
    out = output(out, (len(planes),), "float32", planes[0])
    version(planes, out, scratch)
    return out


def sums_reference(planes: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """`sums` in float64."""
    return np.array([plane.sum(dtype=np.float64) for plane in planes])


def sums_cpu(planes: Sequence[AnyArray], out: AnyArray, _scratch: tuple[AnyArray, ...] | None) -> None:
    """`sums` on NumPy arrays; NumPy adds pairwise."""
    out[:] = [plane.sum(dtype=np.float64) for plane in planes]


def sums_cuda(planes: Sequence[AnyArray], out: AnyArray, scratch: tuple[AnyArray, ...] | None) -> None:
    """`sums` on CuPy arrays."""
    scratch = sums_scratch(len(planes), out) if scratch is None else scratch
    size = np.int32(planes[0].size)
    run_kernel("sums", "plane_partials", partial_blocks(len(planes)), pointers(list(planes)), size, scratch[0])
    fold(scratch, out)


def sums_scratch(count: int, like: AnyArray) -> tuple[AnyArray, ...]:
    """Return arrays for the partial sums of `count` planes, on the device of `like`."""
    # Makes CuPy arrays if `like` is one.
    return tuple(np.empty_like(like, dtype=np.float32, shape=(count, size)) for size in (PARTIALS, *FOLDED[:-1]))


def partial_blocks(rows: int) -> Launch:
    """Return the launch of a kernel that writes `PARTIALS` partial sums of each of `rows` quantities."""
    return (PARTIALS // THREADS, rows, 1), (THREADS, 1, 1)


def fold(scratch: tuple[AnyArray, ...], out: AnyArray) -> None:
    """Add up the partial sums in scratch[0], (K,PARTIALS), into `out` (K,); CuPy arrays."""
    rows = out.shape[0]
    for given, made, size in zip(scratch, (*scratch[1:], out), FOLDED, strict=True):
        threads = min(size, THREADS)
        launch = (size // threads, rows, 1), (threads, 1, 1)
        run_kernel("sums", "fold", launch, given, np.int32(given.shape[1]), np.int32(size), made)
