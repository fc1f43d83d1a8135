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

_local = threading.local()


class _Workers:
    """The threads that kernels share; they start when first needed."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def set_budget(self, threads: int) -> None:
        with self._lock:
            if threads != self.budget:
                # Not shut down: another run may be using it, and its threads end with the last that does.
                self._pool = None
            self.budget = threads

    def pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.budget, thread_name_prefix="rotoscope-rows")
            return self._pool


_workers = _Workers(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1))


def thread_budget() -> int:
    """How many threads kernels, engines and codecs may keep busy at once; the number of usable cores unless set."""
    return _workers.budget


def set_thread_budget(threads: int) -> None:
    """Set the budget of the process; takes effect for kernels at their next call."""
    if threads < 1:
        raise ValueError(f"{threads=}; at least 1 is needed")
    _workers.set_budget(threads)


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
    parts = min(_workers.budget, num_rows // MIN_ROWS_PER_THREAD)
    if parts <= 1 or getattr(_local, "serial", False):
        return [kernel(0, num_rows, *args)]
    pool = _workers.pool()
    bounds = [num_rows * part // parts for part in range(parts + 1)]
    futures = [pool.submit(kernel, begin, end, *args) for begin, end in pairwise(bounds[1:])]
    first = kernel(bounds[0], bounds[1], *args)  # the caller's thread works too
    return [first, *(future.result() for future in futures)]
