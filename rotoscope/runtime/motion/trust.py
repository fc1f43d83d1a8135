"""Trust: how surely the picture before shows what this one shows, from the way back of the flow and from both sources."""

import cv2
import numpy as np

from rotoscope.runtime.motion.agreement import F32, round_trip, sampled, targets

ROUND_TRIP_PX2 = 1.0
DIFFERENCE_LEVELS = 15.0  # of 255
NEIGHBOURHOOD_PX = 2.0  # standard deviation


def trust(a: F32, b: F32, flow_ab: F32, flow_ba: F32) -> tuple[F32, float]:
    """(trust (H,W) float32 in [0,1], mean absolute difference of the lumas along the flow in levels).

    exp(-round trip) exp(-(difference / 15 levels)^2), the difference averaged over a small neighbourhood; 0 where the flow
    leaves the frame.

    a, b              (H,W) float32 luma, 0 to 255
    flow_ab, flow_ba  (H,W,2) float32, pixels
    """
    height, width = a.shape
    places = targets(flow_ab)
    difference = np.asarray(cv2.absdiff(a, sampled(b, places)), np.float32)
    nearby = np.asarray(cv2.GaussianBlur(difference, (0, 0), NEIGHBOURHOOD_PX), np.float32)
    nearby /= DIFFERENCE_LEVELS
    nearby *= nearby
    doubt = round_trip(flow_ab, sampled(flow_ba, places), ROUND_TRIP_PX2)
    doubt += nearby
    np.negative(doubt, out=doubt)
    inside = cv2.inRange(places, (0, 0), (width - 1, height - 1))
    return np.asarray(cv2.copyTo(np.exp(doubt, out=doubt), inside), np.float32), float(difference.mean())
