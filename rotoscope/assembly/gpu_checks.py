"""Check the NVIDIA GPUs of this machine: the driver and one kernel, both really started."""

from __future__ import annotations

import ctypes
import importlib.util
from typing import Any

import numpy as np

from rotoscope.base.device import Device
from rotoscope.base.engine import first_line

GOOD = "ok"
OLDEST_DRIVER = 580  # of CUDA 13, which the packages of the extra `cuda` need


def gpus() -> list[str]:
    """Return the names of the GPUs that the driver shows, with compute capability and memory; empty without a driver."""
    cuda = _driver()
    if cuda is None:
        return []
    count = ctypes.c_int()
    cuda.cuDeviceGetCount(ctypes.byref(count))
    return [_gpu(cuda, index) for index in range(count.value)]


def driver_verdict() -> str:
    """Return which CUDA version the driver supports, or why no GPU can be used."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1 is not there): everything runs on the CPU"
    cuda = _driver()
    if cuda is None:
        return "the NVIDIA driver is there, but it does not start (cuInit fails): nvidia-smi says why"
    version = ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    major, minor = version.value // 1000, version.value % 1000 // 10
    if major < 13:
        return f"too old: it supports CUDA {major}.{minor}, and CUDA 13 needs driver {OLDEST_DRIVER} or newer"
    return f"{GOOD}: supports CUDA {major}.{minor}"


def kernel_verdict(device: Device) -> str:
    """Compile one kernel with NVRTC, run it, and compare its result with that of the CPU."""
    if importlib.util.find_spec("cupy") is None:
        return 'CuPy is not installed: pip install ".[cuda]" in an environment without onnxruntime'
    from rotoscope.kernels.warp import warp

    random = np.random.default_rng(0)
    picture = random.random((64, 96, 4), np.float32)
    flow = random.normal(0, 3, (64, 96, 2)).astype(np.float32)
    try:
        on_gpu = warp(device.asarray(picture), device.asarray(flow))
        difference = float(np.abs(device.to_host(on_gpu) - warp(picture, flow)).max())
    except Exception as error:  # shown, not raised: a broken installation can raise anything
        return f"does not run: {first_line(error)}"
    return GOOD if difference < 1e-4 else f"WRONG RESULTS: a warp differs by {difference:.1e} from the CPU"


def _driver() -> Any:
    """Return the driver's library, started; None if it is missing or does not start."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return cuda if cuda.cuInit(0) == 0 else None


def _gpu(cuda: Any, index: int) -> str:
    """Return name, compute capability and memory of one GPU."""
    device = ctypes.c_int()
    cuda.cuDeviceGet(ctypes.byref(device), index)
    name = ctypes.create_string_buffer(100)
    cuda.cuDeviceGetName(name, len(name), device)
    numbers = []
    for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
        value = ctypes.c_int()
        cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        numbers.append(value.value)
    memory = ctypes.c_size_t()
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    words = name.value.decode(errors="replace")
    return f"{words}, compute capability {numbers[0]}.{numbers[1]}, {memory.value / 2**30:.0f} GiB"
