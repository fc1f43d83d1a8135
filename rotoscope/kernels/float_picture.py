"""Decoded pictures as the pipeline's own (H,W,4) float32, and these at other sizes."""

from typing import Any

import numpy as np

from rotoscope.base.frame import Array, Picture
from rotoscope.kernels.color_in import color_in
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.resize import resize


def coding_of(picture: Picture) -> dict[str, Any]:
    """How the code values of a picture are to be read: the keywords of `color_in`."""
    if picture.planes[0].dtype == np.float32:
        return {}
    return {
        "matrix": picture.colour.matrix,
        "full_range": picture.colour.full_range,
        "depth": picture.depth,
        "siting": picture.siting,
    }


def float_picture(picture: Picture, out: Array | None = None) -> Array:
    """(H,W,4) float32 RGB, nominally [0,1], the fourth channel 0; not clipped."""
    if out is None:
        out = np.empty((picture.height, picture.width, 4), np.float32)
    color_in(picture.planes, out, **coding_of(picture))
    return out


def rgb_picture(picture: Picture) -> Array:
    """(H,W,3) uint8 RGB."""
    out = np.empty((picture.height, picture.width, 3), np.uint8)
    color_out(float_picture(picture), [out])
    return out


def resized(picture: Array, size: tuple[int, int]) -> Array:
    """(H,W,4) float32 at (width, height): area averaging down (no aliasing), bicubic up, as it is where nothing changes."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return np.ascontiguousarray(picture)
    method = "area" if size[0] <= width and size[1] <= height else "bicubic"
    result: Array = resize(np.ascontiguousarray(picture), (size[1], size[0]), method=method)
    return result
