"""Gradient energy by octave: whether a video that flickers less has paid for it with sharpness.

Any low-pass filter lowers the warping error. What it takes is missing here, octave by octave, when the energy of a result
is held against that of the frame-wise translation.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.metrics.pictures import F32, RGB, unit_range

OCTAVES = 4


def gradient_energy(picture: RGB) -> NDArray[np.float64]:
    """(4,) float64, finest octave first: mean squared gradient of each band of a Laplacian pyramid.

    The bands (Burt and Adelson 1983) split spatial frequencies at 1/4, 1/8, 1/16 of a cycle per pixel. Forward differences
    in x and y, squared, are summed over both directions and averaged over pixels and channels, pictures in [0,1].
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
    """(4,): energies of all frames of a result over those of its frame-wise reference; 1 = as sharp, below = blurred.

    Where the reference has no energy at all, 1 if the result has none either, else infinite.
    """
    over, under = np.sum(result, axis=0), np.sum(reference, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(over == under, 1.0, over / under)


def sharpness_drift(relative: Sequence[float] | NDArray[np.float64]) -> float:
    """By what share sharpness has changed from the first quarter of a video to its last: 0 = none, -0.1 = a tenth lost.

    relative  a frame's gradient energy over that of the frame-wise frame, for each frame; repeated resampling that slowly
              blurs, or sharpening that slowly rings, shows over some hundreds of them
    """
    values = np.asarray(relative)
    quarter = max(1, len(values) // 4)
    return float(values[-quarter:].mean() / values[:quarter].mean() - 1)


def _mean_square(values: F32) -> float:
    return cv2.norm(values, cv2.NORM_L2SQR) / values.size  # summed in double precision
