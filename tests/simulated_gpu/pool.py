"""Memory as CuPy keeps it: freed device memory goes to the pool of its stream at once, pinned memory to a pool of its own."""

import ctypes
import weakref
from collections import defaultdict
from typing import Any

import numpy as np

from simulated_gpu.gpu import CUDARuntimeError, gpu
from simulated_gpu.memory import POISON, rounded
from simulated_gpu.streams import get_current_stream


class OutOfMemoryError(MemoryError):
    """The device is full."""


class Memory:
    """Device memory of one allocation; it goes back to the pool when nothing refers to it any more."""

    def __init__(self, pool: "MemoryPool", size: int) -> None:
        queue = get_current_stream().queue
        self.size = rounded(size)
        self.device_id = 0
        self._key = (gpu.generation, queue.key, self.size)
        self._free = pool.free
        with gpu.lock:
            if pool.free[self._key]:
                address, freed = pool.free[self._key].pop()
                gpu.counters.pool_hits += 1
                self.ptr, count = address, self.size
                # What the stream was given before the memory was freed may still use it.
                gpu.submit_behind(queue, freed, "poison", lambda: ctypes.memset(address, POISON, count))
            else:
                gpu.refuse_in_capture("cudaMalloc (the pool of the stream has no memory of this size)")
                try:
                    self.ptr = gpu.memory.allocate(self.size)
                except MemoryError as error:
                    raise OutOfMemoryError(*error.args) from error
                gpu.counters.pool_misses += 1

    def __del__(self) -> None:
        # As with CuPy, the host decides: work that still uses the memory may not have run.
        if hasattr(self, "ptr"):
            self._free[self._key].append((self.ptr, gpu.last_order))


class UnownedMemory:
    """Device memory that another library owns; `owner` keeps it alive."""

    def __init__(self, ptr: int, size: int, owner: object, device_id: int = 0) -> None:
        self.ptr, self.size, self.owner, self.device_id = ptr, size, owner, device_id


class MemoryPointer:
    """An address inside an allocation, which it keeps alive."""

    def __init__(self, mem: Any, offset: int) -> None:
        self.mem = mem
        self.ptr = mem.ptr + offset
        self.device_id = 0

    def __int__(self) -> int:
        return int(self.ptr)

    def __add__(self, offset: int) -> "MemoryPointer":
        return MemoryPointer(self.mem, self.ptr - self.mem.ptr + offset)

    def __sub__(self, offset: int) -> "MemoryPointer":
        return self + -offset


class MemoryPool:
    """Free device memory by stream and size."""

    def __init__(self) -> None:
        # By (generation, stream, size): (address, order of the last work that was enqueued before it was freed).
        self.free: dict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)

    def malloc(self, size: int) -> MemoryPointer:
        """Allocate for the current stream."""
        return MemoryPointer(Memory(self, size), 0)

    def free_bytes(self) -> int:
        """Return the bytes that the pool holds and nothing uses."""
        return sum(
            size * len(held) for (generation, _, size), held in self.free.items() if generation == gpu.generation
        )

    def free_all_blocks(self, stream: Any = None) -> None:
        """Give unused memory back to the device, which waits for its work first (cudaFree)."""
        with gpu.lock:
            gpu.wait_for_all("cudaFree")
            for (generation, _, _), held in self.free.items():
                while held and generation == gpu.generation:
                    gpu.memory.release(held.pop()[0])

    def n_free_blocks(self) -> int:
        """Return the number of free blocks."""
        return sum(len(held) for (generation, _, _), held in self.free.items() if generation == gpu.generation)


class PinnedMemory:
    """Pinned host memory by size. Freed memory is given out again at once, whatever copies still use it."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin with an empty pool."""
        self._free: dict[int, list[np.ndarray]] = defaultdict(list)
        self._live: dict[int, int] = {}

    def allocate(self, size: int) -> Any:
        """Return a buffer of at least `size` bytes, poisoned."""
        gpu.refuse_in_capture("cudaHostAlloc")
        room = max(512, 1 << max(size - 1, 1).bit_length())
        free, live = self._free[room], self._live
        if free:
            backing = free.pop()
            gpu.counters.pinned_hits += 1
        else:
            backing = np.empty(room, np.uint8)
            gpu.counters.pinned_misses += 1
        backing[:] = POISON
        buffer = (ctypes.c_ubyte * max(size, 1)).from_buffer(backing)
        address = ctypes.addressof(buffer)
        live[address] = room

        def give_back() -> None:
            live.pop(address, None)
            free.append(backing)

        weakref.finalize(buffer, give_back).atexit = False
        return buffer

    def holds(self, array: np.ndarray) -> bool:
        """Whether the memory of a host array is pinned."""
        address = array.__array_interface__["data"][0]
        return any(
            first <= address and address + array.nbytes <= first + size for first, size in list(self._live.items())
        )


device_pool = MemoryPool()
pinned_pool = PinnedMemory()


def check_address(address: int) -> None:
    """Raise CUDARuntimeError for an address outside the device."""
    if not gpu.memory.holds(address):
        raise CUDARuntimeError(f"cudaErrorInvalidValue: {address:#x} is not an address of the device")
