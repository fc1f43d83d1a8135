"""Copies between host and device and on the device, enqueued on a stream."""

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from simulated_gpu.gpu import Queue, gpu
from simulated_gpu.pool import pinned_pool

if TYPE_CHECKING:
    from simulated_gpu.arrays import ndarray


def upload(array: "ndarray", host: np.ndarray, queue: Queue, *, staged: bool) -> None:
    """Copy a C-contiguous host array into a C-contiguous array of the device.

    Pinned memory is read when the device comes to it. Other memory is read now: CuPy's `asarray` stages it in a pinned buffer
    of its own (`staged`), and `set` leaves that to the driver, which may wait for the stream first.
    """
    _refuse_in_capture(queue, "H2D")
    pinned = pinned_pool.holds(host)
    gpu.counters.uploads += 1
    gpu.counters.uploaded_bytes += host.nbytes
    if not pinned:
        gpu.counters.pageable_copies += 1
        if not staged:
            gpu.wait_until(lambda: not queue.items, "cudaMemcpyAsync from pageable memory")
        host = host.copy()
    target, size = array.data.ptr, host.nbytes
    source = host.__array_interface__["data"][0]
    keep = None if pinned else host  # pinned memory belongs to the caller, who must keep it until the copy has run

    def copy(_keep: object = keep) -> None:
        ctypes.memmove(target, source, size)

    gpu.submit(queue, f"upload of {size} bytes", copy)


def download(array: "ndarray", host: np.ndarray, queue: Queue, *, blocking: bool) -> None:
    """Copy a contiguous array of the device into a host array of the same layout. Into pageable memory the host waits."""
    _refuse_in_capture(queue, "D2H")
    pinned = pinned_pool.holds(host)
    gpu.counters.downloads += 1
    gpu.counters.downloaded_bytes += host.nbytes
    gpu.counters.pageable_copies += not pinned
    source, size, target = array.data.ptr, array.nbytes, host.__array_interface__["data"][0]
    gpu.submit(queue, f"download of {size} bytes", lambda: ctypes.memmove(target, source, size))
    if blocking:
        gpu.wait_until(lambda: not queue.items, "a blocking copy to the host")
    elif not pinned:
        gpu.wait_until(lambda: not queue.items, "cudaMemcpyAsync to pageable memory")


def copy_on_device(target: "ndarray", source: "ndarray", queue: Queue) -> None:
    """Copy between arrays of the device, converted and broadcast like an assignment of NumPy."""
    to, of = target.device_view(), source.device_view()
    is_plain = target.dtype == source.dtype and target.shape == source.shape
    gpu.counters.device_copies += 1
    gpu.counters.device_copied_bytes += target.nbytes
    if not (is_plain and target.flags.c_contiguous and source.flags.c_contiguous):
        gpu.counters.launches += 1  # CuPy's elementwise copy
    gpu.submit(queue, f"copy of {target.nbytes} bytes", _assignment(to, of))


def fill(array: "ndarray", value: Any, queue: Queue) -> None:
    """Set all elements to one value."""
    gpu.counters.fills += 1
    gpu.submit(queue, f"fill of {array.nbytes} bytes", _assignment(array.device_view(), array.dtype.type(value)))


def _assignment(to: np.ndarray, of: Any) -> Any:
    def assign() -> None:
        with np.errstate(all="ignore"):
            np.copyto(to, of, casting="unsafe")

    return assign


def _refuse_in_capture(queue: Queue, way: str) -> None:
    if queue.capture is not None:
        queue.capture.error = f"the current stream is capturing, so {way} transfers are disallowed"
        raise RuntimeError(queue.capture.error)
