"""Convert a decoded `Picture` to the pipeline's (H,W,4) float32 RGB or to uint8 RGB, and resize float pictures.

Arrays are made where the picture's are: NumPy or CuPy.
"""

from typing import Any

import numpy as np

from rotoscope.base.frame import Array, Picture
from rotoscope.kernels.arrays import contiguous
from rotoscope.kernels.color_in import color_in
from rotoscope.kernels.color_out import color_out
from rotoscope.kernels.resize import resize


def coding_of(picture: Picture) -> dict[str, Any]:
    """Return the keywords of `color_in` for the code values of a picture; {} if it is float already."""
    if picture.planes[0].dtype == np.float32:
        return {}
    return {
        "matrix": picture.colour.matrix,
        "full_range": picture.colour.full_range,
        "depth": picture.depth,
        "siting": picture.siting,
    }


def float_picture(picture: Picture, out: Array | None = None) -> Array:
    """Return a picture as (H,W,4) float32: RGB, nominally [0,1], not clipped, and 0.

    out  (H,W,4) float32 to write to; a new array if None
    """
    if out is None:
        out = np.empty_like(picture.planes[0], dtype=np.float32, shape=(picture.height, picture.width, 4), order="C")
    color_in(picture.planes, out, **coding_of(picture))
    return out


def rgb_picture(picture: Picture) -> Array:
    """Return a picture as (H,W,3) uint8 RGB."""
    out = np.empty_like(picture.planes[0], dtype=np.uint8, shape=(picture.height, picture.width, 3), order="C")
    color_out(float_picture(picture), [out])
    return out


def resized(picture: Array, size: tuple[int, int], method: str | None = None) -> Array:
    """Resize (H,W,4) float32 to `size` (width, height) in pixels; the same size gives the picture back.

    method  of `kernels.resize`; None: shrinking uses area averages (no aliasing), enlarging in either direction bicubic
    """
    height, width = picture.shape[:2]
    if (width, height) == size:
        same: Array = contiguous(picture)
        return same
    method = method or ("area" if size[0] <= width and size[1] <= height else "bicubic")
    result: Array = resize(contiguous(picture), (size[1], size[0]), method=method)
    return result
