"""Complement of a mask: 1 where it is 0, and 0 elsewhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, on_cuda, output
from rotoscope.kernels.launch import run_kernel
from rotoscope.kernels.weighted_sum import line_blocks


def complement(mask: AnyArray, *, out: AnyArray | None = None) -> AnyArray:
    """Return `out`: 1 where the mask is 0, else 0.

    mask  (H,W) uint8 or bool, C-contiguous
    out   (H,W) bool, may be the mask; a new array if None

    Device: both arrays NumPy, or both CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = complement_cuda if on_cuda(mask, out) else complement_cpu
    check(mask, mask.shape[:2], ("uint8", "bool"), "mask")
    out = output(out, mask.shape, "bool", mask)
    version(mask, out)
    return out


def complement_reference(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """`complement` with NumPy."""
    return np.where(mask != 0, False, True)


def complement_cpu(mask: AnyArray, out: AnyArray) -> None:
    """`complement` on NumPy arrays, with NumPy."""
    np.equal(mask, 0, out=out)


def complement_cuda(mask: AnyArray, out: AnyArray) -> None:
    """`complement` on CuPy arrays."""
    run_kernel("mix", "complement", line_blocks(mask.size), mask, np.int32(mask.size), out)
