"""The threads of a run: a kernel is a serial function over a range of rows, and workers run several ranges at once.

A run owns its `Workers` and makes them current in its own threads (`active`); kernels use the current ones. Nothing is
process-wide, so two runs in one process do not change each other. Where no workers are current, kernels use all usable cores.

Numba's own parallel layer is not used: its work queue aborts the process when two threads enter it at once.
"""

import contextvars
import os
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

MIN_ROWS_PER_THREAD = 32  # below this the hand-over costs more than it saves


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


class Workers:
    """Up to `threads` threads that share the rows of a picture; they start when first needed.

    threads  how many ranges of rows run at once, the caller's own thread included; 1 runs everything on the caller's thread
    Safe to use from several threads at once, and in a forked child, where the threads are started again.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"{threads=}; at least 1 is needed")
        self.threads = threads
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._process = os.getpid()

    @contextmanager
    def active(self) -> Generator[None, None, None]:
        """Make these the workers of all kernels that this thread calls within the block, and of threads that inherit it."""
        before = _current.get()
        try:
            _current.set(self)
            yield
        finally:
            _current.set(before)

    def run(self, kernel: Callable[..., object], num_rows: int, *args: Any) -> list[Any]:
        """Call `kernel(row_begin, row_end, *args)` over [0, num_rows) in parts; return what the calls return, in order.

        Returns only when every part has ended, even if one raises.
        """
        parts = min(self.threads, num_rows // MIN_ROWS_PER_THREAD)
        if parts <= 1:
            return [kernel(0, num_rows, *args)]
        pool = self._started()
        bounds = [num_rows * part // parts for part in range(parts + 1)]
        futures = [pool.submit(kernel, begin, end, *args) for begin, end in pairwise(bounds[1:])]
        try:
            first = kernel(bounds[0], bounds[1], *args)  # the caller's thread works too
        finally:
            wait(futures)  # they write into arrays of the caller
        return [first, *(future.result() for future in futures)]

    def close(self) -> None:
        """End the threads; a later call starts them again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None and self._process == os.getpid():
            pool.shutdown(wait=False)

    def _started(self) -> ThreadPoolExecutor:
        if self._process != os.getpid():  # a fork copies neither the threads nor the state of the lock
            self._lock, self._pool, self._process = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.threads - 1, thread_name_prefix="rotoscope-rows")
            return self._pool


SERIAL = Workers(1)  # for threads that each work on a frame of their own

_default = Workers(usable_cores())
_current: contextvars.ContextVar[Workers] = contextvars.ContextVar("rotoscope_workers", default=_default)


def current_workers() -> Workers:
    """The workers that kernels called by this thread use."""
    return _current.get()


def with_workers(workers: Workers, items: Iterable[T]) -> Generator[T, None, None]:
    """Yield the items while these workers are current; only for a thread that does nothing else, such as `prefetch`'s."""
    with workers.active():
        yield from items


def run_rows(kernel: Callable[..., object], num_rows: int, *args: Any) -> list[Any]:
    """Call `kernel(row_begin, row_end, *args)` over [0, num_rows) on the current workers; return what the calls return."""
    return current_workers().run(kernel, num_rows, *(_plain(value) for value in args))


def _plain(value: Any) -> Any:
    """A read-only array as an ordinary one of the same memory: Numba would compile every kernel a second time for it.

    Kernels write to their outputs alone, and outputs are never read-only.
    """
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        return np.asarray(_Alias(value))
    return value


class _Alias:
    """Names the memory of an array without its read-only flag, and keeps the array alive."""

    def __init__(self, array: Any) -> None:
        self.array = array
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}
