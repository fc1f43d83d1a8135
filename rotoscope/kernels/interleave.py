"""Interleave: convert a network's planar output to the pipeline's (H,W,4) picture; count NaN and infinite values.

The pipeline keeps pixels interleaved because a warp loads whole pixels: one load of 16 bytes instead of three in distant
places. (Aggregating 7 pictures: 12.1 ms interleaved, 22.7 ms planar at 1280x720, docs/kernels.md.)

The CUDA kernel moves 12 bytes per pixel in (6 of half floats) and 16 out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, dtype_name, on_cuda
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import pixel_grid, run_kernel, structure
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.vector import as_float

F32 = NDArray[np.float32]

# Values are clipped to [-GUARD, 1 + GUARD]. Decoded video leaves [0,1] slightly, by chroma interpolation and rounding, and must
# be kept to give back the same code values. A larger overshoot of a network is clipped here: Y'CbCr cannot hold it, and
# clipping it there would shift the hue. `color_out` clips code values to their own range.
GUARD = 0.1875


def interleave(
    planar: AnyArray,
    out: AnyArray,
    *,
    scale: Sequence[float] = (1.0, 1.0, 1.0),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
    bgr: bool = False,
    counter: AnyArray | None = None,
) -> Any:
    """Write planar * scale + offset, clipped to [-GUARD, 1 + GUARD], into `out`; count NaN and infinite values.

    planar         (3,Hp,Wp) float32 or float16, any strides, any range; its top left (H,W) is used. A picture (Hp,Wp,3) with
                   its last axis moved to the front is such an array
    out            written, (H,W,4) float32, C-contiguous: RGB and 0
    scale, offset  per channel of planar
    bgr            planar, scale and offset are in blue, green, red order; out is in red, green, blue
    counter        (1,) uint32: the number of NaN and infinite values is added to it

    Returns the counter; nothing reads it here. Without one, returns the number: an int on the CPU, and on CUDA a new uint32
    array (1,), because the kernel is not waited for. What is written for values that are not finite is unspecified.

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = interleave_cuda if on_cuda(planar, out, counter) else interleave_cpu
    if dtype_name(planar) not in ("float32", "float16") or planar.ndim != 3 or planar.shape[0] != 3:
        raise ValueError(f"planar of {planar.dtype} {planar.shape}; accepted: float32 or float16 (3,H,W)")
    if dtype_name(out) != "float32" or out.ndim != 3 or out.shape[2] != 4 or not out.flags.c_contiguous:
        raise ValueError(f"out of {out.dtype} {out.shape}; accepted: C-contiguous float32 (H,W,4)")
    if out.shape[0] > planar.shape[1] or out.shape[1] > planar.shape[2]:
        raise ValueError(f"{out.shape=} is larger than {planar.shape=}")
    if counter is not None:
        check(counter, (1,), ("uint32",), "counter")
    return version(planar, out, scale, offset, bgr, counter)


def interleave_reference(
    planar: F32,
    shape: tuple[int, int],
    *,
    scale: Sequence[float] = (1.0, 1.0, 1.0),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
    bgr: bool = False,
) -> tuple[NDArray[np.float64], int]:
    """`interleave` in float64 with NumPy; return the picture (H,W,3) and the number of NaN and infinite values."""
    crop = planar[:, : shape[0], : shape[1]].astype(np.float64)
    picture = crop * np.reshape(scale, (3, 1, 1)) + np.reshape(offset, (3, 1, 1))
    picture = np.moveaxis(np.clip(picture, -GUARD, 1 + GUARD), 0, 2)
    return picture[..., ::-1] if bgr else picture, int((~np.isfinite(crop)).sum())


def interleave_cpu(
    planar: AnyArray,
    out: AnyArray,
    scale: Sequence[float],
    offset: Sequence[float],
    bgr: bool,
    counter: AnyArray | None,
) -> Any:
    """`interleave` on NumPy arrays."""
    read = planar.view(np.uint16) if planar.dtype == np.float16 else planar
    affine = np.array(scale, np.float32), np.array(offset, np.float32)
    bad = sum(run_rows(_interleave, out.shape[0], read, out, *affine, bgr))
    if counter is None:
        return bad
    counter += np.uint32(bad)
    return counter


def interleave_cuda(
    planar: AnyArray,
    out: AnyArray,
    scale: Sequence[float],
    offset: Sequence[float],
    bgr: bool,
    counter: AnyArray | None,
) -> AnyArray:
    """`interleave` on CuPy arrays."""
    if counter is None:
        counter = np.zeros_like(out, dtype=np.uint32, shape=(1,))  # makes a CuPy array if `out` is one
    height, width = out.shape[:2]
    strides = structure(np.int64, *(stride // planar.itemsize for stride in planar.strides))
    name = "interleave<Half2>" if dtype_name(planar) == "float16" else "interleave<float>"
    affine = structure(np.float32, *scale, *offset, -GUARD, 1 + GUARD)
    size = np.int32(height), np.int32(width)
    run_kernel(
        "interleave", name, pixel_grid(height, width), planar, strides, affine, np.bool_(bgr), *size, counter, out
    )
    return counter


@cpu_kernel
def _interleave(begin: int, end: int, planar: F32, out: F32, gains: F32, offsets: F32, bgr: bool) -> int:
    """Rows begin to end; return the number of NaN and infinite values in them.

    planar          (3,Hp,Wp) float32, or uint16 for the bits of half floats
    gains, offsets  (3,) in the order of planar
    """
    bad = 0
    first, last = (2, 0) if bgr else (0, 2)
    low, high, limit = np.float32(-GUARD), np.float32(1 + GUARD), np.float32(np.finfo(np.float32).max)
    for y in range(begin, end):
        for x in range(out.shape[1]):
            red, green, blue = as_float(planar[first, y, x]), as_float(planar[1, y, x]), as_float(planar[last, y, x])
            # Every comparison with NaN is false, so this counts NaN and both infinities.
            bad += int(not (abs(red) <= limit)) + int(not (abs(green) <= limit)) + int(not (abs(blue) <= limit))
            out[y, x, 0] = min(max(red * gains[first] + offsets[first], low), high)
            out[y, x, 1] = min(max(green * gains[1] + offsets[1], low), high)
            out[y, x, 2] = min(max(blue * gains[last] + offsets[last], low), high)
            out[y, x, 3] = np.float32(0)
    return bad
