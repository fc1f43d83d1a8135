"""Colour out: convert the pipeline's float picture to code values: crop, downsample chroma, round once, optionally dither.

Chroma is downsampled with the filters that exactly invert the bilinear upsampling of `color_in`: (-1,2,6,2,-1)/8 if a sample
lies on a pixel (the low-pass of the 5/3 wavelet; Le Gall and Tabatabai 1988), (-1,3,3,-1)/4 if it lies between two. An
unchanged 4:2:0 picture of even size therefore gets back the same code values.
From a network's planar output to I420 at 1280x720 (`interleave` and `color_out`) takes 2.9 ms; NumPy and swscale take 9.1 ms.

The CUDA kernel for 4:2:0 (NV12, P010, I420) writes luma and chroma in one pass over the picture: it moves 16 bytes per pixel in
and 1.5 out (3 for more than 8 bits).
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, dtype_name, flat_rows, on_cuda, row_stride
from rotoscope.kernels.color_in import Planes, chroma_shape
from rotoscope.kernels.colour import LEFT, LUMA_COEFFICIENTS, chroma_coding, luma_coding, subsampling
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import CODES, pixel_grid, run_kernel, structure
from rotoscope.kernels.rows import run_rows

F32 = NDArray[np.float32]
TAPS = 7  # taps -3 .. +3 around luma pixel 2c of chroma sample c


def color_out(
    picture: AnyArray,
    planes: Planes,
    *,
    matrix: str = "709",
    full_range: bool = False,
    depth: int = 8,
    siting: tuple[float, float] = LEFT,
    dither: bool = False,
    clip: bool = False,
) -> Planes:
    """Convert a float picture to code values and return `planes`.

    picture     (Hp,Wp,4) float32 RGB, nominally [0,1], C-contiguous; the top left (H,W) of it is used
    planes      written, rows contiguous (a pitch is allowed, the same for Cb and Cr); uint8 if depth is 8, else uint16; (H,W)
                is the size of the first. One of:
                (Y, Cb, Cr)  chroma 4:4:4, 4:2:2 or 4:2:0
                (Y, CbCr)    chroma (h,w,2), as in NV12
                (grey,)      (H,W)
                (rgb,)       (H,W,3)
    matrix, full_range, depth, siting  as in `color_in`
    dither      add an ordered 8x8 pattern of up to half a step before rounding (Bayer 1973), against banding
    clip        clip RGB to [0,1] first: full range has no room outside it, and clipping after the matrix would shift the hue

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = color_out_cuda if on_cuda(picture, *planes) else color_out_cpu
    height, width = planes[0].shape[:2]
    fits = picture.ndim == 3 and picture.shape[2] == 4 and picture.flags.c_contiguous
    if not fits or dtype_name(picture) != "float32":
        raise ValueError(f"picture of {picture.dtype} {picture.shape}; accepted: C-contiguous float32 (H,W,4)")
    if picture.shape[0] < height or picture.shape[1] < width:
        raise ValueError(
            f"picture of {picture.shape[1]}x{picture.shape[0]} is smaller than the planes' {width}x{height}"
        )
    if any(dtype_name(plane) != ("uint8" if depth == 8 else "uint16") for plane in planes):
        raise ValueError(f"planes of {[str(plane.dtype) for plane in planes]} do not hold {depth}-bit code values")
    luma, chroma = _codings(matrix, full_range, depth)
    version(picture, planes, luma, chroma, np.float32(2**depth - 1), siting, dither, clip)
    return planes


@functools.cache
def _codings(matrix: str, full_range: bool, depth: int) -> tuple[F32, F32]:
    """Return (luma, chroma), each float32 (5,): Kr, Kg, Kb, scale, offset."""
    kr, kb = LUMA_COEFFICIENTS[matrix]
    weights = (kr, 1 - kr - kb, kb)
    luma = np.array([*weights, *luma_coding(depth, full_range)], np.float32)
    return luma, np.array([*weights, *chroma_coding(depth, full_range)], np.float32)


def color_out_cpu(
    picture: AnyArray,
    planes: Planes,
    luma: F32,
    chroma: F32,
    top: Any,
    siting: tuple[float, float],
    dither: bool,
    clip: bool,
) -> None:
    """`color_out` on NumPy arrays."""
    if clip:
        picture = np.clip(picture, 0, 1)
    pattern = BAYER if dither else np.zeros((8, 8), np.float32)
    first, stride = planes[0], row_stride(planes[0], "planes[0]")
    (height, width), codes = first.shape[:2], flat_rows(first, stride)
    if first.ndim == 3:
        run_rows(_to_rgb, height, picture, codes, width, stride, top, pattern)
        return
    run_rows(_to_luma, height, picture, codes, width, stride, luma, top, pattern)
    if len(planes) == 1:
        return
    shape = chroma_shape(planes)
    cb = flat_rows(planes[1], shape[5])
    cr = cb[1:] if len(planes) == 2 else flat_rows(planes[2], shape[5])
    filters = np.array([chroma_filter(shape[0], siting[0]), chroma_filter(shape[1], siting[1])], np.float32)
    run_rows(_to_chroma, shape[4], picture, width, height, cb, cr, shape, filters, chroma, top, pattern)


def color_out_cuda(
    picture: AnyArray,
    planes: Planes,
    luma: F32,
    chroma: F32,
    top: Any,
    siting: tuple[float, float],
    dither: bool,
    clip: bool,
) -> None:
    """`color_out` on CuPy arrays."""
    first, code = planes[0], CODES[dtype_name(planes[0])]
    (height, width), stride = first.shape[:2], np.int32(row_stride(first, "planes[0]"))
    source = picture, np.int32(picture.shape[1]), np.int32(height), np.int32(width), np.bool_(clip)
    if first.ndim == 3:
        launch = pixel_grid(height, width)
        run_kernel("color_out", f"rgb_out<{code}>", launch, *source, top, np.bool_(dither), stride, first)
    elif len(planes) == 1:
        coding = structure(np.float32, *luma.tolist(), top)
        launch = pixel_grid(height, width)
        run_kernel("color_out", f"luma_out<{code}>", launch, *source, coding, np.bool_(dither), stride, first)
    else:
        shape = chroma_shape(planes)
        filters = structure(np.float32, *chroma_filter(shape[0], siting[0]), *chroma_filter(shape[1], siting[1]))
        codings = structure(np.float32, *luma.tolist(), top), structure(np.float32, *chroma.tolist(), top)
        arguments = structure(np.int32, *shape), filters, *codings, np.bool_(dither), stride
        run_kernel(
            "color_out",
            f"ycc_out<{code}>",
            pixel_grid(shape[4], shape[3]),
            *source,
            *arguments,
            first,
            planes[1],
            planes[2] if len(planes) == 3 else None,
        )


def chroma_filter(factor: int, first: float) -> tuple[float, ...]:
    """Return the filter of one axis: seven taps at luma pixels 2c-3 to 2c+3 for chroma sample c at 2c + first; sum 1."""
    if factor == 1:
        return (0, 0, 0, 1, 0, 0, 0)
    return {
        0.0: (0, -1 / 8, 2 / 8, 6 / 8, 2 / 8, -1 / 8, 0),
        0.5: (0, 0, -1 / 4, 3 / 4, 3 / 4, -1 / 4, 0),
        1.0: (0, 0, -1 / 8, 2 / 8, 6 / 8, 2 / 8, -1 / 8),
    }[first]


def color_out_reference(
    picture: NDArray[Any],
    shapes: Sequence[tuple[int, ...]],
    *,
    matrix: str = "709",
    full_range: bool = False,
    depth: int = 8,
    siting: tuple[float, float] = LEFT,
) -> list[NDArray[np.float64]]:
    """`color_out` in float64 with NumPy, clipped but not rounded or dithered: one array per plane shape."""
    height, width = shapes[0][:2]
    rgb = picture[:height, :width, :3].astype(np.float64)
    top = 2**depth - 1
    if len(shapes[0]) == 3:
        return [np.clip(rgb * top, 0, top)]
    kr, kb = LUMA_COEFFICIENTS[matrix]
    luma = rgb @ np.array([kr, 1 - kr - kb, kb])
    y_scale, y_offset = luma_coding(depth, full_range)
    result = [np.clip(luma * y_scale + y_offset, 0, top)]
    if len(shapes) == 1:
        return result
    both = np.stack([(rgb[..., 2] - luma) / (2 * (1 - kb)), (rgb[..., 0] - luma) / (2 * (1 - kr))])
    for axis, factor, first in zip((2, 1), subsampling(shapes[0], shapes[1]), siting, strict=True):
        size = both.shape[axis]
        centres = np.arange(-(-size // factor)) * factor
        taps = chroma_filter(factor, first)
        shifted = [both.take(np.clip(centres + k - 3, 0, size - 1), axis) for k in range(TAPS)]
        both = np.einsum("k,k...->...", taps, np.stack(shifted))
    c_scale, c_offset = chroma_coding(depth, full_range)
    both = np.clip(both * c_scale + c_offset, 0, top)
    return [*result, np.moveaxis(both, 0, 2)] if len(shapes) == 2 else [*result, *both]


def _bayer(size: int) -> NDArray[np.float64]:
    """Return Bayer's pattern (size,size) of ranks 0 to size^2 - 1; size is a power of 2."""
    if size == 1:
        return np.zeros((1, 1))
    quarter = 4 * _bayer(size // 2)
    return np.block([[quarter, quarter + 2], [quarter + 3, quarter + 1]])


BAYER = ((_bayer(8) + 0.5) / 64 - 0.5).astype(np.float32)  # in (-0.5, 0.5)


@cpu_kernel
def _quantise(value: Any, top: Any) -> Any:
    """Add 0.5 and clip to [0, top]; the integer part is the rounded value. NaN gives 0."""
    value = value + np.float32(0.5)
    value = value if value > np.float32(0) else np.float32(0)
    return value if value < top else top


@cpu_kernel
def _to_rgb(begin: int, end: int, picture: F32, out: Any, width: int, stride: int, top: Any, pattern: F32) -> None:
    """Rows begin to end of out, from picture (Hp,Wp,4).

    out      flat, uint8 or uint16, of pixels of three elements; `stride` elements from one row to the next
    pattern  (8,8) in steps
    """
    for y in range(begin, end):
        line = out[y * stride :]
        for x in range(width):
            shift = pattern[y & 7, x & 7]
            for c in range(3):
                line[3 * x + c] = int(_quantise(picture[y, x, c] * top + shift, top))


@cpu_kernel
def _to_luma(
    begin: int, end: int, picture: F32, out: Any, width: int, stride: int, coding: F32, top: Any, pattern: F32
) -> None:
    """Rows begin to end of out.

    out     flat, uint8 or uint16; `stride` elements from one row to the next
    coding  (5,): Kr, Kg, Kb, scale, offset
    """
    kr, kg, kb, scale, offset = coding[0], coding[1], coding[2], coding[3], coding[4]
    for y in range(begin, end):
        line = out[y * stride :]
        for x in range(width):
            luma = picture[y, x, 0] * kr + picture[y, x, 1] * kg + picture[y, x, 2] * kb
            line[x] = int(_quantise(luma * scale + offset + pattern[y & 7, x & 7], top))


@cpu_kernel
def _chroma_differences(
    picture: F32, y: int, width: int, columns: int, factor: int, taps: F32, coding: F32, line: F32, u: F32, v: F32
) -> None:
    """Write Cb and Cr of row y, downsampled horizontally, to u and v (columns,); `line` (W+8,) is scratch."""
    kr, kg, kb = coding[0], coding[1], coding[2]
    to_cb = np.float32(0.5) / (np.float32(1) - kb)
    to_cr = np.float32(0.5) / (np.float32(1) - kr)
    for component in range(2):
        for x in range(width):
            red, green, blue = picture[y, x, 0], picture[y, x, 1], picture[y, x, 2]
            luma = red * kr + green * kg + blue * kb
            line[x + 3] = (red - luma) * to_cr if component else (blue - luma) * to_cb
        for k in range(3):
            line[k] = line[3]
            line[width + 3 + k] = line[width + 2]
        target = v if component else u
        if factor == 1:
            for x in range(columns):
                target[x] = line[x + 3]
        else:
            for x in range(columns):
                total = np.float32(0)
                for k in range(7):
                    total += taps[k] * line[2 * x + k]
                target[x] = total


@cpu_kernel
def _to_chroma(
    begin: int,
    end: int,
    picture: F32,
    width: int,
    height: int,
    cb: Any,
    cr: Any,
    shape: Any,
    filters: F32,
    coding: F32,
    top: Any,
    pattern: F32,
) -> None:
    """Rows begin to end of the chroma planes.

    cb, cr   flat, uint8 or uint16
    shape    of `chroma_shape`
    filters  (2,7), of `chroma_filter`: across, down
    coding   (5,): Kr, Kg, Kb, scale, offset
    top      greatest code value, float32
    """
    sx, sy, step, columns, _, pitch = shape
    scale, offset = coding[3], coding[4]
    line = np.empty(width + 8, np.float32)
    ring = np.empty((8, 2, columns), np.float32)  # the last eight filtered rows, by row number modulo 8
    total = np.empty((2, columns), np.float32)
    filled = -4 if begin == 0 else max(begin * sy - 3, 0) - 1
    filled = max(filled, -1)
    for row in range(begin, end):
        last = min(row * sy + (3 if sy == 2 else 0), height - 1)
        while filled < last:
            filled += 1
            slot = ring[filled & 7]
            _chroma_differences(picture, filled, width, columns, sx, filters[0], coding, line, slot[0], slot[1])
        total[:] = np.float32(0)
        for k in range(7):
            tap = filters[1, k]
            if tap != np.float32(0):
                y = min(max(row * sy + k - 3, 0), height - 1)
                slot = ring[y & 7]
                for x in range(columns):
                    total[0, x] += tap * slot[0, x]
                    total[1, x] += tap * slot[1, x]
        base = row * pitch
        for x in range(columns):
            shift = pattern[row & 7, x & 7]
            cb[base + x * step] = int(_quantise(total[0, x] * scale + offset + shift, top))
            cr[base + x * step] = int(_quantise(total[1, x] * scale + offset + shift, top))
