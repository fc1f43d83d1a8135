"""What the card can do at most: copies, a matrix product, and what launches, graphs, events and waits cost."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from gpu_phases.phase import Phase
from gpu_phases.timing import event_microseconds, graph_microseconds, host_microseconds

TRANSFERS_MB = (3.1, 25.0, 33.0)  # NV12 and float planar of 1080p, float4 of 1080p
SIDE = 8192  # of the matrices


def run(phase: Phase) -> None:
    import cupy

    with cupy.cuda.Stream(non_blocking=True):
        device_copy(phase)
        transfers(phase)
        overheads(phase)
    if not phase.simulated:
        matrix_product(phase)


def device_copy(phase: Phase) -> None:
    """Copy on the device, larger than the caches; counts what is read and what is written."""
    import cupy

    count = 1 << 10 if phase.simulated else 1 << 28
    source, target = cupy.zeros(count, np.float32), cupy.zeros(count, np.float32)

    def copy():
        target[...] = source

    times = event_microseconds(copy, rounds=1 if phase.simulated else 50, warm_up=1 if phase.simulated else 10)
    if not phase.simulated:
        phase.save(copy_gb_per_second=round(2 * source.nbytes / np.median(times) / 1e3, 1))


def transfers(phase: Phase) -> None:
    """Copy between host and device, from pinned and from pageable memory."""
    import cupy
    import cupyx

    stream, rounds = cupy.cuda.get_current_stream(), 1 if phase.simulated else 20
    for megabytes in (0.001,) if phase.simulated else TRANSFERS_MB:
        count = int(megabytes * 1e6) // 4
        array = cupy.zeros(count, np.float32)
        pinned, pageable = cupyx.zeros_pinned(count, np.float32), np.zeros(count, np.float32)
        for name, move in moves(array, pinned, pageable, stream).items():
            times = []
            for _ in range(rounds):
                stream.synchronize()
                begin = time.perf_counter()
                move()
                stream.synchronize()
                times.append(time.perf_counter() - begin)
            row = {"what": name, "megabytes": megabytes}
            if not phase.simulated:
                seconds = float(np.median(times))
                row.update(us=round(seconds * 1e6, 1), gb_per_second=round(array.nbytes / seconds / 1e9, 2))
            phase.add("transfers", row)


def moves(array: Any, pinned: Any, pageable: Any, stream: Any) -> dict[str, Callable[[], object]]:
    """Return the four copies between an array of the device and two of the host."""
    return {
        "to the device, pinned": lambda: array.set(pinned, stream=stream),
        "to the host, pinned": lambda: array.get(stream=stream, out=pinned, blocking=False),
        "to the device, pageable": lambda: array.set(pageable, stream=stream),
        "to the host, pageable": lambda: array.get(stream=stream, out=pageable),
    }


def overheads(phase: Phase) -> None:
    """Time what the host spends on a launch, a graph, an event, and on waiting for four bytes."""
    import cupy

    from rotoscope.kernels.halve import halve
    from rotoscope.kernels.launch import pixel_grid, run_kernel

    rounds = 2 if phase.simulated else 500
    stream = cupy.cuda.get_current_stream()
    one, out = cupy.zeros((1, 1), np.float32), cupy.zeros((1, 1), np.float32)
    sizes, blocks = (np.int32(1),) * 4, pixel_grid(1, 1)
    event = cupy.cuda.Event(disable_timing=True)

    def launch():
        run_kernel("halve", "halve<float>", blocks, one, *sizes, out)

    launch()
    stream.synchronize()
    stream.begin_capture()
    launch()
    graph = stream.end_capture()
    costs = {
        "launch by run_kernel": launch,
        "call of a kernel's function": lambda: halve(one, out=out),
        "launch of a graph": lambda: graph.launch(stream),
        "record of an event": lambda: event.record(stream),
        "download of 4 bytes, and wait": lambda: one.get(stream=stream),
    }
    for name, call in costs.items():
        us = host_microseconds(call, rounds=rounds)
        stream.synchronize()
        phase.add("host", {"what": name, **({} if phase.simulated else {"us": round(us, 2)})})
    in_graph = graph_microseconds([launch] * 20, rounds=min(rounds, 50), simulated=phase.simulated)
    phase.save(kernel_in_graph_us=in_graph)


def matrix_product(phase: Phase) -> None:
    """Multiply matrices of random bf16, the measure for networks."""
    try:
        import torch
    except ImportError:
        phase.save(matrix_product="torch is not installed")
        return
    if not torch.cuda.is_available():
        phase.save(matrix_product="torch finds no GPU")
        return
    for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
        a, b = (torch.randn(SIDE, SIDE, device="cuda", dtype=dtype) for _ in range(2))
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        for _ in range(5):
            a @ b
        start.record()
        for _ in range(20):
            a @ b
        end.record()
        torch.cuda.synchronize()
        seconds = start.elapsed_time(end) / 20 / 1e3
        phase.save(**{f"{name}_tflops": round(2 * SIDE**3 / seconds / 1e12, 1)})
