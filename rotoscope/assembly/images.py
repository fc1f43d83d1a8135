"""Pictures as callers have them, NumPy arrays or CPU tensors, as pictures of the pipeline and back."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.errors import UsageError
from rotoscope.base.manifest import Manifest
from rotoscope.base.sizes import Size
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.float_picture import resized

U8 = NDArray[np.uint8]
ACCEPTED = "accepted: (H,W,3) uint8 RGB, a NumPy array or a torch tensor on the CPU"


def image_array(image: Any) -> U8:
    """The image as a C-contiguous array of its own, (H,W,3) uint8 RGB; raises UsageError for anything else."""
    array = _array(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise UsageError(f"an image of {array.dtype} {array.shape}; {ACCEPTED}")
    return np.array(array, order="C")


def mask_array(mask: Any, image: U8, manifest: Manifest) -> NDArray[np.bool_] | None:
    """The mask of an image as an array of its own, (H,W) bool; None for None.

    Raises UsageError for a mask of another size, and for a mask or its absence that the model does not accept.
    """
    if manifest.mask is None and mask is not None:
        raise UsageError(f"mask: {manifest.name} takes none")
    if manifest.mask is not None and mask is None:
        raise UsageError(f"{manifest.name} fills holes; mask says where: (H,W) bool, True in the hole")
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.dtype != np.bool_ or array.shape != image.shape[:2]:
        raise UsageError(
            f"a mask of {array.dtype} {array.shape}; accepted: bool {image.shape[:2]}, as large as the image"
        )
    return np.array(array, order="C")


def like(image: Any) -> Callable[[U8], Any]:
    """Turns result arrays into the kind of the image: torch tensors for a torch tensor, otherwise the arrays themselves."""
    if type(image).__module__.split(".")[0] == "torch":
        from_array: Callable[[U8], Any] = sys.modules["torch"].from_dlpack
        return from_array
    return lambda array: array


def rgb_image(pixels: Any, size: Size) -> Any:
    """A float picture (H,W,4) as (H',W',3) uint8 RGB of `size` (width, height), on its device."""
    pixels = resized(pixels, size)
    out = np.empty_like(pixels, dtype=np.uint8, shape=(*pixels.shape[:2], 3))
    color_out(pixels, [out])
    return out


def _array(image: Any) -> NDArray[Any]:
    if isinstance(image, np.ndarray):
        return image
    if not hasattr(image, "__dlpack__"):
        raise UsageError(f"an image of type {type(image).__name__}; {ACCEPTED}")
    try:
        return np.from_dlpack(image)
    except Exception as error:  # of another device, with gradients, of a dtype that NumPy does not have
        raise UsageError(
            f"an image of type {type(image).__name__} that NumPy cannot read ({error}); {ACCEPTED}"
        ) from error
