"""Put a map of numbers, or a mask, into a network's input: scaled without mixing, padded by its edge.

The CUDA kernels move each element of the plane and of the input once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.sizes import Size
from rotoscope.kernels.arrays import AnyArray, describe, dtype_name, on_cuda, row_stride
from rotoscope.kernels.launch import on_device, pixel_grid, run_kernel, structure

Crop = tuple[int, int, int, int]

INPUTS = {"uint8": "unsigned char", "uint16": "unsigned short", "int32": "int", "bool": "unsigned char"}
OUTPUTS = {
    "float32": "float",
    "float16": "unsigned short",
    "int32": "int",
    "uint8": "unsigned char",
    "bool": "bool",
}
LEAST_OVERLAP = 1e-3  # pixels: OpenCV's area filter leaves out less


def place_map(
    plane: AnyArray, out: AnyArray, *, crop: Crop, content: Size, hole: tuple[float, float] | None = None
) -> None:
    """Write a part of a map into the top left of `out` at another size; the rest repeats its last column and row.

    plane    (H,W) uint8, uint16, int32 or bool, rows contiguous; for a mask uint8 or bool, not 0 in the hole
    out      written, (H',W') float32, float16, int32, uint8 or bool, any strides
    crop     (left, top, width, height) of the part, in pixels of the plane
    content  (width, height) of the part in `out`, in pixels
    hole     None: each pixel takes the number whose area holds its centre, because numbers cannot be mixed. For a mask: (value
             elsewhere, value in the hole); a pixel is in the hole if any part of its area is

    Device: both arrays NumPy, or both CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = place_map_cuda if on_cuda(plane, out) else place_map_cpu
    if plane.ndim != 2 or dtype_name(plane) not in INPUTS or (hole is not None and plane.itemsize != 1):
        raise ValueError(f"plane: {describe(plane)}; accepted: (H,W) uint8 or bool, or numbers of uint16 or int32")
    if out.ndim != 2 or dtype_name(out) not in OUTPUTS:
        raise ValueError(f"out: {describe(out)}; accepted: (H,W) of {', '.join(OUTPUTS)}")
    left, top, width, height = crop
    if min(left, top) < 0 or min(width, height) < 1 or left + width > plane.shape[1] or top + height > plane.shape[0]:
        raise ValueError(f"{crop=} of {describe(plane)}; accepted: a part of it")
    if not (1 <= content[0] <= out.shape[1] and 1 <= content[1] <= out.shape[0]):
        raise ValueError(f"{content=} in {describe(out)}; accepted: at most its size")
    version(plane, out, crop, content, hole)


def place_map_reference(
    plane: NDArray[Any], shape: Size, crop: Crop, content: Size, hole: tuple[float, float] | None = None
) -> NDArray[np.float64]:
    """`place_map` in float64 with NumPy; shape (H',W')."""
    left, top, width, height = crop
    rows, columns = (np.minimum(np.arange(side), last - 1) for side, last in zip(shape, content[::-1], strict=True))
    if hole is None:
        at_y, at_x = (rows + 0.5) * height // content[1], (columns + 0.5) * width // content[0]
        chosen: NDArray[np.float64] = plane[top + at_y.astype(int)][:, left + at_x.astype(int)].astype(np.float64)
        return chosen
    count = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1))  # of pixels in the hole above and left of each corner
    count[1:, 1:] = (plane != 0).cumsum(0).cumsum(1)
    (up, down), (before, after) = (
        (
            np.floor(begin + k * given / to + LEAST_OVERLAP).astype(int),
            np.ceil(begin + (k + 1) * given / to - LEAST_OVERLAP).astype(int),
        )
        for k, begin, given, to in ((rows, top, height, content[1]), (columns, left, width, content[0]))
    )
    inside = count[down][:, after] - count[up][:, after] - count[down][:, before] + count[up][:, before]
    placed: NDArray[np.float64] = np.where(inside > 0, hole[1], hole[0]).astype(np.float64)
    return placed


def place_map_cpu(plane: AnyArray, out: AnyArray, crop: Crop, content: Size, hole: tuple[float, float] | None) -> None:
    """`place_map` on NumPy arrays, with NumPy and OpenCV."""
    left, top, width, height = crop
    part = plane[top : top + height, left : left + width]
    if hole is not None:
        numbers: NDArray[Any] = np.where(widened(part != 0, content), hole[1], hole[0])
    elif part.shape == content[::-1]:
        numbers = part
    else:
        rows, columns = nearest_places(0, height, content[1])[0], nearest_places(0, width, content[0])[0]
        numbers = part[rows[:, None], columns]
    height, width = numbers.shape
    out[:height, :width] = numbers
    out[:height, width:] = numbers[:, -1:]
    out[height:] = out[height - 1 : height]


def place_map_cuda(plane: AnyArray, out: AnyArray, crop: Crop, content: Size, hole: tuple[float, float] | None) -> None:
    """`place_map` on CuPy arrays."""
    left, top, width, height = crop
    strides = structure(np.int64, *(stride // out.itemsize for stride in out.strides))
    stride, size = np.int32(row_stride(plane, "plane")), (np.int32(content[1]), np.int32(content[0]))
    target = strides, np.int32(out.shape[0]), np.int32(out.shape[1]), out
    kind = OUTPUTS[dtype_name(out)]
    launch = pixel_grid(*out.shape)
    if hole is None:
        rows, columns = (
            on_device(nearest_places, begin, given, wanted)[0]
            for begin, given, wanted in ((top, height, content[1]), (left, width, content[0]))
        )
        name = f"place_numbers<{INPUTS[dtype_name(plane)]}, {kind}>"
        run_kernel("place_map", name, launch, plane, stride, rows, columns, *size, *target)
        return
    ranges = *on_device(covered, top, height, content[1]), *on_device(covered, left, width, content[0])
    values = np.float32(hole[0]), np.float32(hole[1])
    run_kernel("place_map", f"place_hole<{kind}>", launch, plane, stride, *ranges, *size, *values, *target)


def nearest_places(begin: int, given: int, wanted: int) -> tuple[NDArray[np.int32]]:
    """Return (int32 (wanted,),): for each pixel of an axis the one whose area holds its centre, of `given` from `begin` on."""
    return ((begin + ((np.arange(wanted) + 0.5) * (given / wanted)).astype(int)).astype(np.int32),)


def covered(begin: int, given: int, wanted: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return (first, last), int32 (wanted,): the pixels of an axis that each of `wanted` pixels shows a part of."""
    edges = np.arange(wanted + 1) * (given / wanted)
    first = np.floor(edges[:-1] + LEAST_OVERLAP).astype(np.int32)
    last = np.ceil(edges[1:] - LEAST_OVERLAP).astype(np.int32) - 1
    return begin + first, begin + np.clip(last, first, given - 1)


def widened(mask: NDArray[np.bool_], size: Size) -> NDArray[np.bool_]:
    """Return a mask (H,W) at (width, height); a pixel is in the hole if any part of it is."""
    if mask.shape == size[::-1]:
        return mask
    (up, down), (before, after) = (
        covered(0, given, wanted) for given, wanted in zip(mask.shape, size[::-1], strict=True)
    )
    count = np.zeros(
        (mask.shape[0] + 1, mask.shape[1] + 1), np.int32
    )  # of pixels in the hole above and left of each corner
    np.cumsum(np.cumsum(mask, 0, dtype=np.int32), 1, out=count[1:, 1:])
    above, below = count[up], count[down + 1]
    hole: NDArray[np.bool_] = below[:, after + 1] - below[:, before] - above[:, after + 1] + above[:, before] > 0
    return hole
