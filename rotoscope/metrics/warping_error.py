"""Warping error and temporal loss: how much a video changes where its source, followed along the motion, does not.

Flow and occlusion come from the unprocessed source. As `warp` has it, flow F_ab lies on the grid of a, and
`warp(picture_b, F_ab)` aligns b to a.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.occlusion import occlusion
from rotoscope.kernels.warp import warp
from rotoscope.metrics.pictures import F32, RGB, same_size, unit_range

Mask = NDArray[np.bool_]

PRINTED = 3
"""The papers print the warping error without dividing by the three channels: this times the value of their code."""


def visible(flow_ab: F32, flow_ba: F32) -> Mask:
    """(H,W) bool: pixels of a that b shows too, away from motion boundaries (see `kernels.occlusion`).

    flow_ab, flow_ba  (H,W,2) float32, pixels
    """
    return np.asarray(occlusion(flow_ab, flow_ba) == 0)


def warping_difference(a: RGB, b: RGB, flow_ab: F32) -> F32:
    """(H,W) float32: squared difference of a and of b aligned to a, averaged over the three channels."""
    difference = _aligned(b, flow_ab, a) - unit_range(a)
    squares = np.einsum("hwc,hwc->hw", difference, difference)  # several times faster than a mean over the short axis
    return np.asarray(squares / np.float32(3))


def warping_error(a: RGB, b: RGB, flow_ab: F32, valid: Mask) -> float:
    """E_warp of a pair of result frames a = t, b = t + 1 (Lai et al., ECCV 2018), as the published code computes it.

    The mean over valid pixels and channels of the squared difference, pictures in [0,1]; times `PRINTED` it is the formula
    of the papers. A video's value is the mean over its pairs, and a data set's the mean over its videos. NaN, which such
    a mean should skip, where no pixel is valid.

    valid  (H,W) bool, from `visible` of the source's flows
    """
    return mean_over(warping_difference(a, b, flow_ab), valid)


def temporal_loss(a: RGB, b: RGB, flow_ab: F32, weight: NDArray[np.generic]) -> float:
    """Mean over pixels and channels of |weight * (b aligned to a - a)|, pictures in [0,1].

    With a = the current and b = the previous frame this is the temporal loss by which single-frame video translation is
    scored (weight: `visible`) and Lai et al.'s short-term and long-term loss before its factor of 100 (weight: `constancy`).

    weight  (H,W) bool or float
    """
    difference = np.abs(_aligned(b, flow_ab, a) - unit_range(a))
    return float((difference * weight[..., None]).mean(dtype=np.float64))


def constancy(a: RGB, b: RGB, flow_ab: F32, *, as_printed: bool = False) -> F32:
    """(H,W) float32 in (0,1]: how well two source frames agree along the flow, the weight of Lai et al.'s losses.

    exp(-50 d^2) where d is the sum over channels of the difference, as the published code computes it, or, with
    `as_printed`, d^2 the sum of squared differences, as the paper has it.
    """
    difference = unit_range(a) - _aligned(b, flow_ab, a)
    squared = np.square(difference).sum(axis=2) if as_printed else np.square(difference.sum(axis=2))
    return np.asarray(np.exp(-50 * squared), np.float32)


def around_hole(hole_a: Mask, hole_b: Mask, flow_ab: F32) -> Mask:
    """(H,W) bool: pixels of a whose flow starts in the hole or touches that of b; inpainting is scored there alone.

    hole_a, hole_b  (H,W) bool, True where pixels were filled in
    """
    holes = np.ascontiguousarray(hole_b[None], np.float32)
    touches: Mask = warp(holes, flow_ab)[0] > 0
    return hole_a | touches


def mean_over(difference: F32, valid: Mask) -> float:
    """Mean of a difference (H,W) over valid pixels; NaN where there is none."""
    return float(difference[valid].mean(dtype=np.float64)) if valid.any() else float("nan")


def _aligned(b: RGB, flow_ab: F32, a: RGB) -> F32:
    same_size(a, b)
    four_channels = cv2.cvtColor(unit_range(b), cv2.COLOR_RGB2RGBA)
    return np.asarray(warp(four_channels, flow_ab)[..., :3])
