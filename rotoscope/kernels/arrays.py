"""What every operation asks of its arrays: where they live, how pixels lie in memory, one clear error if they do not fit.

Layouts: "interleaved" (H,W,4) float32, the pipeline's own on the CPU; (H,W,3) uint8; "planar" (C,H,W) float32. Flows are
(H,W,2) float32 or float16; masks (H,W) uint8 or bool; weights (H,W) float32. All C-contiguous and all on one device: no
kernel copies or moves data behind the caller's back.
"""

from typing import Any, NamedTuple

import numpy as np

Array = Any  # a numpy.ndarray or a cupy.ndarray


class Layout(NamedTuple):
    """How the pixels of a picture lie in memory; strides in elements."""

    height: int
    width: int
    channels: int
    pixel_stride: int
    channel_stride: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


def layout_of(picture: Array, size: tuple[int, ...] | None = None, name: str = "picture") -> Layout:
    """Read the layout off dtype and shape, (height, width) being known from elsewhere or not.

    float32 whose last length is 4 is taken as interleaved whenever that fits.
    """
    shape = picture.shape
    _check_indexable(picture, name)
    if picture.ndim == 3 and all(shape) and picture.flags.c_contiguous:
        interleaved = {"uint8": 3, "float32": 4}.get(str(picture.dtype), 0)
        if shape[2] == interleaved and size in (None, shape[:2]):
            return Layout(shape[0], shape[1], shape[2], interleaved, 1)
        if picture.dtype == np.float32 and size in (None, shape[1:]):
            return Layout(shape[1], shape[2], shape[0], 1, shape[1] * shape[2])
    wanted = "(H,W,4) float32, (H,W,3) uint8 or (C,H,W) float32" + (f" of H={size[0]}, W={size[1]}" if size else "")
    raise ValueError(f"{name}: {describe(picture)}; accepted: C-contiguous {wanted}")


def flow_size(flow: Array, name: str = "flow") -> tuple[int, int]:
    """(height, width) of a flow, once checked."""
    _check_indexable(flow, name)
    fits = flow.ndim == 3 and flow.shape[2] == 2 and all(flow.shape) and flow.flags.c_contiguous
    if fits and flow.dtype in (np.float32, np.float16):
        return int(flow.shape[0]), int(flow.shape[1])
    raise ValueError(f"{name}: {describe(flow)}; accepted: C-contiguous (H,W,2) float32 or float16, in pixels (dx, dy)")


def _check_indexable(array: Array, name: str) -> None:
    if array.size >= 2**31:
        raise ValueError(
            f"{name}: {describe(array)}; accepted: fewer than 2^31 elements, which kernels count in 32 bits"
        )


def check(array: Array, shape: tuple[int, ...], dtypes: tuple[str, ...], name: str) -> None:
    """Demand exactly this shape and one of these dtypes, C-contiguous."""
    if array.shape != shape or str(array.dtype) not in dtypes or not array.flags.c_contiguous:
        raise ValueError(f"{name}: {describe(array)}; accepted: C-contiguous {shape} of {' or '.join(dtypes)}")


def output(out: Array | None, shape: tuple[int, ...], dtype: str, like: Array, name: str = "out") -> Array:
    """`out` once checked, or a new array where `like` lives."""
    if out is None:
        return np.empty_like(like, dtype=dtype, shape=shape)  # CuPy answers this call for its arrays
    check(out, shape, (dtype,), name)
    return out


def check_mask(mask: Array | None, size: tuple[int, int], name: str) -> None:
    """Demand an (H,W) mask, where one is given."""
    if mask is not None:
        check(mask, size, ("uint8", "bool"), name)


def flow_layout(size: tuple[int, int]) -> Layout:
    """A flow as a picture of two interleaved channels."""
    return Layout(*size, 2, 2, 1)


def on_cuda(*arrays: Array | None) -> bool:
    """Where the operation runs: True if all these arrays are CuPy's, False if all are NumPy's; None is neither."""
    kinds = {type(array).__module__.split(".")[0] for array in arrays if array is not None}
    if kinds == {"numpy"}:
        return False
    if kinds == {"cupy"}:
        return True
    raise TypeError(
        f"arrays of {sorted(kinds)}; accepted: all NumPy or all CuPy. `rotoscope.kernels.arrays.from_dlpack` wraps a "
        "torch tensor or a decoded plane without copying"
    )


def from_dlpack(source: Any) -> Array:
    """Wrap memory of torch, PyAV and others as a NumPy or CuPy array without copying.

    Asks the source for no stream synchronisation, because PyAV's planes refuse it: whoever filled the memory must have
    finished, or work on the stream that is current here.
    """
    device_type, _ = source.__dlpack_device__()
    if device_type == 1:  # kDLCPU
        return np.from_dlpack(source)
    import cupy

    return cupy.from_dlpack(_WithoutStream(source))


class _WithoutStream:
    """Hands out a DLPack capsule while keeping the consumer's stream from the producer."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __dlpack_device__(self) -> Any:
        return self.source.__dlpack_device__()

    def __dlpack__(self, **_options: Any) -> Any:
        return self.source.__dlpack__()


def describe(array: Array) -> str:
    """dtype, shape and contiguity, for messages."""
    contiguous = "" if array.flags.c_contiguous else ", not contiguous"
    return f"{array.dtype} {array.shape}{contiguous}"


def flat(array: Array) -> Array:
    """The array as one line of elements that Numba knows: half floats as their bits, bools as bytes."""
    line = array.reshape(-1)
    if line.dtype == np.float16:
        return line.view(np.uint16)
    return line.view(np.uint8) if line.dtype == np.bool_ else line


def addresses(arrays: list[Array]) -> Array:
    """Where the arrays begin in memory; the caller keeps them alive."""
    return np.array([array.__array_interface__["data"][0] for array in arrays], np.uintp)
