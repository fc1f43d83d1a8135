"""Gradient energy by octave: how much sharpness a steadied video has lost.

Any blur lowers the warping error. The gradient energy of the result relative to that of the frame-by-frame translation
shows the blur: it falls below 1, first in the finest octave.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.metrics.rgb_array import F32, RGB, unit_range

OCTAVES = 4


def gradient_energy(picture: RGB) -> NDArray[np.float64]:
    """(4,) float64, finest octave first: mean squared gradient of four bands of a Laplacian pyramid.

    The bands (Burt and Adelson 1983) are separated at 1/4, 1/8 and 1/16 cycles per pixel. Squared forward differences are
    summed over x and y and averaged over pixels and channels, pictures in [0,1].
    Raises ValueError for a picture with a side below 16 pixels, which has no fourth octave.
    """
    level = unit_range(picture)
    if min(level.shape[:2]) < 2**OCTAVES:
        raise ValueError(f"a picture of {level.shape[1]}x{level.shape[0]}; accepted: sides of at least {2**OCTAVES}")
    energies = np.empty(OCTAVES)
    for octave in range(OCTAVES):
        coarser = cv2.pyrDown(level)
        band = level - cv2.pyrUp(coarser, dstsize=(level.shape[1], level.shape[0]))
        energies[octave] = _mean_square(np.diff(band, axis=0)) + _mean_square(np.diff(band, axis=1))
        level = np.asarray(coarser, np.float32)
    return energies


def relative_energy(
    result: Sequence[NDArray[np.float64]], reference: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """(4,): energy of a result, summed over frames, divided by that of its reference; 1 = as sharp, below 1 = blurred.

    If the reference has no energy in an octave: 1 if the result has none either, else infinite.
    """
    over, under = np.sum(result, axis=0), np.sum(reference, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(over == under, 1.0, over / under)


def sharpness_drift(relative: Sequence[float] | NDArray[np.float64]) -> float:
    """Relative change of sharpness from the first quarter of a video to the last: 0 = none, -0.1 = 10% lost.

    relative  of each frame, its gradient energy divided by that of the reference's frame. Slow blur by repeated resampling
              shows after a few hundred frames.
    """
    values = np.asarray(relative)
    quarter = max(1, len(values) // 4)
    return float(values[-quarter:].mean() / values[:quarter].mean() - 1)


def _mean_square(values: F32) -> float:
    return cv2.norm(values, cv2.NORM_L2SQR) / values.size  # summed in double precision
