"""Still places: where flow is a guess and the pictures agree without movement, nothing moves.

Flow estimators answer everywhere, and on a plain wall or an empty car park they follow noise, compression and the light.
No source shows that, but a painted wall that is moved along such a flow swims. A guess gives itself away: its way back
does not lead home.
"""

import cv2
import numpy as np

from rotoscope.runtime.motion.agreement import F32, round_trip, sampled, targets

WINDOW_PX = 9
ROUND_TRIP_PX2 = 0.25
GUESS_PX = 5  # around a pixel whose flow is a guess, its neighbours' is one too
# How much worse than along the flow a window may agree without movement: for a guess, and for a flow that leads home.
GUESS_RATIO, GUESS_LEVELS = 1.2, 1.0  # levels of 255
FOUND_RATIO, FOUND_LEVELS = 1.05, 0.1
BRIGHTER_LEVELS = 6.0  # that the light may change where nothing moves
VOTERS_PX = 5  # a place is still where most around it are
EDGE_PX = 2.0  # over which a still place joins a moving one


def still_places(a: F32, b: F32, flow_ab: F32, flow_ba: F32) -> F32:
    """(H,W) float32 in [0,1]: 1 where nothing moves between a and b, whatever the flow says.

    a, b              (H,W) float32 luma, 0 to 255
    flow_ab, flow_ba  (H,W,2) float32, pixels
    """
    places = targets(flow_ab)
    lost = round_trip(flow_ab, sampled(flow_ba, places), ROUND_TRIP_PX2) > 1
    guess = cv2.dilate(lost.view(np.uint8), np.ones((GUESS_PX, GUESS_PX), np.uint8)).view(np.bool_)
    moved_texture, moved_light = _disagreement(a, sampled(b, places))
    texture, light = _disagreement(a, b)
    as_good = texture <= FOUND_RATIO * moved_texture + FOUND_LEVELS
    as_good |= guess & (texture <= GUESS_RATIO * moved_texture + GUESS_LEVELS)
    still = as_good & (light <= GUESS_RATIO * moved_light + BRIGHTER_LEVELS)
    # The median of yes and no: a sum of votes is many times faster.
    votes = cv2.boxFilter(
        still.view(np.uint8), -1, (VOTERS_PX, VOTERS_PX), normalize=False, borderType=cv2.BORDER_REPLICATE
    )
    edges = cv2.GaussianBlur((votes > VOTERS_PX**2 // 2).astype(np.float32), (0, 0), EDGE_PX)
    return np.asarray(np.clip(2 * edges - 0.5, 0, 1), np.float32)


def _disagreement(a: F32, b: F32) -> tuple[F32, F32]:
    """Of every window: how much the texture differs (standard deviation), and the light (mean, without sign)."""
    difference = a - b
    window = (WINDOW_PX, WINDOW_PX)
    mean = np.asarray(cv2.boxFilter(difference, -1, window), np.float32)
    difference *= difference
    variance = np.asarray(cv2.boxFilter(difference, -1, window), np.float32)
    variance -= mean * mean
    np.maximum(variance, 0, out=variance)
    return np.sqrt(variance, out=variance), np.abs(mean, out=mean)
