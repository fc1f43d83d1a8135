"""Detail: what averaging over time takes from a picture's octaves is given back, where it was taken.

An average of pictures whose details differ has less of them than any one: not blur, but it looks like it. Sharpening by a
fixed amount overshoots in one octave and misses the next; here each octave is raised to the energy that the frame-wise
pictures have, as far as history was used. Only what is shown is raised, never what the next frame builds on.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

OCTAVES = 4
LEAST, MOST = 0.7, 1.8  # gain
AIMS = 0.5, 1.5  # times the frame-wise energy
TINY = 1e-12
MEMORY = 0.7  # weight of the past in the energies, per measurement
SETTLED = 4  # frames of a scene that are all measured; from then on
MEASURED_EVERY = 12


class Detail:
    """Gains of one scene, that follow its energies slowly.

    The mean of the three channels is raised, by so much that the energy of all three is reached: a third of the work, and
    where colours have averaged out, contrast stands in for them.
    """

    def __init__(self) -> None:
        self._age = 0
        self._energies = np.zeros((4, OCTAVES))
        self._aim = np.ones(OCTAVES)  # times the frame-wise energy

    def __call__(self, averaged: F32, framewise: F32, weight: F32) -> F32:
        """The averaged picture with the detail of the frame-wise one.

        averaged, framewise  (H,W,4) float32 RGB in [0,1]
        weight               (H,W) float32 in [0,1]: where history was used
        """
        bands, weights = _bands(_grey(averaged)), [weight]
        for _ in range(OCTAVES - 1):
            weights.append(np.asarray(cv2.pyrDown(weights[-1])))
        measured = self._age < SETTLED or self._age % MEASURED_EVERY == 0
        self._age += 1
        if measured:
            now = [
                [_energy(all_channels), 3 * _energy(grey, mask), 3 * _energy(grey, mask * mask), _energy(whole)]
                for all_channels, grey, whole, mask in zip(
                    _bands(averaged), bands, _bands(framewise), weights, strict=True
                )
            ]
            self._energies = MEMORY * self._energies + (1 - MEMORY) * np.transpose(now)
        plain, once, twice, framewise_energy = self._energies
        more: F32 = np.zeros_like(np.asarray(cv2.pyrDown(bands[-1]), np.float32))
        for band, gain, mask in reversed(
            list(zip(bands, gains(plain, once, twice, self._aim * framewise_energy), weights, strict=True))
        ):
            more = np.asarray(cv2.add(cv2.multiply(band, mask, scale=gain - 1), _enlarged(more, band)), np.float32)
        shown = np.asarray(cv2.add(averaged, cv2.merge([more, more, more, np.zeros_like(more)])), np.float32)
        if measured:
            # Octaves overlap: what one gains shows in the next, which then aims lower.
            reached = [_energy(band) for band in _bands(shown)]
            self._aim *= np.sqrt(np.clip([row[3] for row in now] / np.maximum(reached, TINY), 0.5, 2))
            self._aim = np.clip(self._aim, *AIMS)
        return shown


def gains(plain: F64, once: F64, twice: F64, wanted: F64) -> F64:
    """The gain g of each octave for which plain + 2 (g - 1) once + (g - 1)^2 twice = wanted, from 0.7 to 1.8.

    plain, wanted  energies of all three channels, as they are and as they should be
    once, twice    three times the energy of their mean, weighted by the weight and by its square
    """
    root = np.sqrt(np.maximum(once * once + twice * (wanted - plain), 0))
    return 1 + np.clip((root - once) / np.maximum(twice, TINY), LEAST - 1, MOST - 1)


def _grey(picture: F32) -> F32:
    return np.asarray(cv2.transform(picture, np.array([[1, 1, 1, 0]], np.float32) / 3), np.float32)


def _bands(picture: F32) -> list[F32]:
    """The finest octaves of a Laplacian pyramid (Burt and Adelson 1983), finest first."""
    bands = []
    for _ in range(OCTAVES):
        coarser = np.asarray(cv2.pyrDown(picture), np.float32)
        bands.append(picture - _enlarged(coarser, picture))
        picture = coarser
    return bands


def _enlarged(picture: F32, like: F32) -> F32:
    return np.asarray(cv2.pyrUp(picture, dstsize=(like.shape[1], like.shape[0])), np.float32)


def _energy(band: F32, weight: F32 | None = None) -> float:
    """Sum over pixels and channels of the squared differences to the right and below, each pixel weighted."""
    total = 0.0
    for near, far, there in ((band[:, :-1], band[:, 1:], np.s_[:, :-1]), (band[:-1], band[1:], np.s_[:-1])):
        steps = cv2.subtract(far, near)
        weighted = steps if weight is None else cv2.multiply(steps, weight[there])
        total += float(np.vdot(steps, weighted))
    return total
