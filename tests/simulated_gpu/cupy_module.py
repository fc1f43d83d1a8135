"""The modules `cupy` and `cupyx`: every name that exists on the simulated device. What is missing here is not simulated."""

from functools import partial
from importlib.machinery import ModuleSpec
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from simulated_gpu import arrays, launcher, pool, streams
from simulated_gpu.gpu import GLOBAL, RELAXED, THREAD_LOCAL, CUDARuntimeError, gpu
from simulated_gpu.graph import Graph
from simulated_gpu.memory import SIZE

VERSION = "14.2.0"  # the CuPy whose behaviour is simulated
_FUNCTIONS = "empty full zeros ones empty_like zeros_like array asarray ascontiguousarray asnumpy copyto from_dlpack"
_DTYPES = "bool_ int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64"


class Device:
    """The one device, number 0."""

    def __init__(self, device: Any = None) -> None:
        number = 0 if device is None else getattr(device, "id", device)
        if number != 0:
            raise CUDARuntimeError(f"cudaErrorInvalidDevice: device {number}; the simulated machine has device 0")
        self.id = 0
        self.compute_capability = "90"

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def use(self) -> "Device":
        """Make it the current device of the thread."""
        return self

    def synchronize(self) -> None:
        """Wait for all streams."""
        gpu.wait_for_all()

    @property
    def mem_info(self) -> tuple[int, int]:
        """(free, total) bytes."""
        return _mem_get_info()


def modules() -> dict[str, ModuleType]:
    """Return the modules by the names under which they are imported."""
    runtime = _module(
        "cupy.cuda.runtime",
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        setDevice=Device,
        getDeviceProperties=_device_properties,
        deviceSynchronize=gpu.wait_for_all,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
        memGetInfo=_mem_get_info,
        streamCaptureModeGlobal=GLOBAL,
        streamCaptureModeThreadLocal=THREAD_LOCAL,
        streamCaptureModeRelaxed=RELAXED,
    )
    cuda = _module(
        "cupy.cuda",
        is_available=lambda: True,
        Device=Device,
        Stream=streams.Stream,
        ExternalStream=streams.ExternalStream,
        Event=streams.Event,
        Graph=Graph,
        get_current_stream=streams.get_current_stream,
        get_elapsed_time=streams.get_elapsed_time,
        MemoryPointer=pool.MemoryPointer,
        MemoryPool=pool.MemoryPool,
        UnownedMemory=pool.UnownedMemory,
        alloc=pool.device_pool.malloc,
        alloc_pinned_memory=pool.pinned_pool.allocate,
        memory=_module("cupy.cuda.memory", OutOfMemoryError=pool.OutOfMemoryError),
        runtime=runtime,
    )
    cupy = _module(
        "cupy",
        __version__=VERSION,
        ndarray=arrays.ndarray,
        **{name: getattr(arrays, name) for name in _FUNCTIONS.split()},
        **{function.__name__: partial(arrays.view_by, function) for function in arrays.VIEWS},
        **{name: getattr(np, name) for name in _DTYPES.split()},
        dtype=np.dtype,
        RawModule=launcher.RawModule,
        RawKernel=launcher.RawKernel,
        get_default_memory_pool=lambda: pool.device_pool,
        cuda=cuda,
    )
    cupyx = _module(
        "cupyx",
        empty_pinned=_empty_pinned,
        zeros_pinned=_zeros_pinned,
        empty_like_pinned=lambda a, dtype=None: _empty_pinned(a.shape, a.dtype if dtype is None else dtype),
        zeros_like_pinned=lambda a, dtype=None: _zeros_pinned(a.shape, a.dtype if dtype is None else dtype),
    )
    return {module.__name__: module for module in (cupy, cuda, runtime, cuda.memory, cupyx)}


def _module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name, "A part of the simulated CuPy.")
    module.__spec__ = ModuleSpec(name, None)
    module.__dict__.update(members)
    return module


def _empty_pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    size = prod(shape) * np.dtype(dtype).itemsize
    return np.ndarray(shape, dtype, pool.pinned_pool.allocate(size), order=order)


def _zeros_pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
    made = _empty_pinned(shape, dtype, order)
    made[...] = 0
    return made


def _device_properties(device: int) -> dict[str, Any]:
    Device(device)
    return {"name": b"Simulated", "major": 9, "minor": 0, "totalGlobalMem": SIZE, "multiProcessorCount": 1}


def _mem_get_info() -> tuple[int, int]:
    return SIZE - gpu.memory.used, SIZE
