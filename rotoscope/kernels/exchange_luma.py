"""Exchange the luma of a picture for that of another: what `--keep-colour` shows. The CUDA kernel moves 48 bytes per pixel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, on_cuda, output
from rotoscope.kernels.launch import run_kernel, structure
from rotoscope.kernels.weighted_sum import line_blocks


def exchange_luma(
    colours: AnyArray, lumas: AnyArray, weights: Sequence[float], *, out: AnyArray | None = None
) -> AnyArray:
    """Return `out`: R - Y, G - Y and B - Y of one picture, Y of another.

    colours  (H,W,4) float32 RGB, any range, C-contiguous
    lumas    the same shape; only its Y is used
    weights  of R, G and B in Y, three numbers of sum 1
    out      (H,W,4) float32, may be one of the pictures; a new array if None. Its fourth channel is that of colours

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = exchange_luma_cuda if on_cuda(colours, lumas, out) else exchange_luma_cpu
    check(colours, (*colours.shape[:2], 4), ("float32",), "colours")
    check(lumas, colours.shape, ("float32",), "lumas")
    out = output(out, colours.shape, "float32", colours)
    version(colours, lumas, weights, out)
    return out


def exchange_luma_reference(
    colours: NDArray[Any], lumas: NDArray[Any], weights: Sequence[float]
) -> NDArray[np.float64]:
    """`exchange_luma` in float64 with NumPy."""
    made = colours.astype(np.float64)
    made[..., :3] += ((lumas.astype(np.float64) - made)[..., :3] @ np.array(weights))[..., None]
    return made


def exchange_luma_cpu(colours: AnyArray, lumas: AnyArray, weights: Sequence[float], out: AnyArray) -> None:
    """`exchange_luma` on NumPy arrays, with NumPy."""
    change = sum(weight * (lumas[..., c] - colours[..., c]) for c, weight in enumerate(weights))
    out[..., 3] = colours[..., 3]
    np.add(colours[..., :3], np.asarray(change)[..., None], out=out[..., :3])


def exchange_luma_cuda(colours: AnyArray, lumas: AnyArray, weights: Sequence[float], out: AnyArray) -> None:
    """`exchange_luma` on CuPy arrays."""
    size = colours.size // 4
    shares = structure(np.float32, *weights)
    run_kernel("mix", "exchange_luma", line_blocks(size), colours, lumas, shares, np.int32(size), out)
