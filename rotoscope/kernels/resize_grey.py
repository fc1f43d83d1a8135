"""Resize a picture of one channel: a luma plane as decoded, with its pitch, or a map of weights.

The filters are those of `resize`. The half-size luma that motion is estimated on comes straight from a decoder's surface. The
CUDA kernel moves every element of both planes once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, dtype_name, flat, flat_rows, on_cuda, row_stride
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import CODES, pixel_grid, run_kernel
from rotoscope.kernels.resize import METHODS, axis_taps, cuda_taps, resize_matrix
from rotoscope.kernels.rows import run_rows


def resize_grey(
    plane: AnyArray,
    size: tuple[int, int],
    *,
    method: str = "bilinear",
    gain: float = 1.0,
    out: AnyArray | None = None,
) -> AnyArray:
    """Resize one plane, multiply it by `gain` and return `out`.

    plane   (H,W) uint8, uint16 or float32, rows contiguous: a surface with a pitch or a part of a larger plane is not copied
    size    (height, width) of the result, in pixels
    method  "bilinear", "area" or "bicubic", as in `resize`
    gain    multiplies the result. Code values are rounded to whole ones before, so that a float32 `out` holds what an integer
            one would: luma of 10 bits becomes levels of 8 with gain 1/4
    out     (height,width) uint8, uint16 or float32, C-contiguous, not plane's memory; integers are rounded to nearest and
            clipped; a new array of plane's dtype if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = resize_grey_cuda if on_cuda(plane, out) else resize_grey_cpu
    if method not in METHODS:
        raise ValueError(f"{method=}; accepted: {', '.join(METHODS)}")
    if min(size) < 1:
        raise ValueError(f"{size=}; accepted: at least (1, 1)")
    if plane.ndim != 2 or not all(plane.shape) or dtype_name(plane) not in CODES:
        raise ValueError(f"plane: {plane.dtype} {plane.shape}; accepted: (H,W) uint8, uint16 or float32")
    stride = row_stride(plane, "plane")
    if out is None:
        out = np.empty_like(plane, dtype=plane.dtype, shape=size, order="C")  # makes a CuPy array if `plane` is one
    else:
        check(out, (size[0], size[1]), tuple(CODES), "out")
    version(plane, stride, method, np.float32(gain), out)
    return out


def resize_grey_reference(
    plane: NDArray[Any], size: tuple[int, int], method: str = "bilinear", gain: float = 1.0
) -> NDArray[np.float64]:
    """`resize_grey` in float64: one matrix per axis; code values are rounded, the result is not."""
    vertical = resize_matrix(plane.shape[0], size[0], method)
    horizontal = resize_matrix(plane.shape[1], size[1], method)
    resized = vertical @ plane.astype(np.float64) @ horizontal.T
    exact: NDArray[np.float64] = resized if plane.dtype == np.float32 else np.floor(resized + 0.5)
    return exact * gain


def resize_grey_cpu(plane: AnyArray, stride: int, method: str, gain: Any, out: AnyArray) -> None:
    """`resize_grey` on NumPy arrays."""
    vertical = axis_taps(plane.shape[0], out.shape[0], method)
    horizontal = axis_taps(plane.shape[1], out.shape[1], method)
    is_code = plane.dtype != np.float32
    top = np.float32(0 if out.dtype == np.float32 else np.iinfo(out.dtype).max)
    codes = flat_rows(plane, stride), stride, plane.shape[1]
    run_rows(_resize_grey, out.shape[0], *codes, *vertical, *horizontal, gain, is_code, top, out.shape[1], flat(out))


def resize_grey_cuda(plane: AnyArray, stride: int, method: str, gain: Any, out: AnyArray) -> None:
    """`resize_grey` on CuPy arrays."""
    height, width = out.shape
    code = dtype_name(plane)
    name = f"resize_grey<{CODES[code]}, {CODES[dtype_name(out)]}>"
    sizes = np.int32(stride), np.int32(height), np.int32(width)
    taps = cuda_taps(plane.shape, (height, width), method)
    run_kernel("resize", name, pixel_grid(height, width), plane, *sizes, *taps, gain, np.bool_(code != "float32"), out)


@cpu_kernel
def _resize_grey(
    row_begin: int,
    row_end: int,
    plane: Any,
    stride: int,
    width: int,
    first_y: Any,
    weights_y: Any,
    first_x: Any,
    weights_x: Any,
    gain: Any,
    is_code: bool,
    top: Any,
    width_out: int,
    out: Any,
) -> None:
    """Rows row_begin to row_end of the result.

    plane                 flat; `stride` elements from one row to the next
    first_y, first_x      int32, from `axis_taps`
    weights_y, weights_x  float32 (size, taps), from `axis_taps`
    is_code               round before the gain
    top                   greatest value of out, float32; 0 for float32
    out                   flat, uint8, uint16 or float32
    """
    line = np.empty(width, np.float32)
    half, zero = np.float32(0.5), np.float32(0)
    for y in range(row_begin, row_end):
        for x in range(width):
            line[x] = zero
        for t in range(weights_y.shape[1]):
            source, weight = plane[(first_y[y] + t) * stride :], weights_y[y, t]
            for x in range(width):
                line[x] += weight * np.float32(source[x])
        target = out[y * width_out :]
        for x in range(width_out):
            total = zero
            for t in range(weights_x.shape[1]):
                total += line[first_x[x] + t] * weights_x[x, t]
            if is_code:
                total = np.floor(total + half)
            total *= gain
            if top > zero:
                total = min(max(total + half, zero), top)
                target[x] = int(total)
            else:
                target[x] = total
