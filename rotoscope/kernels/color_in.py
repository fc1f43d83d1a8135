"""Colour in: convert decoded planes to float RGB, as a network's input or as the pipeline's picture, in one pass.

Chroma is upsampled bilinearly at its true position (see `colour`). The matrix is applied in float and nothing is clipped, so
that values outside the gamut are kept until `color_out`. Sources: see `colour`.

How the CPU version is fast: per row it interpolates chroma vertically, then horizontally, then converts to RGB; all three
loops vectorise. A 1280x720 I420 frame takes 0.61 ms; swscale and NumPy take 1.6 ms (docs/kernels.md).

The CUDA kernel moves, for 8-bit 4:2:0, 1.5 bytes per pixel in, and out 12 (planar float32), 6 (planar float16) or 16 (picture).
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, dtype_name, flat_rows, on_cuda, row_stride
from rotoscope.kernels.colour import LEFT, chroma_coding, luma_coding, rgb_from_ycc, subsampling
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import CODES, pixel_grid, run_kernel, structure
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.vector import as_stored

Planes = Sequence[NDArray[Any]]
F32 = NDArray[np.float32]


def color_in(
    planes: Planes,
    out: AnyArray,
    *,
    matrix: str = "709",
    full_range: bool = False,
    depth: int = 8,
    siting: tuple[float, float] = LEFT,
    scale: Sequence[float] = (1.0, 1.0, 1.0),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
    bgr: bool = False,
    pad: str = "reflect",
) -> AnyArray:
    """Convert one decoded picture to float RGB and return `out`.

    planes         one of, all of one dtype, rows contiguous (a pitch is allowed, the same for Cb and Cr):
                   (Y, Cb, Cr)  luma (H,W), chroma 4:4:4, 4:2:2 or 4:2:0, uint8 or uint16
                   (Y, CbCr)    luma (H,W), chroma (h,w,2), uint8 or uint16: NV12, or P010 with depth=16
                   (grey,)      (H,W) uint8 or uint16
                   (rgb,)       (H,W,3) uint8 or uint16
                   (picture,)   (H,W,4) float32 as made here
    out            written: (H,W,4) float32, C-contiguous, RGB and 0; or (3,Hp,Wp) float32, float16 or uint8 with Hp >= H and
                   Wp >= W, any strides: an input (Hp,Wp,3) with its last axis moved to the front. uint8 is rounded and clipped
    matrix         "601", "709", "2020", "fcc" or "240m"; for planes with chroma or grey
    full_range     True for code values 0 to 2^depth - 1, False for limited range; RGB always has full range
    depth          bits of a code value, 8 to 16
    siting         (x, y) of the first chroma sample in luma pixels, see `colour`
    scale, offset  per channel of out: value * scale + offset, value nominally in [0,1]
    bgr            write blue, green, red; scale and offset are then in this order too
    pad            fills columns and rows of a planar out beyond W and H: "reflect" (the edge is not doubled) or "edge"

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = color_in_cuda if on_cuda(*planes, out) else color_in_cpu
    height, width = planes[0].shape[:2]
    planar = out.ndim == 3 and out.shape[0] == 3 and out.shape != (height, width, 4)
    _check(planes, out, height, width, planar=planar, pad=pad)
    if len(planes) == 1 and planes[0].ndim == 3:
        kind = "float" if dtype_name(planes[0]) == "float32" else "rgb"
    else:
        kind = "grey" if len(planes) == 1 else "ycc"
    affine = _affine(kind, matrix, full_range, depth, tuple(scale), tuple(offset), bgr)
    version(planes, out, planar, affine, (siting[0], siting[1]), pad == "edge")
    return out


@functools.lru_cache(maxsize=64)
def _affine(
    kind: str, matrix: str, full_range: bool, depth: int, scale: tuple[float, ...], offset: tuple[float, ...], bgr: bool
) -> F32:
    """Return (3,4) float32: channel c of out = m[c, :3] @ (codes of a pixel) + m[c, 3]; kind: ycc, grey, rgb or float."""
    order = (2, 1, 0) if bgr else (0, 1, 2)
    gains = np.array([scale[order[c]] for c in range(3)], np.float64)  # in R, G, B order
    offsets = np.array([offset[order[c]] for c in range(3)], np.float64)
    if kind in ("rgb", "float"):
        gains *= 1.0 if kind == "float" else 1 / (2**depth - 1)
        affine = np.column_stack([np.diag(gains), offsets])
    else:
        from_codes = rgb_from_codes(matrix, full_range, depth, grey=kind == "grey")
        affine = np.column_stack([from_codes[:, :3] * gains[:, None], from_codes[:, 3] * gains + offsets])
    rounded: F32 = affine[list(order)].astype(np.float32)
    rounded.flags.writeable = False
    return rounded


def rgb_from_codes(matrix: str, full_range: bool, depth: int, *, grey: bool) -> NDArray[np.float64]:
    """Return m, float64 (3,4): RGB = m[:, :3] @ (luma code, Cb code, Cr code) + m[:, 3]."""
    (y_scale, y_offset), (c_scale, c_offset) = luma_coding(depth, full_range), chroma_coding(depth, full_range)
    r_cr, g_cb, g_cr, b_cb = rgb_from_ycc(matrix)
    from_ycc = np.array([[1, 0, r_cr], [1, g_cb, g_cr], [1, b_cb, 0]]) * ((1, 0, 0) if grey else 1)
    from_codes = from_ycc / (y_scale, c_scale, c_scale)
    return np.column_stack([from_codes, -from_codes @ (y_offset, c_offset, c_offset)])


def color_in_reference(
    planes: Planes,
    *,
    matrix: str = "709",
    full_range: bool = False,
    depth: int = 8,
    siting: tuple[float, float] = LEFT,
) -> NDArray[np.float64]:
    """`color_in` in float64 with NumPy, as (H,W,3) RGB without scale, offset, order and padding."""
    if len(planes) == 1 and planes[0].ndim == 3:
        rgb = planes[0][..., :3].astype(np.float64)
        return rgb if planes[0].dtype == np.float32 else rgb / (2**depth - 1)
    y_scale, y_offset = luma_coding(depth, full_range)
    luma = (planes[0].astype(np.float64) - y_offset) / y_scale
    if len(planes) == 1:
        return np.repeat(luma[..., None], 3, axis=2)
    both = np.moveaxis(planes[1], 2, 0) if len(planes) == 2 else np.stack(planes[1:])
    c_scale, c_offset = chroma_coding(depth, full_range)
    both = (both.astype(np.float64) - c_offset) / c_scale
    for axis, factor, first in zip((2, 1), subsampling(luma.shape, both.shape[1:]), siting, strict=True):
        if factor == 2:
            size = luma.shape[axis - 1]
            position = np.clip((np.arange(size) - first) / 2, 0, both.shape[axis] - 1)
            low = np.floor(position).astype(int)
            high = np.minimum(low + 1, both.shape[axis] - 1)
            weight = (position - low).reshape([-1 if a == axis else 1 for a in range(3)])
            both = both.take(low, axis) * (1 - weight) + both.take(high, axis) * weight
    r_cr, g_cb, g_cr, b_cb = rgb_from_ycc(matrix)
    cb, cr = both
    return np.stack([luma + r_cr * cr, luma + g_cb * cb + g_cr * cr, luma + b_cb * cb], axis=2)


def color_in_cpu(
    planes: Planes, out: AnyArray, planar: bool, affine: F32, siting: tuple[float, float], edge: bool
) -> None:
    """`color_in` on NumPy arrays."""
    if planar and (not out.flags.c_contiguous or out.dtype == np.uint8):
        values = np.empty(out.shape, np.float32)
        color_in_cpu(planes, values, planar, affine, siting, edge)
        out[...] = np.clip(np.rint(values), 0, 255) if out.dtype == np.uint8 else values
        return
    stored = out.view(np.uint16) if out.dtype == np.float16 else out
    rows = out.shape[1] if planar else out.shape[0]
    first, stride = planes[0], row_stride(planes[0], "planes[0]")
    codes, size = flat_rows(first, stride), (first.shape[0], first.shape[1], stride)
    if len(planes) == 1 and first.ndim == 3:
        from_rgb = _rgb_to_planar if planar else _rgb_to_interleaved
        run_rows(from_rgb, rows, codes, size, first.shape[2], affine, edge, stored)
        return
    shape = chroma_shape(planes)
    chroma = [flat_rows(plane, shape[5]) for plane in planes[1:]] or [codes[:0]]
    cb, cr = chroma[0], chroma[0][1:] if len(chroma) == 1 else chroma[1]
    where = (np.float32(siting[0]), np.float32(siting[1]))
    kernel = _ycc_to_planar if planar else _ycc_to_interleaved
    run_rows(kernel, rows, codes, size, cb, cr, shape, where, affine, edge, stored)


def color_in_cuda(
    planes: Planes, out: AnyArray, planar: bool, affine: F32, siting: tuple[float, float], edge: bool
) -> None:
    """`color_in` on CuPy arrays."""
    height, width = planes[0].shape[:2]
    height_out, width_out = out.shape[1:] if planar else out.shape[:2]
    code = CODES[dtype_name(planes[0])]
    kind = {"float32": "float", "float16": "Half2", "uint8": "unsigned char"}[dtype_name(out)] if planar else "float4"
    strides = structure(np.int64, *(stride // out.itemsize for stride in out.strides))
    launch = pixel_grid(height_out, width_out)
    numbers = structure(np.float32, *affine.ravel().tolist(), *siting)
    stride = np.int32(row_stride(planes[0], "planes[0]"))
    size, size_out = (np.int32(height), np.int32(width), stride), (np.int32(height_out), np.int32(width_out))
    if len(planes) == 1 and planes[0].ndim == 3:
        source = planes[0], np.int32(planes[0].shape[2]), *size, numbers
        run_kernel("color_in", f"rgb_in<{code}, {kind}>", launch, *source, np.bool_(edge), *size_out, strides, out)
    else:
        three = [*planes, None, None][:3]
        source = *three, *size, structure(np.int32, *chroma_shape(planes)), numbers
        run_kernel("color_in", f"color_in<{code}, {kind}>", launch, *source, np.bool_(edge), *size_out, strides, out)


def chroma_shape(planes: Planes) -> tuple[int, int, int, int, int, int]:
    """Return (across, down, step, columns, rows, line) of the chroma planes; raise ValueError if their pitches differ.

    across, down  luma pixels per chroma sample, 1 or 2
    step          elements from one sample to the next: 1, 2 if Cb and Cr are interleaved, 0 if there is no chroma
    line          elements from one row of samples to the next
    """
    if len(planes) == 1:
        return 1, 1, 0, 1, 1, 1
    rows, columns = planes[1].shape[:2]
    line = row_stride(planes[1], "planes[1]")
    if len(planes) == 3 and rows > 1 and row_stride(planes[2], "planes[2]") != line:
        raise ValueError(
            f"chroma rows {line} and {row_stride(planes[2], 'planes[2]')} elements apart; accepted: equal pitches"
        )
    return *subsampling(planes[0].shape, planes[1].shape), 2 if len(planes) == 2 else 1, columns, rows, line


def _check(planes: Planes, out: AnyArray, height: int, width: int, *, planar: bool, pad: str) -> None:
    if pad not in ("reflect", "edge"):
        raise ValueError(f"{pad=}; accepted: 'reflect', 'edge'")
    if not planar and not out.flags.c_contiguous:
        raise ValueError("out must be C-contiguous; copy the view first")
    dtypes = [dtype_name(plane) for plane in planes]
    if dtypes[0] not in CODES or dtypes.count(dtypes[0]) != len(dtypes):
        raise ValueError(f"planes of {dtypes}; accepted: uint8 or uint16, all the same")
    if out.ndim != 3 or dtype_name(out) not in (("float32", "float16", "uint8") if planar else ("float32",)):
        raise ValueError(
            f"out of {out.dtype} {out.shape}; accepted: float32, float16 or uint8 (3,H,W), or float32 (H,W,4)"
        )
    if not planar and out.shape != (height, width, 4):
        raise ValueError(f"{out.shape=}; a picture of {width}x{height} needs ({height}, {width}, 4) or (3, H, W)")
    if planar and (out.shape[1] < height or out.shape[2] < width):
        raise ValueError(f"{out.shape=} is smaller than the picture of {width}x{height}")


@cpu_kernel
def _mirror(index: int, size: int, edge: bool) -> int:
    """Return the row or column that pads position `index` of an axis of length `size`."""
    if index < size:
        return index
    if edge or size == 1:
        return size - 1
    period = 2 * size - 2
    index = index % period
    return index if index < size else period - index


@cpu_kernel
def _pad_row(row: F32, width: int, edge: bool) -> None:
    """Fill the elements of a row from `width` on by padding."""
    for x in range(width, row.shape[0]):
        row[x] = row[_mirror(x, width, edge)]


@cpu_kernel
def _chroma_row(plane: Any, y: int, shape: Any, where: Any, line: F32, out: F32) -> None:
    """Write row y of a chroma plane at luma resolution to `out`, as code values.

    plane      flat, uint8 or uint16
    shape      of `chroma_shape`
    where      siting (x, y), float32
    line, out  float32 (>= W,); line is scratch
    """
    sx, sy, step, columns, rows, pitch = shape
    low, weight = y, np.float32(0)
    if sy == 2:
        position = (np.float32(y) - where[1]) * np.float32(0.5)
        position = min(max(position, np.float32(0)), np.float32(rows - 1))
        low = int(position)
        weight = position - np.float32(low)
    high = min(low + 1, rows - 1)
    upper, lower = plane[low * pitch :], plane[high * pitch :]
    middle = line[1:] if sx == 2 else out
    if step == 1:  # written twice, so that this loop vectorises
        for x in range(columns):
            a, b = np.float32(upper[x]), np.float32(lower[x])
            middle[x] = a + (b - a) * weight
    else:
        for x in range(columns):
            a, b = np.float32(upper[2 * x]), np.float32(lower[2 * x])
            middle[x] = a + (b - a) * weight
    if sx == 2:
        line[0], line[columns + 1] = line[1], line[columns]  # the border is repeated
        left, right = line[:columns], line[2:]
        before = where[0] * np.float32(0.5)  # weight of the sample to the left at even x
        after = np.float32(0.5) - before  # weight of the sample to the right at odd x
        for x in range(columns):
            out[2 * x] = middle[x] + (left[x] - middle[x]) * before
            out[2 * x + 1] = middle[x] + (right[x] - middle[x]) * after


@cpu_kernel
def _code_rows(luma: Any, size: Any, cb: Any, cr: Any, y: int, shape: Any, where: Any, rows: F32) -> None:
    """Write luma, Cb and Cr codes of row y to rows[0:3], float32 (4,W+4); rows[3] is scratch. Without chroma they stay 0.

    luma, cb, cr  flat, uint8 or uint16
    size          (height, width, elements from one luma row to the next)
    shape         of `chroma_shape`; where: siting (x, y), float32
    """
    here, codes = luma[y * size[2] :], rows[0]
    for x in range(size[1]):
        codes[x] = np.float32(here[x])
    if shape[2] > 0:
        _chroma_row(cb, y, shape, where, rows[3], rows[1])
        _chroma_row(cr, y, shape, where, rows[3], rows[2])


@cpu_kernel
def _ycc_to_planar(
    begin: int,
    end: int,
    luma: Any,
    size: Any,
    cb: Any,
    cr: Any,
    shape: Any,
    where: Any,
    affine: F32,
    edge: bool,
    out: Any,
) -> None:
    """Rows begin to end of out (3,Hp,Wp), float32 or uint16 for the bits of half floats.

    luma, cb, cr  flat, uint8 or uint16
    size          (height, width, elements from one luma row to the next)
    shape         of `chroma_shape`; where: siting (x, y), float32
    affine        (3,4): channel = affine[c, :3] @ (luma, Cb, Cr) + affine[c, 3]
    """
    height, width = size[0], size[1]
    rows = np.zeros((4, width + 4), np.float32)
    luma_codes, u, v = rows[0], rows[1], rows[2]
    for y in range(begin, end):
        _code_rows(luma, size, cb, cr, _mirror(y, height, edge), shape, where, rows)
        for c in range(3):
            target = out[c, y]
            from_y, from_u, from_v, constant = affine[c, 0], affine[c, 1], affine[c, 2], affine[c, 3]
            for x in range(width):
                value = luma_codes[x] * from_y + u[x] * from_u + v[x] * from_v + constant
                target[x] = as_stored(value, target)
            _pad_row(target, width, edge)


@cpu_kernel
def _ycc_to_interleaved(
    begin: int,
    end: int,
    luma: Any,
    size: Any,
    cb: Any,
    cr: Any,
    shape: Any,
    where: Any,
    affine: F32,
    _edge: bool,
    out: Any,
) -> None:
    """Rows begin to end of out (H,W,4) float32; the arguments are those of `_ycc_to_planar`."""
    width = size[1]
    rows = np.zeros((4, width + 4), np.float32)
    luma_codes, u, v = rows[0], rows[1], rows[2]
    for y in range(begin, end):
        _code_rows(luma, size, cb, cr, y, shape, where, rows)
        target = out[y].reshape(-1)
        for x in range(width):
            a, b, c = luma_codes[x], u[x], v[x]
            target[4 * x] = a * affine[0, 0] + b * affine[0, 1] + c * affine[0, 2] + affine[0, 3]
            target[4 * x + 1] = a * affine[1, 0] + b * affine[1, 1] + c * affine[1, 2] + affine[1, 3]
            target[4 * x + 2] = a * affine[2, 0] + b * affine[2, 1] + c * affine[2, 2] + affine[2, 3]
            target[4 * x + 3] = np.float32(0)


@cpu_kernel
def _rgb_to_planar(begin: int, end: int, picture: Any, size: Any, step: int, affine: F32, edge: bool, out: Any) -> None:
    """Rows begin to end of out (3,Hp,Wp), float32 or uint16 for the bits of half floats.

    picture  flat, of pixels of `step` elements: 3 uint8 or uint16, or 4 float32
    size     (height, width, elements from one row to the next)
    affine   (3,4): channel = affine[c, :3] @ (red, green, blue) + affine[c, 3]
    """
    height, width = size[0], size[1]
    for y in range(begin, end):
        source = picture[_mirror(y, height, edge) * size[2] :]
        for c in range(3):
            target = out[c, y]
            from_r, from_g, from_b, constant = affine[c, 0], affine[c, 1], affine[c, 2], affine[c, 3]
            for x in range(width):
                i = step * x
                red, green, blue = np.float32(source[i]), np.float32(source[i + 1]), np.float32(source[i + 2])
                target[x] = as_stored(red * from_r + green * from_g + blue * from_b + constant, target)
            _pad_row(target, width, edge)


@cpu_kernel
def _rgb_to_interleaved(
    begin: int, end: int, picture: Any, size: Any, step: int, affine: F32, _edge: bool, out: Any
) -> None:
    """Rows begin to end of out (H,W,4) float32; the arguments are those of `_rgb_to_planar`."""
    for y in range(begin, end):
        source = picture[y * size[2] :]
        for x in range(size[1]):
            i = step * x
            red, green, blue = source[i], source[i + 1], source[i + 2]
            for c in range(3):
                out[y, x, c] = red * affine[c, 0] + green * affine[c, 1] + blue * affine[c, 2] + affine[c, 3]
            out[y, x, 3] = np.float32(0)
