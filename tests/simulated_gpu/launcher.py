"""RawModule and RawKernel: launches of the CUDA sources, with the checks that a driver does not make."""

import ctypes
import functools
import math
from typing import Any

import numpy as np

from simulated_gpu.arrays import ndarray
from simulated_gpu.gpu import CUDARuntimeError, gpu
from simulated_gpu.library import Library, library_for
from simulated_gpu.pool import MemoryPointer
from simulated_gpu.streams import get_current_stream

MOST_THREADS = 1024  # of a block


class RawModule:
    """The kernels of one source."""

    def __init__(
        self,
        *,
        code: str,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        name_expressions: Any = None,
        **_: object,
    ) -> None:
        self.code, self.options = code, tuple(options)
        self.name_expressions = name_expressions

    def get_function(self, name: str) -> "RawKernel":
        """Return a kernel; it must be one of `name_expressions` if those were given, as in CuPy."""
        if self.name_expressions is not None and name not in self.name_expressions:
            raise CUDARuntimeError(f"CUDA_ERROR_NOT_FOUND: {name} is not among {list(self.name_expressions)}")
        return RawKernel(self.code, name, self.options)

    def compile(self, log_stream: Any = None) -> None:
        """Compile now."""
        for name in self.name_expressions or ():
            library_for(self.code, name, self.options)


class RawKernel:
    """One kernel: `kernel(grid, block, arguments)` enqueues it on the current stream."""

    def __init__(
        self, code: str, name: str, options: tuple[str, ...] = (), backend: str = "nvrtc", **_: object
    ) -> None:
        self.name, self._code, self._options = name, code, tuple(options)

    def __call__(
        self, grid: Any, block: Any, args: Any, *, shared_mem: int = 0, stream: Any = None, **_: object
    ) -> None:
        library, index, signature = self._compiled
        grid, block = _three(grid), _three(block)
        if min(*grid, *block) < 1 or math.prod(block) > MOST_THREADS:
            raise CUDARuntimeError(f"CUDA_ERROR_INVALID_VALUE: {self.name} with blocks {grid} of threads {block}")
        packed, addresses = _packed(self.name, signature, args)
        run = library.run

        def launch(_keep: object = packed) -> None:
            run(index, *grid, *block, addresses)

        gpu.counters.launches += 1
        gpu.submit((stream or get_current_stream()).queue, self.name, launch)

    def compile(self, log_stream: Any = None) -> None:
        """Compile now."""
        _ = self._compiled

    @functools.cached_property
    def _compiled(self) -> tuple[Library, int, list[tuple[int, int]]]:
        library = library_for(self._code, self.name, self._options)
        return library, library.names.index(self.name), library.signature(self.name)


def _packed(name: str, signature: list[tuple[int, int]], args: Any) -> tuple[Any, Any]:
    """Return a copy of the values of all arguments, and their addresses."""
    if len(args) != len(signature):
        raise TypeError(f"{name}: {len(args)} arguments; it takes {len(signature)}")
    values, offsets, size_before = [], [], 0
    for position, (argument, (size, alignment)) in enumerate(zip(args, signature, strict=True)):
        value = _bytes_of(argument)
        if len(value) != size:
            raise TypeError(f"{name}: argument {position} has {len(value)} bytes; the kernel takes {size}")
        if isinstance(argument, ndarray | MemoryPointer):
            if not alignment:
                raise TypeError(f"{name}: argument {position} is an array; the kernel takes a value")
            if int.from_bytes(value, "little") % alignment:
                raise CUDARuntimeError(
                    f"cudaErrorMisalignedAddress: {name}: argument {position} needs {alignment} bytes"
                )
        room = -(-size // 16) * 16
        values.append(value.ljust(room, b"\0"))
        offsets.append(size_before)
        size_before += room
    buffer = ctypes.create_string_buffer(b"".join(values), size_before + 1)
    base = ctypes.addressof(buffer)
    return buffer, (ctypes.c_void_p * len(values))(*(base + offset for offset in offsets))


def _bytes_of(argument: Any) -> bytes:
    """Return the value of an argument as CuPy hands it to the driver."""
    if argument is None:
        return bytes(8)
    if isinstance(argument, ndarray):
        return argument.data.ptr.to_bytes(8, "little")
    if isinstance(argument, MemoryPointer):
        return argument.ptr.to_bytes(8, "little")
    if isinstance(argument, np.ndarray) and argument.size != 1:
        raise TypeError(
            f"You are trying to pass a numpy.ndarray of shape {argument.shape} as a kernel parameter. Only numpy.ndarrays of "
            "size one can be passed by value."
        )
    return np.asarray(argument).tobytes()


def _three(numbers: Any) -> tuple[int, int, int]:
    numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers)
    return (*numbers, 1, 1, 1)[:3]
