"""NumPy references for sampling a picture at p + flow(p), in float64: what the fast versions are tested against.

The convention is that of `sampling`: backward, (dx, dy) in pixels, positions clamped to the border.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import layout_of

F64 = NDArray[np.float64]


def to_pixels(picture: NDArray[Any], size: tuple[int, ...] | None = None) -> F64:
    """Return a picture of any layout as (H,W,C) float64; `size` (H,W) decides if two layouts fit."""
    planar = layout_of(picture, size).pixel_stride == 1
    pixels: F64 = (np.moveaxis(picture, 0, 2) if planar else picture).astype(np.float64)
    return pixels


def from_pixels(pixels: F64, like: NDArray[Any], size: tuple[int, ...] | None = None) -> NDArray[Any]:
    """Return (H,W,C) float64 in layout and dtype of `like`; uint8 is rounded to nearest. `size` (H,W) as in `to_pixels`."""
    if like.dtype == np.uint8:
        return np.floor(np.clip(pixels, 0, 255) + 0.5).astype(np.uint8)
    planar = layout_of(like, size).pixel_stride == 1
    return np.ascontiguousarray(np.moveaxis(pixels, 2, 0) if planar else pixels).astype(np.float32)


def sample_reference(pixels: F64, flow: NDArray[Any], sampling: str = "bilinear") -> F64:
    """Sample pixels (H,W,C) float64 at p + flow(p), flow (H,W,2) in pixels; return (H,W,C) float64."""
    height, width = pixels.shape[:2]
    x, y = positions_reference(flow)
    x, y = np.fmin(np.fmax(x, 0), width - 1), np.fmin(np.fmax(y, 0), height - 1)  # fmax ignores NaN
    column = np.minimum(np.floor(x).astype(int), max(width - 2, 0))  # so that the 2x2 nearest pixels lie in the frame
    row = np.minimum(np.floor(y).astype(int), max(height - 2, 0))

    def tap(j: int, i: int) -> F64:
        pixel: F64 = pixels[np.clip(row + j, 0, height - 1), np.clip(column + i, 0, width - 1)]
        return pixel

    x_weights, y_weights = _weights_reference(x - column, sampling), _weights_reference(y - row, sampling)
    first = 0 if sampling == "bilinear" else -1
    total = np.zeros(pixels.shape)
    for j, y_weight in enumerate(y_weights):
        for i, x_weight in enumerate(x_weights):
            total += (y_weight * x_weight)[..., None] * tap(first + j, first + i)
    if sampling == "cubic":
        nearest = np.stack([tap(j, i) for j in (0, 1) for i in (0, 1)])
        total = np.clip(total, nearest.min(0), nearest.max(0))
    return total


def positions_reference(flow: NDArray[Any]) -> tuple[F64, F64]:
    """Return (x, y), each (H,W) float64: the position that the flow of each pixel points to."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]]
    return x + flow[..., 0].astype(np.float64), y + flow[..., 1].astype(np.float64)


def inside_reference(flow: NDArray[Any]) -> NDArray[np.bool_]:
    """Return (H,W) bool: whether the position that the flow points to lies in the frame."""
    (x, y), (height, width) = positions_reference(flow), flow.shape[:2]
    inside: NDArray[np.bool_] = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside


def _weights_reference(t: F64, sampling: str) -> tuple[F64, ...]:
    """Return the weights of the 2 or 4 taps along one axis; t in [0,1] is the distance from the tap before the position."""
    if sampling == "bilinear":
        return 1 - t, t
    return (
        (-t + 2 * t**2 - t**3) / 2,
        (2 - 5 * t**2 + 3 * t**3) / 2,
        (t + 4 * t**2 - 3 * t**3) / 2,
        (-(t**2) + t**3) / 2,
    )
