"""One thread pool for all kernels: a kernel is a serial function over a range of rows, the pool runs several ranges.

Numba's own parallel layer is not used: its work queue aborts the process when two threads enter it at once. Callers that
already run one frame per thread (the pipeline with several frames in flight) work inside `serial_rows()`.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

MIN_ROWS_PER_THREAD = 32  # below this the hand-over costs more than it saves

_lock = threading.Lock()
_local = threading.local()
_budget = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
_pool: ThreadPoolExecutor | None = None


def thread_budget() -> int:
    """How many threads kernels, engines and codecs may keep busy at once; the number of usable cores unless set."""
    return _budget


def set_thread_budget(threads: int) -> None:
    """Set the budget of the process; takes effect for kernels at their next call."""
    global _budget, _pool  # noqa: PLW0603  # one pool for the process is the point of this module
    if threads < 1:
        raise ValueError(f"{threads=}; at least 1 is needed")
    with _lock:
        if threads != _budget:
            _pool = None  # not shut down: another run may be using it, and its threads end with the last one that does
        _budget = threads


@contextmanager
def serial_rows() -> Iterator[None]:
    """Within this block, on this thread, kernels do not split their rows."""
    previous = getattr(_local, "serial", False)
    _local.serial = True
    try:
        yield
    finally:
        _local.serial = previous


def run_rows(kernel: Callable[..., object], num_rows: int, *args: Any) -> list[Any]:
    """Call `kernel(row_begin, row_end, *args)` over [0, num_rows), split over the pool; returns what the calls return."""
    global _pool  # noqa: PLW0603
    parts = min(_budget, num_rows // MIN_ROWS_PER_THREAD)
    if parts <= 1 or getattr(_local, "serial", False):
        return [kernel(0, num_rows, *args)]
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(_budget, thread_name_prefix="rotoscope-rows")
        pool = _pool
    bounds = [num_rows * part // parts for part in range(parts + 1)]
    futures = [pool.submit(kernel, begin, end, *args) for begin, end in pairwise(bounds[1:])]
    first = kernel(bounds[0], bounds[1], *args)  # the caller's thread works too
    return [first, *(future.result() for future in futures)]
