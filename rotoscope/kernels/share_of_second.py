"""Share of the second of two pictures in a frame between them, from the visibility that an interpolation network gives.

Super SloMo (Jiang et al., CVPR 2018) mixes two moved pictures with the weights (1 - t) v and t (1 - v), divided by their sum.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, check, on_cuda, output
from rotoscope.kernels.launch import run_kernel
from rotoscope.kernels.weighted_sum import line_blocks


def share_of_second(visibility: AnyArray, time: float, *, out: AnyArray | None = None) -> AnyArray:
    """Return `out`: t (1 - v) / ((1 - t) v + t (1 - v)).

    visibility  v, (H,W) float32 in [0,1], C-contiguous: 1 where the frame shows the first picture
    time        t, above 0 and below 1
    out         (H,W) float32; a new array if None

    Device: both arrays NumPy, or both CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = share_of_second_cuda if on_cuda(visibility, out) else share_of_second_cpu
    check(visibility, visibility.shape[:2], ("float32",), "visibility")
    if not 0 < time < 1:
        raise ValueError(f"{time=}; accepted: between 0 and 1")
    out = output(out, visibility.shape, "float32", visibility)
    version(visibility, time, out)
    return out


def share_of_second_reference(visibility: NDArray[Any], time: float) -> NDArray[np.float64]:
    """`share_of_second` in float64 with NumPy."""
    first, second = (1 - time) * visibility.astype(np.float64), time * (1 - visibility.astype(np.float64))
    share: NDArray[np.float64] = second / (first + second)
    return share


def share_of_second_cpu(visibility: AnyArray, time: float, out: AnyArray) -> None:
    """`share_of_second` on NumPy arrays, with NumPy."""
    t = np.float32(time)
    first, second = (1 - t) * visibility, t * (1 - visibility)
    np.divide(second, first + second, out=out)


def share_of_second_cuda(visibility: AnyArray, time: float, out: AnyArray) -> None:
    """`share_of_second` on CuPy arrays."""
    size = visibility.size
    run_kernel("mix", "share_of_second", line_blocks(size), visibility, np.float32(time), np.int32(size), out)
