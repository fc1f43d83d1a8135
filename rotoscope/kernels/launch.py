"""Launch CUDA kernels through CuPy: one `.cu` source per operation, compiled at first use for the current device.

The name of a kernel contains its template arguments, so that profiles are readable. Kernels run on CuPy's current stream;
nothing here waits for them. CuPy keeps compiled code in its own cache folder.

A launch is one look-up of the bound kernel and one call of it: about 1 us here, and what CuPy's own call takes.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rotoscope.kernels.arrays import AnyArray, Layout, dtype_name

SOURCES = Path(__file__).parent / "cuda"
BLOCK_WIDTH, BLOCK_HEIGHT = 32, 8  # a CUDA warp covers 32 neighbouring pixels of one row
NULL = np.uint64(0)  # CuPy would leave out an argument that is None

Launch = tuple[tuple[int, int, int], tuple[int, int, int]]  # blocks, threads per block


def run_kernel(operation: str, name: str, launch: Launch, *arguments: Any) -> None:
    """Run kernel `name`, such as "warp<float4, float2, bilinear>", of cuda/<operation>.cu on the current stream.

    launch     blocks and threads, from `grid` or `pixel_grid`
    arguments  arrays, NumPy scalars of the exact C type, structs from `pointers` or `structure`, None for a null pointer
    """
    given = tuple([NULL if argument is None else argument for argument in arguments])
    _kernel(operation, name)(launch[0], launch[1], given)


@functools.cache
def _kernel(operation: str, name: str) -> Callable[..., None]:
    """Return one kernel, bound to its name; CuPy compiles it for each device that it is launched on."""
    import cupy

    code = (SOURCES / f"{operation}.cu").read_text()
    module = cupy.RawModule(code=code, options=_options(), name_expressions=[name])
    compiled: Callable[..., None] = module.get_function(name)
    return compiled


@functools.cache
def _options() -> tuple[str, ...]:
    # CuPy's cache key covers source and options but not included files, so a digest of those is one of the options.
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SOURCES.glob("*.cuh")))).hexdigest()[:12]
    return "-std=c++17", f"-I{SOURCES}", f"-DINCLUDED_{digest}"


@functools.lru_cache(maxsize=256)
def grid(layout: Layout) -> Launch:
    """Return (blocks, threads): one thread per pixel, one layer of blocks per channel of a planar picture."""
    layers = layout.channels if layout.pixel_stride == 1 else 1
    return pixel_grid(layout.height, layout.width, layers)


@functools.lru_cache(maxsize=256)
def pixel_grid(height: int, width: int, layers: int = 1) -> Launch:
    """Return (blocks, threads) that cover height x width threads in each layer."""
    blocks = (-(-width // BLOCK_WIDTH), -(-height // BLOCK_HEIGHT), layers)
    return blocks, (BLOCK_WIDTH, BLOCK_HEIGHT, 1)


def pixel_type(layout: Layout) -> str:
    """Return the C++ type that one thread loads: a whole interleaved pixel, or one channel of a planar one."""
    return _PIXELS[layout.pixel_stride]


_PIXELS = {1: "float", 3: "uchar3", 4: "float4"}


def half_or_float(flow: AnyArray) -> str:
    """Return the C++ type of one flow vector: Half2 for float16, float2 for float32."""
    return "Half2" if dtype_name(flow) == "float16" else "float2"


CODES = {"uint8": "unsigned char", "uint16": "unsigned short", "float32": "float"}  # C++ type of one element, by dtype


def pointers(arrays: list[AnyArray]) -> AnyArray:
    """Return the device addresses of up to 14 arrays as the struct `Pointers` of the CUDA sources, passed by value."""
    packed = np.zeros((), _POINTERS)
    packed["at"][: len(arrays)] = [array.data.ptr for array in arrays]
    return packed


_POINTERS = np.dtype([("at", np.uint64, (14,))])


@functools.lru_cache(maxsize=1024)
def structure(dtype: Any, *values: Any) -> AnyArray:
    """Return a struct whose members all have `dtype`, passed by value; equal ones are made once, so never write to it."""
    packed = np.empty((), np.dtype([("members", dtype, (len(values),))]))
    packed["members"] = values
    return packed


def on_device(make: Callable[..., tuple[AnyArray, ...]], *key: Any) -> tuple[AnyArray, ...]:
    """Return the NumPy arrays of make(*key) as CuPy arrays; made and uploaded once for each key, device and stream.

    The first call for a key allocates and copies: not during the capture of a graph.
    """
    import cupy

    return _uploaded(make, key, cupy.cuda.Device().id, cupy.cuda.get_current_stream().ptr)


@functools.lru_cache(maxsize=64)
def _uploaded(make: Callable[..., Any], key: Any, _device: int, _stream: int) -> tuple[AnyArray, ...]:
    import cupy

    return tuple(cupy.asarray(array) for array in make(*key))


def forget_device() -> None:
    """Drop bound kernels and uploaded tables; for tests that replace CuPy."""
    _kernel.cache_clear()
    _uploaded.cache_clear()


def zeros(shape: tuple[int, ...], like: AnyArray) -> AnyArray:
    """Return a float32 array of zeros on the device of `like`, cleared on the current stream."""
    return np.zeros_like(like, dtype=np.float32, shape=shape)  # makes a CuPy array if `like` is one
