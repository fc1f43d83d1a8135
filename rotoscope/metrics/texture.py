"""Texture: whether strokes are distinct, or several of them lie on top of each other.

The mean of pictures whose strokes lie at different places has more, fainter and crossing strokes. Octave energies do not show
it once they are given back; the two measures here do. Both are read relative to the frame-by-frame result.
"""

import cv2
import numpy as np

from rotoscope.metrics.gradient_energy import OCTAVES
from rotoscope.metrics.rgb_array import F32, RGB, unit_range

WINDOW_PX = 4.0  # standard deviation of the Gaussian window, in pixels of the octave
TINY = 1e-6


def peakedness(picture: RGB) -> list[float]:
    """Of each of four octaves, finest first: mean over windows of the fourth power over the squared second, less 1.

    Few strong strokes among flat paint give high values, many faint ones low values (2 for Gaussian noise). Grey pictures; each
    window counts by its energy.
    """
    level = np.asarray(unit_range(picture).mean(axis=2), np.float32)
    values = []
    for _ in range(OCTAVES):
        coarser = np.asarray(cv2.pyrDown(level), np.float32)
        band = level - cv2.pyrUp(coarser, dstsize=(level.shape[1], level.shape[0]))
        square = np.square(band)
        second, fourth = _around(square), _around(np.square(square))
        values.append(float((fourth / (second + TINY)).sum() / (second + TINY).sum()) - 1)
        level = coarser
    return values


def coherence(picture: RGB, scale_px: float = 2.5) -> float:
    """How far gradients around a pixel have one direction, 0 to 1: |a - b| / (a + b) of the structure tensor's eigenvalues.

    A stroke has one direction, strokes that cross have several. Grey picture; pixels count by their gradient energy.
    """
    grey = cv2.GaussianBlur(np.asarray(unit_range(picture).mean(axis=2), np.float32), (0, 0), 1.0)
    x, y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.GaussianBlur(product, (0, 0), scale_px) for product in (x * x, y * y, x * y))
    return float(np.sqrt(np.square(xx - yy) + 4 * np.square(xy)).sum() / (xx + yy + 1e-12).sum())


def _around(values: F32) -> F32:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), WINDOW_PX), np.float32)
