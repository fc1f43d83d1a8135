"""Put the simulated CuPy into `sys.modules` for a while, on a device without work or memory in use."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType

from simulated_gpu import cupy_module, streams
from simulated_gpu.gpu import Gpu, gpu
from simulated_gpu.pool import device_pool, pinned_pool


@contextmanager
def installed(seed: int = 0, scheduler: str = "priorities", eager: float = 0.0) -> Iterator[Gpu]:
    """Let `import cupy` and `import cupyx` give the simulated device; the arguments are those of `Gpu.reset`.

    At the end all work runs, and no memory behind an allocation may have changed, unless the body raised an error of its own.
    """
    _begin(seed, scheduler, eager)
    with replaced_modules(cupy_module.modules()):
        try:
            yield gpu
            gpu.wait_for_all()
            overruns = gpu.memory.overruns()
            assert not overruns, f"something wrote behind the end of allocations of {overruns} bytes"
        finally:
            _begin(0, scheduler, 0.0)


@contextmanager
def whole_machine(seed: int = 0, scheduler: str = "priorities", eager: float = 0.0) -> Iterator[Gpu]:
    """`installed`, with NVDEC for `av.open(..., hwaccel=)`, ONNX Runtime's CUDA provider and TensorRT on the device."""
    from simulated_gpu import nvdec, onnxruntime, tensorrt

    with ExitStack() as stack:
        device = stack.enter_context(installed(seed, scheduler, eager))
        stack.enter_context(nvdec.installed())
        stack.enter_context(onnxruntime.installed())
        stack.enter_context(replaced_modules({"tensorrt": tensorrt.module()}))
        yield device


@contextmanager
def replaced_modules(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """Let imports give these modules; afterwards what was there before. Kernels that were taken from a module are forgotten."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    forget_kernels()
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        forget_kernels()


def forget_kernels() -> None:
    """Empty the caches of the launcher, which hold kernels of the CuPy that was imported."""
    from rotoscope.kernels import launch

    for member in vars(launch).values():
        clear = getattr(member, "cache_clear", None)
        if clear is not None:
            clear()


def _begin(seed: int, scheduler: str, eager: float) -> None:
    gpu.reset(seed, scheduler, eager)
    device_pool.free.clear()
    pinned_pool.forget()
    streams.forget_current()
