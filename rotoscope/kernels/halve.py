"""Grey picture at half its size, for pyramids: means of 2x2 pixels. Pixel p of the result is at 2p + 1/2 in the picture."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, on_cuda, output
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import pixel_grid, run_kernel
from rotoscope.kernels.rows import run_rows

F32 = NDArray[np.float32]


def halve(picture: AnyArray, *, out: AnyArray | None = None) -> AnyArray:
    """Return the means of 2x2 pixels; the last column or row counts twice if there is an odd number of them.

    picture  (H,W) float32
    out      (ceil(H/2), ceil(W/2)) float32; a new array if None

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = halve_cuda if on_cuda(picture, out) else halve_cpu
    if picture.ndim != 2 or not all(picture.shape):
        raise ValueError(f"picture: {picture.dtype} {picture.shape}; accepted: (H,W) float32")
    check(picture, picture.shape, ("float32",), "picture")
    out = output(out, halved_size(picture.shape), "float32", picture)
    version(picture, out)
    return out


def halved_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the result."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def halve_reference(picture: NDArray[Any]) -> NDArray[np.float64]:
    """`halve` in float64 with NumPy."""
    height, width = picture.shape
    even = np.pad(picture.astype(np.float64), ((0, height % 2), (0, width % 2)), mode="edge")
    means: NDArray[np.float64] = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3))
    return means


def halve_cpu(picture: AnyArray, out: AnyArray) -> None:
    """`halve` on NumPy arrays."""
    run_rows(_halve, out.shape[0], picture, out)


def halve_cuda(picture: AnyArray, out: AnyArray) -> None:
    """`halve` on CuPy arrays."""
    sizes = tuple(np.int32(side) for side in (*picture.shape, *out.shape))
    run_kernel("halve", "halve<float>", pixel_grid(*out.shape), picture, *sizes, out)


@cpu_kernel
def _halve(row_begin: int, row_end: int, picture: F32, out: F32) -> None:
    """Rows row_begin to row_end of out."""
    height, width = picture.shape
    quarter, pairs = np.float32(0.25), width // 2
    for y in range(row_begin, row_end):
        upper, lower, target = picture[2 * y], picture[min(2 * y + 1, height - 1)], out[y]
        for x in range(pairs):
            target[x] = ((upper[2 * x] + upper[2 * x + 1]) + (lower[2 * x] + lower[2 * x + 1])) * quarter
        if width % 2 == 1:
            target[pairs] = (upper[width - 1] + lower[width - 1]) * np.float32(0.5)
