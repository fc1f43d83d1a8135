"""A simulated CUDA device that stands in for CuPy, so that the device path runs in tests on a machine without a GPU.

    with installed(seed=3, scheduler="priorities") as gpu:
        import cupy  # the simulated one
        ...
        print(gpu.counters)

Device memory is protected: a host read of a device address ends the process. Streams are queues: enqueued work runs when the
host waits for something, in an order that a seeded scheduler draws among all orders that CUDA allows. New memory holds 0xFF
bytes (NaN), written in stream order: work that runs too early, or reads memory that was given away, shows in the result.

    memory.py      device memory, protected from the host
    gpu.py         queues, what may run next, waiting, capture rules
    schedulers.py  two ways to draw the next stream
    counters.py    waits, copies, launches, allocations
    streams.py     Stream, Event; the current stream of a thread
    graph.py       captured work that can be run again
    pool.py        device memory by stream, as CuPy's pool keeps it; pinned host memory
    copies.py      copies between host and device and on the device
    arrays.py      ndarray
    dlpack.py      give and take memory by DLPack capsules
    library.py     CUDA sources as shared libraries for the CPU
    launcher.py    RawModule, RawKernel
    cupy_module.py the names of `cupy` and `cupyx`
    install.py     put them into `sys.modules`, take them out again
    nvdec.py, nvenc.py, onnxruntime.py, tensorrt.py   what works on the device besides our kernels

What it cannot show: races inside a block, speed, and whatever a real driver does that this model does not. `tests/gpu/
test_contract.py` runs the same statements on this device and on a card.
"""

from simulated_gpu.install import installed, whole_machine

__all__ = ["installed", "whole_machine"]
