"""Warping error and temporal loss: how much a result changes between neighbouring frames, motion of the source removed.

Flow and occlusion are those of the source. Flow F_ab lies on the grid of a, in pixels; `warp(picture_b, F_ab)` aligns b to a.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.occlusion import occlusion
from rotoscope.kernels.warp import warp
from rotoscope.metrics.rgb_array import F32, RGB, same_size, unit_range

Mask = NDArray[np.bool_]

PRINTED = 3
"""The papers' formula does not divide by the three channels, their code does: printed value = PRINTED * value of the code."""


def visible(flow_ab: F32, flow_ba: F32) -> Mask:
    """(H,W) bool: pixels of a that b shows too: both flows agree, no motion boundary (see `kernels.occlusion`).

    flow_ab, flow_ba  (H,W,2) float32, pixels
    """
    return np.asarray(occlusion(flow_ab, flow_ba) == 0)


def agreeing(flow: F32, other: F32, within_px: float = 0.5) -> Mask:
    """(H,W) bool: pixels at which two estimates of one flow, (H,W,2), differ by at most `within_px`.

    Where estimators disagree, a warping error measures their errors too; "judge C" of the benchmarks counts only these pixels.
    """
    x, y = cv2.split(np.asarray(flow - other, np.float32))
    return np.asarray(x * x + y * y <= within_px * within_px)


def warping_difference(a: RGB, b: RGB, flow_ab: F32) -> F32:
    """(H,W) float32: squared difference of a and of b aligned to a, averaged over the three channels."""
    difference = _aligned(b, flow_ab, a) - unit_range(a)
    squares = np.einsum("hwc,hwc->hw", difference, difference)  # several times faster than mean(axis=2)
    return np.asarray(squares / np.float32(3))


def warping_error(a: RGB, b: RGB, flow_ab: F32, valid: Mask) -> float:
    """E_warp of two neighbouring result frames a = t, b = t + 1 (Lai et al., ECCV 2018), as the published code computes it.

    Mean squared difference over valid pixels and channels, pictures in [0,1]; lower is steadier. Multiply by `PRINTED` for
    the papers' formula. NaN if no pixel is valid: leave such pairs out when averaging over the pairs of a video.

    valid  (H,W) bool, from `visible` of the source's flows
    """
    return mean_over(warping_difference(a, b, flow_ab), valid)


def temporal_loss(a: RGB, b: RGB, flow_ab: F32, weight: NDArray[np.generic]) -> float:
    """Mean over pixels and channels of |weight * (b aligned to a - a)|, pictures in [0,1]; lower is steadier.

    With a = the current frame, b = the previous frame and weight = `visible` this is the temporal loss of single-frame video
    translation; with weight = `constancy`, Lai et al.'s short-term and long-term loss divided by 100.

    weight  (H,W) bool or float
    """
    difference = np.abs(_aligned(b, flow_ab, a) - unit_range(a))
    return float((difference * weight[..., None]).mean(dtype=np.float64))


def constancy(a: RGB, b: RGB, flow_ab: F32, *, as_printed: bool = False) -> F32:
    """(H,W) float32 in (0,1]: agreement of two source frames along the flow, the weight of Lai et al.'s losses.

    exp(-50 d^2), where d is the sum of the differences over channels, as in the published code. With `as_printed`, d^2 is
    the sum of squared differences, as in the paper.
    """
    difference = unit_range(a) - _aligned(b, flow_ab, a)
    squared = np.square(difference).sum(axis=2) if as_printed else np.square(difference.sum(axis=2))
    return np.asarray(np.exp(-50 * squared), np.float32)


def around_hole(hole_a: Mask, hole_b: Mask, flow_ab: F32) -> Mask:
    """(H,W) bool: pixels of a whose flow starts in the hole of a or ends in that of b; inpainting is scored only there.

    hole_a, hole_b  (H,W) bool, True for pixels that were filled in
    """
    holes = np.ascontiguousarray(hole_b[None], np.float32)
    touches: Mask = warp(holes, flow_ab)[0] > 0
    return hole_a | touches


def mean_over(difference: F32, valid: Mask) -> float:
    """Mean of a difference (H,W) over the pixels where `valid` (H,W) is True; NaN if there are none."""
    return float(difference[valid].mean(dtype=np.float64)) if valid.any() else float("nan")


def _aligned(b: RGB, flow_ab: F32, a: RGB) -> F32:
    same_size(a, b)
    four_channels = cv2.cvtColor(unit_range(b), cv2.COLOR_RGB2RGBA)
    return np.asarray(warp(four_channels, flow_ab)[..., :3])
