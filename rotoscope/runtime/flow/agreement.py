"""What tells whether a flow is right: that its way back leads home, and that both pictures look alike along it."""

import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

RELATIVE = 0.01  # of the squared lengths of a flow and its way back, as in `kernels.occlusion`


def along(b: F32, flow: F32) -> F32:
    """`b` aligned to the grid of the flow, like `kernels.warp`, for pictures of one or two channels."""
    remap: Any = cv2.remap  # its annotations do not know that one map may hold both coordinates
    positions = cv2.add(flow, pixel_positions(*flow.shape[:2]))
    return np.asarray(remap(b, positions, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


@functools.lru_cache(maxsize=4)
def pixel_positions(height: int, width: int) -> F32:
    """(H,W,2): x and y of every pixel."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x, y], axis=2)


def round_trip(flow_ab: F32, flow_ba: F32, tolerance_px2: float) -> F32:
    """(H,W): |f + g|^2 / (0.01 (|f|^2 + |g|^2) + tolerance), f = flow_ab, g = flow_ba where f leads; above 1 they disagree."""
    back = along(flow_ba, flow_ab)
    return np.asarray(squared(flow_ab + back) / (RELATIVE * (squared(flow_ab) + squared(back)) + tolerance_px2))


def squared(vectors: F32) -> F32:
    """(H,W): squared lengths."""
    x, y = vectors[..., 0], vectors[..., 1]
    return np.asarray(x * x + y * y)
