"""Device memory: one mapping that the host may not touch. It is opened only while work of the device runs."""

import ctypes
import mmap
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

SIZE = 1 << 32  # bytes of address space; pages that are never touched cost nothing
ALIGNMENT = 512  # of cudaMalloc and of CuPy's pool
GAP = 512  # bytes behind each allocation that nothing may write to
POISON = 0xFF  # NaN in every float format

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class DeviceMemory:
    """The memory of the device: `allocate` is its cudaMalloc."""

    def __init__(self) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
        self._mapping = mmap.mmap(-1, SIZE, flags=flags)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._mapping))
        self._open = 0
        self.used = 0
        self._highest = 0
        self._free: dict[int, list[int]] = defaultdict(list)
        self._sizes: dict[int, int] = {}
        self._protect(mmap.PROT_READ | mmap.PROT_WRITE)
        self._protect(0)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let this process read and write device memory: work of the device runs."""
        self._open += 1
        if self._open == 1:
            self._protect(mmap.PROT_READ | mmap.PROT_WRITE)
        try:
            yield
        finally:
            self._open -= 1
            if self._open == 0:
                self._protect(0)

    def allocate(self, size: int) -> int:
        """Return the address of `size` bytes, poisoned; raise MemoryError if the device is full."""
        size = rounded(size)
        if self._free[size]:
            address = self._free[size].pop()
            with self.opened():
                ctypes.memset(address, POISON, size)
            return address
        if self.used + size + GAP > SIZE:
            raise MemoryError(f"simulated device: {size} bytes asked for, {SIZE - self.used} left")
        address = self._base + self.used
        self.used += size + GAP
        self._sizes[address] = size
        if self.used > self._highest:
            with self.opened():
                ctypes.memset(address, POISON, size + GAP)
            self._highest = self.used
        return address

    def release(self, address: int) -> None:
        """Take memory back."""
        self._free[self._sizes[address]].append(address)

    def view(self, address: int, shape: tuple[int, ...], dtype: np.dtype, strides: tuple[int, ...]) -> np.ndarray:
        """Return a NumPy array over device memory: its values are readable only inside `opened`."""
        return np.ndarray(shape, dtype, self._mapping, address - self._base, strides)

    def address_of(self, view: np.ndarray) -> int:
        """Return the device address of the first element of a view."""
        return int(view.__array_interface__["data"][0])

    def holds(self, address: int) -> bool:
        """Whether an address is one of the device."""
        return self._base <= address < self._base + SIZE

    def allocation_of(self, address: int) -> tuple[int, int] | None:
        """Return (first address, bytes) of the allocation that holds an address; None if there is none."""
        for first, size in self._sizes.items():
            if first <= address < first + size:
                return first, size
        return None

    def overruns(self) -> list[int]:
        """Return the sizes of the allocations behind whose end something wrote."""
        changed = []
        with self.opened():
            for address, size in self._sizes.items():
                gap = self.view(address + size, (GAP,), np.dtype(np.uint8), (1,))
                if (gap != POISON).any():
                    changed.append(size)
        return changed

    def scrub(self) -> None:
        """Forget all allocations and poison what was used."""
        with self.opened():
            ctypes.memset(self._base, POISON, self._highest)
        self.used = 0
        self._free.clear()
        self._sizes.clear()

    def _protect(self, rights: int) -> None:
        # Pages that were never used stay closed.
        size = SIZE if self._highest == 0 and rights == 0 else -(-max(self.used, self._highest, 1) // 4096) * 4096
        if _libc.mprotect(self._base, size, rights) != 0:
            raise OSError(ctypes.get_errno(), "mprotect of the simulated device's memory failed")


def rounded(size: int) -> int:
    """Round bytes up to the granularity of allocations."""
    return -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
