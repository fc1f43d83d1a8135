"""How reliable a flow is: forward-backward check, difference of the pictures along it, and places that stand still."""

import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

RELATIVE = 0.01  # of the squared lengths of both flows, as in `kernels.occlusion`

# Trust.
FORWARD_BACKWARD_PX2 = 1.0
DIFFERENCE_LEVELS = 15.0  # of 255
ALIKE_LEVELS = 4.0  # differences far below this are trusted whatever the check of the flows says
NEIGHBOURHOOD_PX = 2.0  # standard deviation of the Gaussian that averages differences

# Still places.
WINDOW_PX = 9
STILL_FORWARD_BACKWARD_PX2 = 0.25
UNRELIABLE_PX = 5  # pixels this near to one that fails the check count as failed
# A window is still if its difference without motion is at most this factor times that along the flow, plus these levels of 255.
UNRELIABLE_RATIO, UNRELIABLE_LEVELS = 1.2, 1.0  # where the flow fails the check
RELIABLE_RATIO, RELIABLE_LEVELS = 1.05, 0.1  # where it passes
BRIGHTER_LEVELS = 6.0  # change of light allowed where nothing moves
VOTERS_PX = 5  # a place is still if most places around it are
EDGE_PX = 2.0  # standard deviation of the soft edge between still and moving places


def trust(a: F32, b: F32, flow_ab: F32, flow_ba: F32) -> tuple[F32, float]:
    """(trust (H,W) float32 in [0,1], mean absolute difference of the lumas along the flow in levels).

    trust = max(exp(-forward-backward error) exp(-(difference / 15 levels)^2), exp(-(difference / 4 levels)^2)), the
    difference averaged by a Gaussian of 2 px; 0 where the flow leaves the picture.

    The second term is for places such as leaves and crowds, where both flows lead to pixels that look the same but not back to
    the start. Mixing two such places is no worse than not mixing them.

    a, b              (H,W) float32 luma, 0 to 255
    flow_ab, flow_ba  (H,W,2) float32, pixels
    """
    height, width = a.shape
    places = targets(flow_ab)
    difference = np.asarray(cv2.absdiff(a, sampled(b, places)), np.float32)
    nearby = np.asarray(cv2.GaussianBlur(difference, (0, 0), NEIGHBOURHOOD_PX), np.float32)
    nearby *= nearby
    doubt = forward_backward_error(flow_ab, sampled(flow_ba, places), FORWARD_BACKWARD_PX2)
    cv2.scaleAdd(nearby, 1 / DIFFERENCE_LEVELS**2, doubt, dst=doubt)
    nearby *= np.float32(1 / ALIKE_LEVELS**2)
    cv2.min(doubt, nearby, dst=doubt)
    np.negative(doubt, out=doubt)
    inside = cv2.inRange(places, (0, 0), (width - 1, height - 1))
    return np.asarray(cv2.copyTo(np.exp(doubt, out=doubt), inside), np.float32), float(difference.mean())


def still_places(a: F32, b: F32, flow_ab: F32, flow_ba: F32) -> F32:
    """(H,W) float32 in [0,1]: 1 where nothing moves between a and b, whatever the flow says.

    Flow estimators give a vector everywhere; on a plain wall they follow noise and compression, and a stylised wall that is
    moved along such a flow swims. Where forward and backward flow disagree, and not moving explains the pixels about as well,
    the place counts as still.

    a, b              (H,W) float32 luma, 0 to 255
    flow_ab, flow_ba  (H,W,2) float32, pixels
    """
    places = targets(flow_ab)
    failed = forward_backward_error(flow_ab, sampled(flow_ba, places), STILL_FORWARD_BACKWARD_PX2) > 1
    unreliable = cv2.dilate(failed.view(np.uint8), np.ones((UNRELIABLE_PX, UNRELIABLE_PX), np.uint8)).view(np.bool_)
    moved_texture, moved_light = _window_differences(a, sampled(b, places))
    texture, light = _window_differences(a, b)
    explained = texture <= RELIABLE_RATIO * moved_texture + RELIABLE_LEVELS
    explained |= unreliable & (texture <= UNRELIABLE_RATIO * moved_texture + UNRELIABLE_LEVELS)
    still = explained & (light <= UNRELIABLE_RATIO * moved_light + BRIGHTER_LEVELS)
    # The median of a mask: a sum of votes is many times faster.
    votes = cv2.boxFilter(
        still.view(np.uint8), -1, (VOTERS_PX, VOTERS_PX), normalize=False, borderType=cv2.BORDER_REPLICATE
    )
    edges = cv2.GaussianBlur((votes > VOTERS_PX**2 // 2).astype(np.float32), (0, 0), EDGE_PX)
    return np.asarray(np.clip(2 * edges - 0.5, 0, 1), np.float32)


def _window_differences(a: F32, b: F32) -> tuple[F32, F32]:
    """Per window of 9x9: standard deviation (texture) and absolute mean (light) of a - b, each (H,W) in levels."""
    difference = a - b
    window = (WINDOW_PX, WINDOW_PX)
    mean = np.asarray(cv2.boxFilter(difference, -1, window), np.float32)
    difference *= difference
    variance = np.asarray(cv2.boxFilter(difference, -1, window), np.float32)
    variance -= mean * mean
    np.maximum(variance, 0, out=variance)
    return np.sqrt(variance, out=variance), np.abs(mean, out=mean)


def targets(flow: F32) -> F32:
    """(H,W,2): x and y of the place to which each pixel's flow points."""
    return np.asarray(cv2.add(flow, pixel_positions(*flow.shape[:2])), np.float32)


def sampled(picture: F32, places: F32) -> F32:
    """A picture of one or two channels, read at `places` (bilinear, edges repeated), as `kernels.warp` reads."""
    remap: Any = cv2.remap  # its annotations do not know that one map may hold both coordinates
    return np.asarray(remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


@functools.lru_cache(maxsize=4)
def pixel_positions(height: int, width: int) -> F32:
    """(H,W,2): x and y of every pixel."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x, y], axis=2)


def forward_backward_error(flow: F32, back: F32, tolerance_px2: float) -> F32:
    """(H,W): |f + g|^2 / (0.01 (|f|^2 + |g|^2) + tolerance); the check fails above 1.

    f = flow; g = back, the backward flow read at the places to which f points
    """
    allowed = squared_length(flow)
    allowed += squared_length(back)
    allowed *= RELATIVE
    allowed += tolerance_px2
    gap = squared_length(np.asarray(cv2.add(flow, back), np.float32))
    return np.divide(gap, allowed, out=gap)


def squared_length(vectors: F32) -> F32:
    """(H,W): squared lengths of (H,W,2)."""
    squares = vectors * vectors  # before the axes are taken apart: half as many strided reads
    return np.asarray(squares[..., 0] + squares[..., 1])
