"""Pictures with straight alpha: laid over black, or colours and opacity side by side."""

import numpy as np

from rotoscope.base.frame import Array, Colour, Picture

OVER_BLACK = "transparency is laid over black"


def rgba_picture(rgba: Array, depth: int, colour: Colour, *, keep_alpha: bool) -> Picture:
    """A picture of (H,W,4) straight RGBA, uint8 or uint16.

    keep_alpha  colours stay as they are, and the picture carries its alpha; False lays them over black, rounded
    """
    if keep_alpha:
        return Picture((np.ascontiguousarray(rgba[..., :3]),), colour, depth, alpha=np.ascontiguousarray(rgba[..., 3]))
    top = (1 << depth) - 1
    flat = (rgba[..., :3].astype(np.uint64) * rgba[..., 3:] + top // 2) // top
    return Picture((flat.astype(rgba.dtype),), colour, depth)
