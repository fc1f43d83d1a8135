"""Times of work on the GPU, by events: single calls, and calls inside a CUDA graph, where the host costs nothing.

On the simulated GPU the same statements run, and no time is returned.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np


def graph_microseconds(calls: Sequence[Callable[[], object]], *, rounds: int, simulated: bool) -> float | None:
    """Return the median time of one call on the GPU: all calls are captured as one graph, which is launched `rounds` times.

    The calls should use different memory, so that caches do not hold it, and allocate nothing: their arrays are given.
    """
    import cupy

    stream = cupy.cuda.get_current_stream()
    for _ in range(2):
        for call in calls:
            call()
    stream.synchronize()
    stream.begin_capture()
    try:
        for call in calls:
            call()
    except BaseException:
        with suppress(Exception):  # the stream is used again for other kernels
            stream.end_capture()
        raise
    graph = stream.end_capture()
    times = event_microseconds(lambda: graph.launch(stream), rounds=rounds, warm_up=min(rounds, 10))
    return None if simulated else float(np.median(times)) / len(calls)


def event_microseconds(call: Callable[[], object], *, rounds: int, warm_up: int) -> list[float]:
    """Return the time between an event before each call and one after it, on CuPy's current stream; waits at the end only."""
    import cupy

    stream = cupy.cuda.get_current_stream()
    for _ in range(warm_up):
        call()
    events = [(cupy.cuda.Event(), cupy.cuda.Event()) for _ in range(rounds)]
    for start, end in events:
        start.record(stream)
        call()
        end.record(stream)
    stream.synchronize()
    return [1000 * cupy.cuda.get_elapsed_time(start, end) for start, end in events]


def host_microseconds(call: Callable[[], object], *, rounds: int) -> float:
    """Return the median time that the host spends in a call, without waiting for what it enqueues."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return 1e6 * float(np.median(times))


def spread(times: Sequence[float]) -> dict[str, float]:
    """Return median and 99th percentile."""
    return {"median": round(float(np.median(times)), 2), "p99": round(float(np.percentile(times, 99)), 2)}
