"""What tells whether a flow is right: that its way back leads home, and that both pictures look alike along it."""

import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

RELATIVE = 0.01  # of the squared lengths of a flow and its way back, as in `kernels.occlusion`


def targets(flow: F32) -> F32:
    """(H,W,2): x and y of where every pixel's flow leads."""
    return np.asarray(cv2.add(flow, pixel_positions(*flow.shape[:2])), np.float32)


def sampled(picture: F32, places: F32) -> F32:
    """A picture of one or two channels, read at `places`; at the targets of a flow that aligns it, like `kernels.warp`."""
    remap: Any = cv2.remap  # its annotations do not know that one map may hold both coordinates
    return np.asarray(remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


@functools.lru_cache(maxsize=4)
def pixel_positions(height: int, width: int) -> F32:
    """(H,W,2): x and y of every pixel."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x, y], axis=2)


def round_trip(flow: F32, back: F32, tolerance_px2: float) -> F32:
    """(H,W): |f + g|^2 / (0.01 (|f|^2 + |g|^2) + tolerance); above 1 they disagree.

    f = flow, g = back: the way back, read where the flow leads
    """
    allowed = squared(flow)
    allowed += squared(back)
    allowed *= RELATIVE
    allowed += tolerance_px2
    gap = squared(np.asarray(cv2.add(flow, back), np.float32))
    return np.divide(gap, allowed, out=gap)


def squared(vectors: F32) -> F32:
    """(H,W): squared lengths."""
    squares = vectors * vectors  # before the axes are taken apart: half as many strided reads
    return np.asarray(squares[..., 0] + squares[..., 1])
