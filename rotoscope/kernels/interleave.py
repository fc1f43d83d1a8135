"""Interleave: a network's planar output -> the pipeline's (H,W,4) picture, with range, order and a check for NaN and Inf.

The pipeline keeps pixels interleaved because warps gather whole pixels: one 16-byte load instead of three far-apart ones.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import Array, on_cuda
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import pixel_grid, run_kernel, structure
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.vector import as_float

F32 = NDArray[np.float32]

# How far outside [0,1] a value may stay. Decoded video strays out of the RGB cube by chroma interpolation and rounding, and
# must find its way back to the same code values; what a network overshoots beyond this is cut, because Y'CbCr could
# not hold it and would shift its hue instead. Code values are clipped to their own range in colour out.
GUARD = 0.1875


def interleave(
    planar: Array,
    out: Array,
    *,
    scale: Sequence[float] = (1.0, 1.0, 1.0),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
    bgr: bool = False,
) -> Any:
    """Write channel c of planar (3,Hp,Wp), times scale[c] plus offset[c], clipped to [0,1] +- GUARD, into out (H,W,4) float32.

    The top left (H,W) of the planes, float32 or float16, is used; with `bgr` the planes are in blue, green, red order
    (scale and offset too) and the picture is in red, green, blue; the fourth channel is 0. Both C-contiguous. Returns how
    many of the values read were not finite, whatever was written for them: an int, or on CUDA, where nobody waits for the
    answer here, a uint32 array of one element.
    """
    version = interleave_cuda if on_cuda(planar, out) else interleave_cpu
    if (
        planar.dtype not in (np.float32, np.float16)
        or planar.ndim != 3
        or planar.shape[0] != 3
        or not planar.flags.c_contiguous
    ):
        raise ValueError(f"planar of {planar.dtype} {planar.shape}; accepted: C-contiguous float32 or float16 (3,H,W)")
    if out.dtype != np.float32 or out.ndim != 3 or out.shape[2] != 4 or not out.flags.c_contiguous:
        raise ValueError(f"out of {out.dtype} {out.shape}; accepted: C-contiguous float32 (H,W,4)")
    if out.shape[0] > planar.shape[1] or out.shape[1] > planar.shape[2]:
        raise ValueError(f"{out.shape=} is larger than {planar.shape=}")
    return version(planar, out, np.array(scale, np.float32), np.array(offset, np.float32), bgr)


def interleave_reference(
    planar: F32,
    shape: tuple[int, int],
    *,
    scale: Sequence[float] = (1.0, 1.0, 1.0),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
    bgr: bool = False,
) -> tuple[NDArray[np.float64], int]:
    """The (H,W,3) picture in float64 and the number of values that are not finite: the oracle."""
    crop = planar[:, : shape[0], : shape[1]].astype(np.float64)
    picture = crop * np.reshape(scale, (3, 1, 1)) + np.reshape(offset, (3, 1, 1))
    picture = np.moveaxis(np.clip(picture, -GUARD, 1 + GUARD), 0, 2)
    return picture[..., ::-1] if bgr else picture, int((~np.isfinite(crop)).sum())


def interleave_cpu(planar: Array, out: Array, gains: F32, offsets: F32, bgr: bool) -> int:
    """`interleave` on NumPy arrays."""
    read = planar.view(np.uint16) if planar.dtype == np.float16 else planar
    return sum(run_rows(_interleave, out.shape[0], read, out, gains, offsets, bgr))


def interleave_cuda(planar: Array, out: Array, gains: F32, offsets: F32, bgr: bool) -> Array:
    """`interleave` on CuPy arrays."""
    bad = np.zeros_like(out, dtype=np.uint32, shape=(1,))  # CuPy answers this call for its arrays
    height, width = out.shape[:2]
    size_in, size = (np.int32(planar.shape[1]), np.int32(planar.shape[2])), (np.int32(height), np.int32(width))
    name = "interleave<Half2>" if planar.dtype == np.float16 else "interleave<float>"
    affine = structure(np.float32, *gains, *offsets, -GUARD, 1 + GUARD)
    run_kernel("interleave", name, pixel_grid(height, width), planar, *size_in, affine, np.bool_(bgr), *size, bad, out)
    return bad


@cpu_kernel
def _interleave(begin: int, end: int, planar: F32, out: F32, gains: F32, offsets: F32, bgr: bool) -> int:
    bad = 0
    first, last = (2, 0) if bgr else (0, 2)
    low, high, limit = np.float32(-GUARD), np.float32(1 + GUARD), np.float32(np.finfo(np.float32).max)
    for y in range(begin, end):
        for x in range(out.shape[1]):
            red, green, blue = as_float(planar[first, y, x]), as_float(planar[1, y, x]), as_float(planar[last, y, x])
            # A comparison with NaN is false, so this counts NaN and both infinities.
            bad += int(not (abs(red) <= limit)) + int(not (abs(green) <= limit)) + int(not (abs(blue) <= limit))
            out[y, x, 0] = min(max(red * gains[first] + offsets[first], low), high)
            out[y, x, 1] = min(max(green * gains[1] + offsets[1], low), high)
            out[y, x, 2] = min(max(blue * gains[last] + offsets[last], low), high)
            out[y, x, 3] = np.float32(0)
    return bad
