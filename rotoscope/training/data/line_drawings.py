"""Line drawings of pictures, from which vid2vid learns to make frames: any video gives its own training data."""

import cv2
import numpy as np
from numpy.typing import NDArray

DIAMETER_PX, COLOUR_LEVELS, SPACE_PX = 7, 45, 5  # of the bilateral filter, which removes texture and keeps edges
WEAK, STRONG = 50, 120  # Canny's thresholds of the gradient; fixed, because thresholds that follow the picture flicker


def line_drawing(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the lines of a picture (H,W,3) uint8 RGB as (H,W) uint8: 255 on lines, else 0 (Canny 1986)."""
    smooth = cv2.bilateralFilter(rgb, DIAMETER_PX, COLOUR_LEVELS, SPACE_PX)
    return np.asarray(cv2.Canny(cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY), WEAK, STRONG, L2gradient=True), np.uint8)
