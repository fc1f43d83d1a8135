"""Mix two pictures by a share, take one of them by a mask, or copy one: into the whole of a picture or a part of it.

The CUDA kernel moves, for each pixel of (H,W,4), 48 bytes to mix two pictures (49 with a mask) and 32 to copy one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import AnyArray, describe, dtype_name, flat_rows, on_cuda, row_stride
from rotoscope.kernels.compile import cpu_kernel
from rotoscope.kernels.launch import pixel_grid, run_kernel, structure
from rotoscope.kernels.rows import run_rows
from rotoscope.kernels.runs import NOTHING


def mix(
    first: AnyArray,
    second: AnyArray | None = None,
    *,
    share: float = 1.0,
    mask: AnyArray | None = None,
    out: AnyArray | None = None,
) -> AnyArray:
    """Compute (1 - share) * first + share * second and return `out`; first alone where the mask is 0, or without a second.

    first, second  (H,W,4) float32 pictures or (H,W) float32 planes of one shape, any range, rows contiguous: parts of larger
                   pictures are not copied
    share          of the second, 0 to 1; at 0 and 1 the result is exactly one of them, whatever the other holds
    mask           (H,W) uint8 or bool, rows contiguous; not 0 where the second has its share. None: everywhere
    out            shape of first, float32, rows contiguous, may be first or second; a new array if None

    Two calls set pictures side by side: each copies one into its half of `out`.

    Device: all arrays NumPy, or all CuPy on one device. Errors: ValueError, TypeError (arrays of different kinds).
    """
    version = mix_cuda if on_cuda(first, second, mask, out) else mix_cpu
    if not 0 <= share <= 1:
        raise ValueError(f"{share=}; accepted: 0 to 1")
    if first.ndim not in (2, 3) or first.shape[2:] not in ((), (4,)) or dtype_name(first) != "float32":
        raise ValueError(f"first: {describe(first)}; accepted: (H,W,4) or (H,W) float32")
    if out is None:
        out = np.empty_like(first, dtype=np.float32, shape=first.shape, order="C")
    for name, array in (("second", second), ("out", out)):
        if array is not None and (array.shape != first.shape or dtype_name(array) != "float32"):
            raise ValueError(f"{name}: {describe(array)}; accepted: {first.shape} of float32")
    if mask is not None and (mask.shape != first.shape[:2] or dtype_name(mask) not in ("uint8", "bool")):
        raise ValueError(f"mask: {describe(mask)}; accepted: {first.shape[:2]} of uint8 or bool")
    named = ("first", first), ("second", second), ("mask", mask), ("out", out)
    strides = [0 if array is None else row_stride(array, name) for name, array in named]
    version(first, second, mask, np.float32(share), strides, out)
    return out


def mix_reference(
    first: NDArray[Any], second: NDArray[Any] | None = None, share: float = 1.0, mask: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """`mix` in float64 with NumPy."""
    if second is None:
        return first.astype(np.float64)
    weight = np.full(first.shape[:2], share) if mask is None else np.where(mask != 0, share, 0)
    weight = weight.reshape(weight.shape + (1,) * (first.ndim - 2))
    with np.errstate(invalid="ignore"):
        mixed = (1 - weight) * first + weight * second
    return np.where(weight == 0, first, np.where(weight == 1, second, mixed))


def mix_cpu(
    first: AnyArray, second: AnyArray | None, mask: AnyArray | None, share: Any, strides: list[int], out: AnyArray
) -> None:
    """`mix` on NumPy arrays."""
    channels = first.shape[2] if first.ndim == 3 else 1
    lines = [
        NOTHING if array is None else flat_rows(array, stride)
        for array, stride in zip((first, second, mask, out), strides, strict=True)
    ]
    lines[1] = lines[1].view(np.float32)
    lines[2] = lines[2].view(np.uint8)
    run_rows(_mix, first.shape[0], *lines, share, tuple(strides), first.shape[1], channels)


def mix_cuda(
    first: AnyArray, second: AnyArray | None, mask: AnyArray | None, share: Any, strides: list[int], out: AnyArray
) -> None:
    """`mix` on CuPy arrays."""
    height, width = first.shape[:2]
    kind, channels = ("float4", 4) if first.ndim == 3 else ("float", 1)
    if any(strides[k] % channels for k in (0, 1, 3)):
        raise ValueError(f"rows {strides} elements apart; accepted: whole pixels")
    in_pixels = structure(np.int32, strides[0] // channels, strides[1] // channels, strides[2], strides[3] // channels)
    size = np.int32(height), np.int32(width)
    run_kernel("mix", f"mix<{kind}>", pixel_grid(height, width), first, second, mask, share, in_pixels, *size, out)


@cpu_kernel
def _mix(
    begin: int,
    end: int,
    first: Any,
    second: Any,
    mask: Any,
    out: Any,
    share: Any,
    strides: Any,
    width: int,
    channels: int,
) -> None:
    """Rows begin to end of out; all arrays flat, `strides` elements apart; second and mask (0,) if they were not given."""
    zero, one = np.float32(0), np.float32(1)
    length, rest = width * channels, one - share
    for y in range(begin, end):
        here, target = first[y * strides[0] :], out[y * strides[3] :]
        if second.shape[0] == 0 or share == zero:
            for i in range(length):
                target[i] = here[i]
            continue
        there = second[y * strides[1] :]
        if mask.shape[0] > 0:
            chosen = mask[y * strides[2] :]
            for x in range(width):
                for i in range(x * channels, x * channels + channels):
                    mixed = there[i] if share == one else here[i] * rest + there[i] * share
                    target[i] = mixed if chosen[x] != 0 else here[i]
        elif share == one:
            for i in range(length):
                target[i] = there[i]
        else:
            for i in range(length):
                target[i] = here[i] * rest + there[i] * share
