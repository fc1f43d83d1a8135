"""A case: one kernel in one form, with its inputs, its reference in NumPy, and the bytes that it has to move."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

F32, HALF = np.float32, np.float16


@dataclass
class Work:
    """One call of a kernel.

    given      inputs on the host, by name; lists stand for several arrays
    out        outputs on the host, by name: shapes and dtypes
    run        enqueues the call; it takes a namespace of all arrays, on the device, and `scratch`
    reference  the expected outputs by name, from the inputs on the host
    scratch    makes the scratch arrays from the namespace
    limit      largest difference that is rounding
    share      part of the values that may differ by more, where a choice is close
    """

    given: dict[str, Any]
    out: dict[str, Any]
    run: Callable[[SimpleNamespace], object]
    reference: Callable[[SimpleNamespace], Mapping[str, Any]]
    scratch: Callable[[SimpleNamespace], Any] = field(default=lambda _arrays: None)
    limit: float = 1e-4
    share: float = 1e-4

    @property
    def num_bytes(self) -> int:
        """Bytes of every input and output, once."""
        return sum(map(nbytes, (*self.given.values(), *self.out.values())))


@dataclass(frozen=True)
class Case:
    """A kernel in one form.

    make                gives its work for a `Material`
    bytes_per_pixel     that its module's docstring counts; None: every input and output once, as one pass moves them
    is_bandwidth_bound  False for kernels that are bound by arithmetic, gathers or atomics: they have no goal
    """

    name: str
    make: Callable[["Material"], Work]
    bytes_per_pixel: float | None = None
    is_bandwidth_bound: bool = True
    smallest_side: int = 1

    def counted_bytes(self, work: Work, pixels: int) -> float:
        return work.num_bytes if self.bytes_per_pixel is None else self.bytes_per_pixel * pixels


class Material:
    """Random inputs of one size; `wild` flows also leave the picture and hold NaN and infinity."""

    def __init__(self, height: int, width: int, *, wild: bool) -> None:
        self.size, self.wild = (height, width), wild
        self._random = np.random.default_rng(0)

    def picture(self) -> Any:
        picture = self._random.random((*self.size, 4), F32)
        picture[..., 3] = 0
        return picture

    def planar(self, channels: int = 3) -> Any:
        return self._random.random((channels, *self.size), F32)

    def plane(self, top: float = 1.0) -> Any:
        return self._random.random(self.size, F32) * F32(top)

    def mask(self) -> Any:
        return self._random.integers(0, 2, self.size, np.uint8)

    def luma(self) -> tuple[Any, Any]:
        """Two pictures 0 to 255 of one smooth pattern, the second moved by (1.5, -0.75) pixels."""
        y, x = np.mgrid[: self.size[0], : self.size[1]].astype(F32)

        def seen(right: float, down: float) -> Any:
            return (
                128 + 50 * np.sin((x - right) / 5) * np.cos((y - down) / 7) + 40 * np.sin((x - right + y - down) / 23)
            )

        return seen(0, 0).astype(F32), seen(1.5, -0.75).astype(F32)

    def flow(self, dtype: Any = F32) -> Any:
        y, x = np.ogrid[: self.size[0], : self.size[1]]
        phase = self._random.uniform(0, 6, 2)
        smooth = [8 * np.sin(x / 100 + phase[0]) + 0 * y, 5 * np.cos(y / 90 + phase[1]) + 0 * x]
        flow = np.stack(smooth, -1).astype(F32) + self._random.random((*self.size, 2), F32)
        if self.wild:
            far = self._random.random(self.size) < 0.1
            strange = np.array([np.nan, np.inf, -np.inf, 1e4, -6e4], F32)
            flow[far] = self._random.choice(strange, (int(far.sum()), 2))
        return flow.astype(dtype)

    def codes(self, depth: int = 8) -> tuple[Any, Any]:
        """NV12, or P010 with depth 16: luma (H,W) and chroma (h,w,2)."""
        height, width = self.size
        dtype = np.uint8 if depth == 8 else np.uint16
        small = ((height + 1) // 2, (width + 1) // 2, 2)
        top = 1 << depth
        return self._random.integers(0, top, self.size, dtype), self._random.integers(0, top, small, dtype)


def like(array: Any, *shape: int, dtype: Any = None) -> Any:
    return np.zeros(shape or array.shape, dtype or array.dtype)


def nbytes(arrays: Any) -> int:
    return sum(map(nbytes, arrays)) if isinstance(arrays, (list, tuple)) else int(arrays.nbytes)


def on_device(work: Work) -> SimpleNamespace:
    """Return all arrays of a call on the device, with their scratch."""
    import cupy

    def placed(arrays: Any) -> Any:
        return [placed(array) for array in arrays] if isinstance(arrays, list) else cupy.asarray(arrays)

    arrays = SimpleNamespace(**{name: placed(array) for name, array in {**work.given, **work.out}.items()})
    arrays.scratch = work.scratch(arrays)
    return arrays
