"""ndarray: an array in device memory, with those operations of CuPy's that the device path may use.

Rotoscope computes with its own kernels. Arithmetic, reductions and NumPy's functions are refused here, although CuPy has them:
each would be a hidden launch, and often an allocation and a wait.
"""

from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np

from simulated_gpu import copies, dlpack
from simulated_gpu.gpu import gpu
from simulated_gpu.pool import MemoryPointer, device_pool
from simulated_gpu.streams import get_current_stream

# NumPy's functions that only make a view: CuPy has them too, and they cost nothing.
VIEWS = (np.moveaxis, np.transpose, np.swapaxes, np.expand_dims, np.squeeze, np.flip, np.broadcast_to)

REFUSED = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly. "
    "(An array of the simulated device.)"
)


class ndarray:
    """An array on the device. Views share its memory and keep it alive; enqueued work does not."""

    __module__ = "cupy"
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 100

    def __init__(
        self, shape: Any, dtype: Any = float, memptr: MemoryPointer | None = None, strides: Any = None, order: str = "C"
    ) -> None:
        assert order == "C", "only C order is simulated"
        self.shape = (int(shape),) if isinstance(shape, int | np.integer) else tuple(int(side) for side in shape)
        self.dtype = np.dtype(dtype)
        self.ndim = len(self.shape)
        self.size = prod(self.shape)
        self.itemsize = self.dtype.itemsize
        self.nbytes = self.size * self.itemsize
        in_order = tuple(prod(self.shape[k + 1 :]) * self.itemsize for k in range(self.ndim))
        self.strides = in_order if strides is None else tuple(strides)
        self.data = memptr or device_pool.malloc(self.nbytes)
        self.device = SimpleNamespace(id=0)
        self.base: ndarray | None = None

    # Views

    def device_view(self) -> np.ndarray:
        """Return a NumPy array over the device memory; only work of the device may read it."""
        return gpu.memory.view(self.data.ptr, self.shape, self.dtype, self.strides)

    def _as_view(self, view: np.ndarray) -> "ndarray":
        if view.size == 0:
            return ndarray(view.shape, view.dtype, self.data, view.strides)
        offset = gpu.memory.address_of(view) - self.data.ptr
        made = ndarray(view.shape, view.dtype, self.data + offset, view.strides)
        made.base = self
        return made

    @property
    def flags(self) -> Any:
        """Whether the memory is contiguous."""
        flags = self.device_view().flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=self.base is None
        )

    @property
    def T(self) -> "ndarray":
        """The axes in reverse order."""
        return self.transpose()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> "ndarray":
        return self._as_view(self.device_view()[_basic(key)])

    def transpose(self, *axes: Any) -> "ndarray":
        """Return a view with other axes."""
        return self._as_view(self.device_view().transpose(*axes))

    def swapaxes(self, first: int, second: int) -> "ndarray":
        """Return a view with two axes exchanged."""
        return self._as_view(self.device_view().swapaxes(first, second))

    def squeeze(self, axis: Any = None) -> "ndarray":
        """Return a view without axes of length 1."""
        return self._as_view(self.device_view().squeeze(axis))

    def view(self, dtype: Any = None) -> "ndarray":
        """Return a view, of another dtype if one is given."""
        return self._as_view(self.device_view().view(self.dtype if dtype is None else dtype))

    def reshape(self, *shape: Any) -> "ndarray":
        """Return a view of another shape; a copy if the memory is not contiguous."""
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if not self.flags.c_contiguous:
            return ascontiguousarray(self).reshape(shape)
        return self._as_view(self.device_view().reshape(shape))

    def ravel(self) -> "ndarray":
        """Return a view of one axis; a copy if the memory is not contiguous."""
        return self.reshape(-1)

    # Writes and copies, all enqueued on the current stream

    def __setitem__(self, key: Any, value: Any) -> None:
        target = self[key]
        if isinstance(value, ndarray):
            np.broadcast_shapes(value.shape, target.shape)
            copies.copy_on_device(target, value, get_current_stream().queue)
        elif np.isscalar(value) or (isinstance(value, np.ndarray) and value.ndim == 0):
            copies.fill(target, value, get_current_stream().queue)
        else:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")

    def fill(self, value: Any) -> None:
        """Set all elements to one value."""
        copies.fill(self, value, get_current_stream().queue)

    def copy(self, order: str = "C") -> "ndarray":
        """Return a contiguous copy."""
        return self.astype(self.dtype)

    def astype(self, dtype: Any, order: str = "K", copy: bool = True) -> "ndarray":
        """Return a contiguous copy of another dtype; the array itself if nothing changes and `copy` is False."""
        if not copy and self.dtype == dtype:
            return self
        made = ndarray(self.shape, dtype)
        copies.copy_on_device(made, self, get_current_stream().queue)
        return made

    def get(
        self, stream: Any = None, order: str = "C", out: np.ndarray | None = None, blocking: bool = True
    ) -> np.ndarray:
        """Copy to the host, into `out` if given; with blocking=False and pinned memory the host does not wait."""
        stream = stream or get_current_stream()
        if out is not None:
            if not isinstance(out, np.ndarray):
                raise TypeError("Only numpy.ndarray can be obtained from cupy.ndarray")
            if out.dtype != self.dtype:
                raise TypeError(f"{out.dtype} array cannot be obtained from {self.dtype} array")
            if out.shape != self.shape:
                raise ValueError(f"Shape mismatch. Expected shape: {self.shape}, actual shape: {out.shape}")
            if not out.flags.c_contiguous:
                raise RuntimeError("`out` cannot be specified when copying to non-contiguous ndarray")
        host = np.empty(self.shape, self.dtype) if out is None else out
        with stream:
            source = ascontiguousarray(self)
        copies.download(source, host, stream.queue, blocking=blocking)
        return host

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        """Copy a host array of the same shape and dtype into this array."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not self.flags.c_contiguous:
            raise RuntimeError("Cannot set to non-contiguous array")
        copies.upload(self, np.ascontiguousarray(arr), (stream or get_current_stream()).queue, staged=False)

    def item(self) -> Any:
        """Return the one element; the host waits."""
        return self.get().item()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __index__(self) -> int:
        return int(self.get())

    # Other libraries

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise TypeError(REFUSED)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.empty_like:
            return empty_like(*args, **kwargs)
        if function is np.zeros_like:
            return zeros_like(*args, **kwargs)
        if function in VIEWS:
            return view_by(function, *args, **kwargs)
        raise TypeError(
            f"numpy.{function.__name__} on an array of the device: the simulated device has only own kernels"
        )

    def __array_ufunc__(self, function: Any, *_: object, **__: object) -> Any:
        raise TypeError(
            f"numpy.{function.__name__} on an array of the device: the simulated device has only own kernels"
        )

    def __eq__(self, other: object) -> Any:
        raise TypeError("== on an array of the device: the simulated device has only own kernels")

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "descr": self.dtype.descr,
            "data": (self.data.ptr, False),
            "strides": None if self.flags.c_contiguous else self.strides,
            "stream": get_current_stream().ptr or 1,
            "version": 3,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, 0

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        if dl_device not in (None, (dlpack.CUDA, 0)):
            raise BufferError("unsupported device requested.")
        current = get_current_stream()
        consumer = 1 if stream is None else stream  # as the standard has it, None stands for the legacy stream
        if consumer != -1 and consumer != (current.ptr or 1):
            _let_wait(consumer, current)
        return dlpack.capsule(self.data.ptr, self.shape, self.strides, self.dtype, owner=self)

    def __repr__(self) -> str:
        return f"<{self.dtype} {self.shape} at {self.data.ptr:#x}>"


def _let_wait(consumer: int, producer: Any) -> None:
    """Let a stream, given by its address, wait for what is enqueued on another."""
    from simulated_gpu.streams import ExternalStream

    ExternalStream(consumer).wait_event(producer.record())


def _basic(key: Any) -> Any:
    """Return the key if it is made of whole numbers, slices, None and Ellipsis."""
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        if not (part is None or part is Ellipsis or isinstance(part, slice | int | np.integer)) or isinstance(
            part, bool
        ):
            raise TypeError(f"index {part!r}: the simulated device knows whole numbers, slices, None and ...")
    # With a whole number for every axis NumPy would read the element; an Ellipsis makes it a view of no axes.
    return parts if any(part is Ellipsis for part in parts) else (*parts, ...)


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Return an array whose values are undefined: NaN here."""
    return ndarray(shape, dtype, order=order)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> ndarray:
    """Return an array of one value."""
    made = ndarray(shape, np.asarray(fill_value).dtype if dtype is None else dtype)
    made.fill(fill_value)
    return made


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Return an array of zeros."""
    return full(shape, 0, dtype)


def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Return an array of ones."""
    return full(shape, 1, dtype)


def empty_like(a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    """Return an array like another, with undefined values."""
    return ndarray(a.shape if shape is None else shape, a.dtype if dtype is None else dtype)


def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> ndarray:
    """Return an array like another, of zeros."""
    made = empty_like(a, dtype, order, subok, shape)
    made.fill(0)
    return made


def array(obj: Any, dtype: Any = None, copy: bool = True, order: str = "K", *, blocking: bool = False) -> ndarray:
    """Copy an array of the host or the device to the device. Pinned host memory is read when the device comes to it."""
    if isinstance(obj, ndarray):
        return obj.astype(obj.dtype if dtype is None else dtype, copy=copy)
    host = np.ascontiguousarray(obj, dtype)
    made = ndarray(np.shape(obj), host.dtype)
    stream = get_current_stream()
    copies.upload(made, host.reshape(made.shape), stream.queue, staged=True)
    if blocking:
        stream.synchronize()
    return made


def asarray(a: Any, dtype: Any = None, order: str | None = None, *, blocking: bool = False) -> ndarray:
    """Return an array of the device as it is; copy one of the host to the device."""
    return array(a, dtype, copy=False, blocking=blocking)


def ascontiguousarray(a: ndarray, dtype: Any = None) -> ndarray:
    """Return the array itself if it is contiguous, else a copy."""
    plain = a.flags.c_contiguous and dtype in (None, a.dtype)
    return a if plain else a.astype(a.dtype if dtype is None else dtype)


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> np.ndarray:
    """Copy to the host."""
    return a.get(stream=stream, order=order, out=out, blocking=blocking) if isinstance(a, ndarray) else np.asarray(a)


def copyto(dst: ndarray, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    """Copy an array of the device, or a value, into an array of the device."""
    assert where is None, "copyto with a mask is not simulated"
    if isinstance(src, np.ndarray) and src.size != 1:
        raise ValueError("non-scalar numpy.ndarray cannot be used for copyto")
    given = src.dtype if hasattr(src, "dtype") else np.min_scalar_type(src)
    if not np.can_cast(given, dst.dtype, casting):
        raise TypeError(f"Cannot cast {given} to {dst.dtype} in {casting} casting mode")
    dst[...] = src.reshape(()) if isinstance(src, np.ndarray) else src


def view_by(function: Any, a: ndarray, *args: Any, **kwargs: Any) -> ndarray:
    """Return the view that a function of `VIEWS` makes."""
    return a._as_view(function(a.device_view(), *args, **kwargs))


def from_dlpack(source: Any) -> ndarray:
    """Wrap device memory of another library without a copy; it is ordered after the legacy stream only if it says so."""
    device, _ = source.__dlpack_device__()
    if device != dlpack.CUDA:
        raise TypeError(f"memory of DLPack device {device}; accepted: a CUDA device (2)")
    taken = dlpack.take(source.__dlpack__(stream=get_current_stream().ptr or 1, max_version=(1, 0)))
    strides = None if taken.strides is None else tuple(step * taken.dtype.itemsize for step in taken.strides)
    return ndarray(taken.shape, taken.dtype, MemoryPointer(taken.memory, 0), strides)
