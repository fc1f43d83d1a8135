"""RGB pictures as arrays: the two forms that measures accept, and their conversion to float."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
RGB = NDArray[Any]
"""(H,W,3) RGB: uint8 in 0..255, or float in [0,1]."""


def unit_range(picture: RGB) -> F32:
    """Convert to (H,W,3) float32 in [0,1]; float32 input is returned as it is. Raises ValueError for another shape or dtype."""
    if picture.ndim == 3 and picture.shape[2] == 3:
        if picture.dtype == np.uint8:
            return picture.astype(np.float32) / np.float32(255)
        if np.issubdtype(picture.dtype, np.floating):
            return picture.astype(np.float32, copy=False)
    raise ValueError(f"a picture of {picture.dtype} {picture.shape}; accepted: (H,W,3), uint8 or float in [0,1]")


def same_size(first: RGB, second: RGB) -> None:
    """Raise ValueError unless both pictures have the same shape."""
    if first.shape != second.shape:
        raise ValueError(f"pictures of {first.shape} and {second.shape}; accepted: one shape")
