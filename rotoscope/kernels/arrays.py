"""Check the arrays of an operation: device, dtype, shape, memory layout.

Pictures: (H,W,4) float32, "interleaved", used by the pipeline on CPUs; (H,W,3) uint8; (C,H,W) float32, "planar".
Flows: (H,W,2) float32 or float16. Masks: (H,W) uint8 or bool. Weights: (H,W) float32.
All must be C-contiguous and on one device; kernels do not copy or move data. Where an operation says "rows contiguous", rows
may be farther apart than they are long: a decoder's surface with a pitch, or a part of a larger array. Anything else raises a
ValueError (TypeError for arrays of different kinds) that names the array it got and what is accepted.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

AnyArray = Any  # a numpy.ndarray or a cupy.ndarray

# By dtype: str(dtype) takes microseconds, and every launch needs it several times.
_NAMES = {np.dtype(name): name for name in ("float32", "float16", "uint8", "uint16", "int32", "uint32", "bool")}


class Layout(NamedTuple):
    """Memory layout of a picture; strides in elements, from one pixel or channel to the next."""

    height: int
    width: int
    channels: int
    pixel_stride: int
    channel_stride: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


def layout_of(picture: AnyArray, size: tuple[int, ...] | None = None, name: str = "picture") -> Layout:
    """Return the layout of a picture from its dtype and shape; raise ValueError if it has none of the layouts above.

    size  (H,W) if known; None accepts any size. A float32 array whose last length is 4 is interleaved if H and W allow it.
    name  of the argument, for the message
    """
    shape = picture.shape
    _check_indexable(picture, name)
    if picture.ndim == 3 and all(shape) and picture.flags.c_contiguous:
        found = _layout(shape, dtype_name(picture), size)
        if found is not None:
            return found
    wanted = "(H,W,4) float32, (H,W,3) uint8 or (C,H,W) float32" + (f" of H={size[0]}, W={size[1]}" if size else "")
    raise ValueError(f"{name}: {describe(picture)}; accepted: C-contiguous {wanted}")


@functools.lru_cache(maxsize=256)
def _layout(shape: tuple[int, ...], dtype: str, size: tuple[int, ...] | None) -> Layout | None:
    interleaved = {"uint8": 3, "float32": 4}.get(dtype, 0)
    if shape[2] == interleaved and size in (None, shape[:2]):
        return Layout(shape[0], shape[1], shape[2], interleaved, 1)
    if dtype == "float32" and size in (None, shape[1:]):
        return Layout(shape[1], shape[2], shape[0], 1, shape[1] * shape[2])
    return None


def flow_size(flow: AnyArray, name: str = "flow") -> tuple[int, int]:
    """Check a flow and return its (height, width)."""
    _check_indexable(flow, name)
    fits = flow.ndim == 3 and flow.shape[2] == 2 and all(flow.shape) and flow.flags.c_contiguous
    if fits and dtype_name(flow) in ("float32", "float16"):
        return int(flow.shape[0]), int(flow.shape[1])
    raise ValueError(f"{name}: {describe(flow)}; accepted: C-contiguous (H,W,2) float32 or float16, in pixels (dx, dy)")


def _check_indexable(array: AnyArray, name: str) -> None:
    if array.size >= 2**31:
        raise ValueError(
            f"{name}: {describe(array)}; accepted: fewer than 2^31 elements, which kernels count in 32 bits"
        )


def check(array: AnyArray, shape: tuple[int, ...], dtypes: tuple[str, ...], name: str) -> None:
    """Raise ValueError unless the array has this shape, one of these dtypes, and is C-contiguous."""
    if array.shape != shape or dtype_name(array) not in dtypes or not array.flags.c_contiguous:
        raise ValueError(f"{name}: {describe(array)}; accepted: C-contiguous {shape} of {' or '.join(dtypes)}")


def output(out: AnyArray | None, shape: tuple[int, ...], dtype: str, like: AnyArray, name: str = "out") -> AnyArray:
    """Check `out` and return it; None: return a new array on the device of `like`."""
    if out is None:
        return np.empty_like(like, dtype=dtype, shape=shape, order="C")  # makes a CuPy array if `like` is one
    check(out, shape, (dtype,), name)
    return out


def check_mask(mask: AnyArray | None, size: tuple[int, int], name: str) -> None:
    """Raise ValueError unless the mask is None or (H,W) uint8 or bool."""
    if mask is not None:
        check(mask, size, ("uint8", "bool"), name)


def flow_layout(size: tuple[int, int]) -> Layout:
    """Return the layout of a flow, read as a picture of two interleaved channels."""
    return Layout(*size, 2, 2, 1)


def on_cuda(*arrays: AnyArray | None) -> bool:
    """Return True if all arrays are CuPy's and False if all are NumPy's; None is skipped. Raise TypeError for a mixture."""
    kinds = {_library(array.__class__) for array in arrays if array is not None}
    if kinds in ({"numpy"}, {"cupy"}):
        return kinds == {"cupy"}
    raise TypeError(
        f"arrays of {sorted(kinds)}; accepted: all NumPy or all CuPy. `rotoscope.kernels.arrays.from_dlpack` wraps a "
        "torch tensor or a decoded plane without copying"
    )


@functools.lru_cache(maxsize=32)
def _library(kind: type) -> str:
    return kind.__module__.split(".")[0]


def from_dlpack(source: Any) -> AnyArray:
    """Wrap an object with `__dlpack__` (a torch tensor, a decoded plane of PyAV) as a NumPy or CuPy array, without a copy.

    Streams are not synchronised, because PyAV's planes refuse it: writes to the memory must have finished, or must be on
    CuPy's current stream.
    """
    device_type, _ = source.__dlpack_device__()
    if device_type == 1:  # kDLCPU
        return np.from_dlpack(source)
    import cupy

    return cupy.from_dlpack(_WithoutStream(source))


class _WithoutStream:
    """Gives CuPy the DLPack capsule of `source` without passing CuPy's stream on to the source."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __dlpack_device__(self) -> Any:
        return self.source.__dlpack_device__()

    def __dlpack__(self, **_options: Any) -> Any:
        return self.source.__dlpack__()


def dtype_name(array: AnyArray) -> str:
    """Return the name of an array's dtype, such as "float32"."""
    return _NAMES.get(array.dtype) or str(array.dtype)


def row_stride(array: AnyArray, name: str) -> int:
    """Return the distance in elements from one row (first axis) to the next; raise ValueError unless rows are contiguous.

    Rows are contiguous if the elements of each row follow one another, and each row begins behind the one before.
    """
    if array.flags.c_contiguous and array.shape[0] > 1 and array.size:
        return int(array.strides[0] // array.itemsize)
    length, itemsize = 1, array.itemsize
    for size, stride in zip(array.shape[:0:-1], array.strides[:0:-1], strict=True):
        if size > 1 and stride != length * itemsize:
            raise ValueError(
                f"{name}: {describe(array)}; accepted: rows that are contiguous, such as a part of C-contiguous"
            )
        length *= size
    if array.shape[0] < 2:
        return length
    stride = array.strides[0] // itemsize
    if stride * itemsize != array.strides[0] or stride < length:
        raise ValueError(f"{name}: {describe(array)}; accepted: rows that are contiguous, from the top down")
    return int(stride)


def contiguous(array: AnyArray) -> Any:
    """Return the array, or a C-contiguous copy on its device if it is not C-contiguous."""
    return array if array.flags.c_contiguous else array.copy()


def flat_rows(array: AnyArray, stride: int) -> AnyArray:
    """Return a 1-D view of a NumPy array with contiguous rows, from its first element to its last, with what lies between rows.

    stride  of `row_stride`: element i of row y is element y * stride + i of the view
    """
    if array.flags.c_contiguous:
        return array.reshape(-1)
    length = (array.shape[0] - 1) * stride + array[0].size
    return np.lib.stride_tricks.as_strided(array, (length,), (array.itemsize,), writeable=array.flags.writeable)


def describe(array: AnyArray) -> str:
    """Return dtype, shape and contiguity as text for messages."""
    contiguous = "" if array.flags.c_contiguous else ", not contiguous"
    return f"{array.dtype} {array.shape}{contiguous}"


def flat(array: AnyArray) -> AnyArray:
    """Return a 1-D view with a dtype that Numba knows: half floats as uint16 (their bits), bool as uint8."""
    line = array.reshape(-1)
    if line.dtype == np.float16:
        return line.view(np.uint16)
    return line.view(np.uint8) if line.dtype == np.bool_ else line


def addresses(arrays: list[AnyArray]) -> AnyArray:
    """Return the memory addresses of NumPy arrays, uintp (N,); the caller keeps the arrays alive."""
    return np.array([array.__array_interface__["data"][0] for array in arrays], np.uintp)
