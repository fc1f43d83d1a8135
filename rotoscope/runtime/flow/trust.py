"""Trust: how surely the picture before shows what this one shows, from the way back of the flow and from both sources."""

import cv2
import numpy as np

from rotoscope.runtime.flow.agreement import F32, along, pixel_positions, round_trip

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
    difference = cv2.absdiff(a, along(b, flow_ab))
    nearby = cv2.GaussianBlur(difference, (0, 0), NEIGHBOURHOOD_PX) / DIFFERENCE_LEVELS
    result = np.exp(-(round_trip(flow_ab, flow_ba, ROUND_TRIP_PX2) + nearby * nearby))
    height, width = a.shape
    places = flow_ab + pixel_positions(height, width)
    x, y = places[..., 0], places[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return np.asarray(result * inside, np.float32), float(difference.mean())
