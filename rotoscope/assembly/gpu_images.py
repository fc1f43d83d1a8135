"""Images that callers have on a GPU: CuPy arrays, or arrays of other libraries that speak DLPack. No pixel goes to the host.

The caller's work and ours are on different streams; events order them, and the host does not wait. PyTorch's tensors belong to
its current stream, CuPy's arrays to its own, and those of other libraries to the legacy stream.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from rotoscope.base.device import CPU, Array, Device
from rotoscope.base.errors import UsageError
from rotoscope.base.gpu_run import GpuRun
from rotoscope.base.manifest import Manifest
from rotoscope.kernels.arrays import from_dlpack

CUDA = 2  # kDLCUDA of DLPack
ACCEPTED = "accepted: (H,W,3) uint8 RGB"


def device_of_image(image: Any) -> Device:
    """Return where an image lies: a GPU if DLPack says so, else the CPU."""
    ask = getattr(image, "__dlpack_device__", None)
    if ask is None or isinstance(image, np.ndarray):
        return CPU
    kind, index = ask()
    return Device("cuda", int(index)) if int(kind) == CUDA else CPU


class GpuImages:
    """Takes images of callers into a run on a GPU, and gives results to them."""

    def __init__(self, run: GpuRun) -> None:
        self._run = run

    def taken(self, image: Any) -> Array:
        """Return a copy on the run's stream, (H,W,3) uint8; raise UsageError for other images.

        It is made after what the caller has enqueued so far; what the caller enqueues later may overwrite the image.
        """
        return self._copied(image, "an image", lambda a: a.dtype == np.uint8 and a.ndim == 3 and a.shape[2] == 3)

    def mask(self, mask: Any, image: Array, manifest: Manifest) -> Array | None:
        """Return a copy of a mask, (H,W) bool of the image's size, on the GPU; it may be a NumPy array. None for None.

        Raises UsageError for other masks, and for a mask or its absence that the model does not accept.
        """
        if (manifest.mask is None) != (mask is None):
            what = "takes none" if mask is not None else "fills holes; mask says where: (H,W) bool, True in the hole"
            raise UsageError(f"mask: {manifest.name} {what}")
        if mask is None:
            return None
        size = image.shape[:2]
        if isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == size:
            return self._run.upload(mask)
        if device_of_image(mask) != self._run.device:
            raise UsageError(f"a mask of {type(mask).__name__}; accepted: bool {size}, on {self._run.device} or NumPy")
        return self._copied(mask, "a mask", lambda a: a.dtype == np.bool_ and a.shape == size)

    def given(self, kind: Callable[[Array], Any], result: Array, image: Any) -> Any:
        """Return a copy of a result as the caller's kind of array; what the caller enqueues now comes after it is made.

        Its memory belongs to the caller's stream: freed there, it is used again only after the caller's work on it.
        """
        with self._current_device():
            caller = self._callers_stream(image)
            with caller:
                own = self._run.device.empty(result.shape, result.dtype)
            self._run.compute.wait_event(caller.record())
            with self._run.active():
                own[...] = result
            caller.wait_event(self._run.compute.record())
            return kind(own)

    def _copied(self, image: Any, what: str, fits: Callable[[Array], bool]) -> Array:
        with self._current_device():
            caller = self._callers_stream(image)
            array = image if _library(image) == "cupy" else from_dlpack(image)
            if 0 in array.shape or not fits(array):
                accepted = ACCEPTED if what == "an image" else "accepted: bool, as large as the image"
                raise UsageError(f"{what} of {array.dtype} {array.shape}; {accepted}")
            self._run.compute.wait_event(caller.record())
            with self._run.active():
                copy = self._run.device.empty(array.shape, array.dtype)
                copy[...] = array
                caller.wait_event(self._run.compute.record())
            return copy

    def _current_device(self) -> Any:
        return self._run.device.cupy().cuda.Device(self._run.device.index)

    def _callers_stream(self, image: Any) -> Any:
        """Return the stream on which the caller's library works."""
        cuda = self._run.device.cupy().cuda
        library = _library(image)
        if library == "cupy":
            return cuda.get_current_stream()
        if library == "torch":
            address = sys.modules["torch"].cuda.current_stream(self._run.device.index).cuda_stream
            return cuda.ExternalStream(address) if address else cuda.Stream.null
        return cuda.Stream.null


def kind_of(image: Any) -> Callable[[Array], Any]:
    """Return what turns a CuPy array into the kind of an image, without a copy: `from_dlpack` of its library, if it has one."""
    library = _library(image)
    from_array = None if library == "cupy" else getattr(sys.modules.get(library), "from_dlpack", None)
    return from_array or (lambda array: array)


def _library(image: Any) -> str:
    return type(image).__module__.split(".")[0]
