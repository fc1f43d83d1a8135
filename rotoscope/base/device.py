"""Device: where arrays live and kernels run, "cpu" or "cuda:0".

The CUDA half is written against CuPy 14, and ran on an H200; the tests run it on a simulated device.
"""

import importlib
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rotoscope.base.errors import UsageError

Array = Any  # a numpy.ndarray on "cpu", a cupy.ndarray on "cuda:N"

ACCEPTED = "cpu, cuda (the same as cuda:0), cuda:1 ..."


@dataclass(frozen=True)
class Device:
    """The CPU or one GPU. Two devices are equal if they are the same place; `str` gives "cpu" or "cuda:0"."""

    kind: Literal["cpu", "cuda"] = "cpu"
    index: int = 0

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"

    @classmethod
    def named(cls, text: str) -> "Device | None":
        """Return the device with this name: "cpu", "cuda" (the same as "cuda:0") or "cuda:N". Return None for other names."""
        if text == "cpu":
            return CPU
        match = re.fullmatch(r"cuda(?::([0-9]{1,3}))?", text)
        return None if match is None else cls("cuda", int(match[1] or 0))

    @classmethod
    def parse(cls, text: str) -> "Device":
        """Return the device with this name; raise UsageError for a name that `named` does not know."""
        device = cls.named(text)
        if device is None:
            raise UsageError(f"--device {text}; accepted: {ACCEPTED}")
        return device

    def holds(self, array: Array) -> bool:
        """Whether the array is a NumPy array (on the CPU) or a CuPy array (on CUDA)."""
        return isinstance(array, np.ndarray) == (self.kind == "cpu")

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Allocate an array on this device; its values are undefined."""
        if self.kind == "cpu":
            return np.empty(shape, dtype)
        cupy = self.cupy()
        with cupy.cuda.Device(self.index):
            return cupy.empty(shape, dtype)

    def asarray(self, host_array: NDArray[Any]) -> Array:
        """Return a NumPy array on this device: the array itself on the CPU, a copy on CUDA."""
        if self.kind == "cpu":
            return host_array
        cupy = self.cupy()
        with cupy.cuda.Device(self.index):
            return cupy.asarray(host_array)

    def to_host(self, array: Array) -> NDArray[Any]:
        """Return an array as a NumPy array: itself if it is one, else a copy, for which the host waits."""
        return array if isinstance(array, np.ndarray) else np.asarray(array.get())

    def cupy(self) -> Any:
        """Import CuPy, which only a CUDA device needs; raise UsageError if it is not installed."""
        try:
            return importlib.import_module("cupy")
        except ModuleNotFoundError as error:
            raise UsageError(f'--device {self} needs CuPy: pip install ".[cuda]"') from error


CPU = Device()
FIRST_GPU = Device("cuda")
