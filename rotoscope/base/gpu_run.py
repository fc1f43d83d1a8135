"""GpuRun: the streams and host buffers of one run on one GPU.

Written against CuPy 14, and run on an H200. The tests run it on a simulated device.
"""

from __future__ import annotations

import importlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rotoscope.base.device import Array, Device

T = TypeVar("T")

CAPTURE_LOCK = threading.Lock()
"""Held while a CUDA graph is captured: only one capture at a time may run in a process."""

SLOTS = 3  # of a run that is to be fast; more gain nothing


class GpuRun:
    """One stream that computes, one that copies to the host, and pinned buffers.

    All work of a run is enqueued by one thread, inside `active()`, on one stream: the order of the calls is the order on the
    GPU, and memory that is freed is used again only by later work.

    slots  frames that may be enqueued before the host waits for the first of them: each is a frame of delay; 0 in a live run
    """

    def __init__(self, device: Device, slots: int = SLOTS) -> None:
        self.device, self.slots = device, slots
        self._cupy = device.cupy()
        with self._cupy.cuda.Device(device.index):
            self.compute = self._cupy.cuda.Stream(non_blocking=True)
            self._to_host = self._cupy.cuda.Stream(non_blocking=True)
        self._pinned = PinnedBuffers()
        self._uploads: deque[tuple[NDArray[Any], Any]] = deque()  # pinned array that is being copied, event of its end

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the device and the computing stream current in this thread."""
        with self._cupy.cuda.Device(self.device.index), self.compute:
            yield

    def upload(self, array: NDArray[Any]) -> Array:
        """Return a copy of a NumPy array on the device; the host does not wait, and may change the array afterwards."""
        while self._uploads and self._uploads[0][1].done:
            self._uploads.popleft()
        pinned = self._pinned.take(array.shape, array.dtype)
        np.copyto(pinned, array)
        placed = self.device.empty(array.shape, array.dtype)
        placed.set(pinned, stream=self.compute)
        self._uploads.append((pinned, self.compute.record(self._event())))
        return placed

    def from_decoder(self, surfaces: Sequence[Array]) -> tuple[Array, ...]:
        """Return copies of the planes of a decoded picture, whose surface may then go back to the decoder.

        The decoder writes on the legacy stream, with which the computing stream is not ordered: it waits for what is decoded,
        and the next picture in the surface waits for the copies.
        """
        legacy = self._cupy.cuda.Stream.null
        self.compute.wait_event(legacy.record(self._event()))
        copies = tuple(self.device.empty(surface.shape, surface.dtype) for surface in surfaces)
        for copy, surface in zip(copies, surfaces, strict=True):
            copy[...] = surface
        legacy.wait_event(self.compute.record(self._event()))
        return copies

    def download(self, *arrays: Array) -> Download:
        """Begin to copy arrays to the host, after everything that is enqueued now; the host does not wait."""
        self._to_host.wait_event(self.compute.record(self._event()))
        copies = tuple(self._pinned.take(array.shape, array.dtype) for array in arrays)
        for array, copy in zip(arrays, copies, strict=True):
            array.get(stream=self._to_host, out=copy, blocking=False)
        return Download(arrays, copies, self._to_host.record(self._event(waited_for=True)))

    def captured(self, work: Callable[[], object]) -> Any:
        """Return a CUDA graph of what a function enqueues on the computing stream, which it must have done once before.

        Nothing of it runs now. Raises CuPy's errors for what cannot be captured, such as an allocation.
        """
        with CAPTURE_LOCK:
            self.compute.begin_capture()
            try:
                work()
            finally:
                graph = self.compute.end_capture()
        return graph

    def reserve(self, arrays: Iterable[Any], count: int) -> None:
        """Allocate pinned memory for `count` copies of these arrays, so that later ones need none."""
        for array in arrays:
            self._pinned.reserve(array.nbytes, count)

    def wait(self) -> None:
        """Wait until everything is done, so that memory may be freed in any order."""
        self.compute.synchronize()
        self._to_host.synchronize()
        self._uploads.clear()

    def _event(self, *, waited_for: bool = False) -> Any:
        """Make an event; one that the host waits for lets its thread sleep meanwhile."""
        return self._cupy.cuda.Event(block=waited_for, disable_timing=True)


class Download:
    """Arrays on their way to the host. The arrays of the device are kept until they have arrived."""

    def __init__(self, arrays: tuple[Array, ...], copies: tuple[NDArray[Any], ...], arrived: Any) -> None:
        self._arrays, self._copies, self._arrived = arrays, copies, arrived

    def wait(self) -> tuple[NDArray[Any], ...]:
        """Wait for the arrays and return them as NumPy arrays."""
        self._arrived.synchronize()
        self._arrays = ()
        return self._copies


class PinnedBuffers:
    """Page-locked host memory, which the GPU copies without the help of the host. Memory of freed arrays is used again."""

    def __init__(self) -> None:
        self._free: dict[int, list[Any]] = {}

    def take(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array with undefined values; its memory comes back when no array refers to it any more."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        free = self._free.setdefault(size, [])
        if not free:
            self.reserve(size, 1)
        return np.asarray(_Lease(free.pop(), free)).view(dtype).reshape(shape)

    def reserve(self, size: int, count: int) -> None:
        """Allocate `count` more buffers of `size` bytes."""
        cupyx = importlib.import_module("cupyx")
        self._free.setdefault(size, []).extend(cupyx.empty_pinned((size,), np.uint8) for _ in range(count))


class _Lease:
    """Lends a buffer to an array and all its views: NumPy keeps this object alive as long as one of them lives."""

    def __init__(self, buffer: NDArray[np.uint8], free: list[Any]) -> None:
        self._buffer, self._free = buffer, free
        self.__array_interface__ = buffer.__array_interface__

    def __del__(self) -> None:
        self._free.append(self._buffer)


def with_gpu(run: GpuRun, items: Iterable[T]) -> Generator[T, None, None]:
    """Yield the items while the run's stream is current; only for a thread that does nothing else, such as `prefetch`'s."""
    with run.active():
        try:
            yield from items
        finally:
            run.wait()
