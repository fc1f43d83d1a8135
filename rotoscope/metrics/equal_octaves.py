"""Compare steadying methods at equal distance to the frame-by-frame result and at equal energy of all octaves.

A filter that loses fine detail has a low warping error for that reason alone. The control of the benchmarks is therefore a
recursion whose octaves are given back their energy, by one gain each for the whole clip. Gains in E_warp are compared at the
same LPIPS, by interpolation along the strengths of both methods.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.metrics.gradient_energy import OCTAVES, gradient_energy
from rotoscope.metrics.rgb_array import F32, RGB, unit_range

F64 = NDArray[np.float64]
ROUNDS = 4  # octaves overlap: a gain in one raises its neighbours
PLACES = 5  # distances at which two fronts are compared


def with_octave_gains(picture: RGB, gains: Sequence[float] | F64) -> F32:
    """(H,W,3) float32: the picture, each octave of its Laplacian pyramid times its gain, finest first.

    picture  (H,W,3) RGB, uint8 or float in [0,1]; both sides at least 16 pixels
    gains    4 factors; 1 leaves an octave as it is
    """
    level = unit_range(picture)
    bands = []
    for _ in range(OCTAVES):
        coarser = np.asarray(cv2.pyrDown(level), np.float32)
        bands.append(level - cv2.pyrUp(coarser, dstsize=(level.shape[1], level.shape[0])))
        level = coarser
    for band, gain in zip(reversed(bands), reversed(list(gains)), strict=True):
        level = cv2.pyrUp(level, dstsize=(band.shape[1], band.shape[0])) + np.float32(gain) * band
    return np.asarray(level, np.float32)


def equalising_gains(pictures: Sequence[RGB], wanted: F64) -> F64:
    """(4,): gains of the octaves with which the pictures have a wanted gradient energy, finest octave first.

    pictures  a sample of a clip
    wanted    (4,): mean over the same frames of `gradient_energy` of the frame-by-frame result
    """
    gains = np.ones(OCTAVES)
    for _ in range(ROUNDS):
        reached = np.mean([gradient_energy(with_octave_gains(picture, gains)) for picture in pictures], axis=0)
        gains = gains * np.sqrt(wanted / np.maximum(reached, 1e-12))
    return gains


def gain_at(distance: float, front: Sequence[tuple[float, float]]) -> float:
    """The gain of a front at a distance: log gain, linear between its points; NaN outside of them.

    front  (distance to frame by frame, gain in E_warp) for each strength, in any order
    """
    distances, gains = np.array(sorted(front)).T
    if not distances[0] <= distance <= distances[-1]:
        return float("nan")
    return float(np.exp(np.interp(distance, distances, np.log(gains))))


def relative_gain(front: Sequence[tuple[float, float]], control: Sequence[tuple[float, float]]) -> float:
    """Geometric mean of gain(front) / gain(control) at five distances, evenly over the range that both fronts have.

    NaN if they have no distance in common. Above 1: steadier than the control for the same change of the picture.
    """
    least = max(min(front)[0], min(control)[0])
    most = min(max(front)[0], max(control)[0])
    if least > most:
        return float("nan")
    ratios = [gain_at(place, front) / gain_at(place, control) for place in np.linspace(least, most, PLACES)]
    return float(np.exp(np.mean(np.log(ratios))))
