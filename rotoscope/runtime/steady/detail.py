"""Detail: give a picture that was averaged over time the fine detail back that averaging removed, octave by octave.

The average of pictures whose details differ has less of them than any one of the pictures, and looks blurred. Sharpening by
a fixed amount overshoots in one octave and misses the next. Here each octave is raised to the energy that the frame-wise
pictures have, as far as history was used. Only the shown picture is raised, never the one that the next frame builds on.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import on_cuda
from rotoscope.kernels.detail import DetailScratch, Energies, detail, detail_scratch, first_energies

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

OCTAVES = 4
SMALLEST_PX = 2**OCTAVES  # side of the smallest picture that has all OCTAVES
LEAST, MOST = 0.7, 1.8  # gain
AIMS = 0.5, 1.5  # times the frame-wise energy
TINY = 1e-12
MEMORY = 0.7  # weight of the past in the energies, per measurement
SETTLED = 4  # frames at the start of a scene that are all measured
MEASURED_EVERY = 12  # frames, after those


class Detail:
    """Gains of one scene; they follow its energies slowly.

    Only the mean of the three channels is raised, until the energy of all three is reached: a third of the work, and where
    colours have averaged out, contrast replaces them.
    """

    def __init__(self) -> None:
        self._age = 0
        self._energies = np.zeros((4, OCTAVES))
        self._aim = np.ones(OCTAVES)  # times the frame-wise energy
        self._on_gpu: tuple[Energies, DetailScratch] | None = None

    def __call__(self, averaged: F32, framewise: F32, weight: F32) -> F32:
        """The averaged picture with the detail of the frame-wise one.

        averaged, framewise  (H,W,4) float32 RGB in [0,1]
        weight               (H,W) float32 in [0,1]: where history was used
        """
        if min(averaged.shape[:2]) < SMALLEST_PX:
            return averaged
        measured = self._age < SETTLED or self._age % MEASURED_EVERY == 0
        self._age += 1
        if on_cuda(averaged):
            return self._made_on_gpu(averaged, framewise, weight, measured=measured)
        grey = _grey(averaged)
        bands, weights = _bands(grey), [weight]
        for _ in range(OCTAVES - 1):
            weights.append(np.asarray(cv2.pyrDown(weights[-1])))
        if measured:
            plain, wanted, plain_grey = map(_energies, (_bands(averaged), _bands(framewise), bands))
            once, twice = np.transpose([_weighted_energies(*pair) for pair in zip(bands, weights, strict=True)])
            now = np.stack([plain, 3 * once, 3 * twice, wanted])
            self._energies = MEMORY * self._energies + (1 - MEMORY) * now
        more = self._more(bands, weights)
        if measured:
            # Octaves overlap: a gain in one raises the next, which then aims lower. One plane is added to three channels, so
            # only the energy of their mean changes.
            reached = plain + 3 * (_energies(_bands(np.asarray(cv2.add(grey, more), np.float32))) - plain_grey)
            self._aim *= np.sqrt(np.clip(wanted / np.maximum(reached, TINY), 0.5, 2))
            self._aim = np.clip(self._aim, *AIMS)
        return _added(averaged, more)

    def _made_on_gpu(self, averaged: F32, framewise: F32, weight: F32, *, measured: bool) -> F32:
        """The same by `kernels.detail`: energies and gains stay on the GPU."""
        if self._on_gpu is None:
            self._on_gpu = first_energies(averaged), detail_scratch(averaged.shape[:2], averaged)
        known, scratch = self._on_gpu
        made: F32 = detail(averaged, framewise, weight, known, measure=measured, scratch=scratch)
        return made

    def _more(self, bands: list[F32], weights: list[F32]) -> F32:
        """The plane to add to the mean of the channels; overwrites the bands."""
        plain, once, twice, wanted = self._energies
        factors = gains(plain, once, twice, self._aim * wanted) - 1
        more: F32 | None = None
        for band, factor, mask in reversed(list(zip(bands, factors, weights, strict=True))):
            # In place: a new buffer costs more than the sum.
            cv2.multiply(band, mask, dst=band, scale=factor)
            more = band if more is None else np.asarray(cv2.add(band, _enlarged(more, band), dst=band), np.float32)
        assert more is not None
        return more


def gains(plain: F64, once: F64, twice: F64, wanted: F64) -> F64:
    """The gain g of each octave for which plain + 2 (g - 1) once + (g - 1)^2 twice = wanted, from 0.7 to 1.8.

    plain, wanted  energies of all three channels, as they are and as they should be
    once, twice    three times the energy of their mean, weighted by the weight and by its square
    """
    root = np.sqrt(np.maximum(once * once + twice * (wanted - plain), 0))
    return 1 + np.clip((root - once) / np.maximum(twice, TINY), LEAST - 1, MOST - 1)


def _grey(picture: F32) -> F32:
    """The mean of the first three of four channels. cv2.gemm is avoided: its OpenBLAS keeps the other cores spinning."""
    return np.asarray(cv2.transform(picture, np.array([[1, 1, 1, 0]], np.float32) / 3), np.float32)


def _added(picture: F32, more: F32) -> F32:
    """The picture with one plane added to the first three of its four channels."""
    return np.asarray(cv2.add(picture, cv2.merge([more, more, more, np.zeros_like(more)])), np.float32)


def _bands(picture: F32) -> list[F32]:
    """The finest octaves of a Laplacian pyramid (Burt and Adelson 1983), finest first."""
    bands = []
    for _ in range(OCTAVES):
        coarser = np.asarray(cv2.pyrDown(picture), np.float32)
        smooth = _enlarged(coarser, picture)
        bands.append(np.asarray(cv2.subtract(picture, smooth, dst=smooth), np.float32))
        picture = coarser
    return bands


def _enlarged(picture: F32, like: F32) -> F32:
    return np.asarray(cv2.pyrUp(picture, dstsize=(like.shape[1], like.shape[0])), np.float32)


def _energies(bands: list[F32]) -> F64:
    """Of each band: the sum over pixels and channels of the squared differences to the right and below."""
    return np.array([sum(cv2.norm(far, near, cv2.NORM_L2SQR) for near, far, _ in _neighbours(band)) for band in bands])


def _weighted_energies(band: F32, weight: F32) -> tuple[float, float]:
    """The same, each pixel weighted by its weight, and by the square of it."""
    once = twice = 0.0
    for near, far, there in _neighbours(band):
        steps = cv2.subtract(far, near)
        weighted = cv2.multiply(steps, weight[there])
        twice += cv2.norm(weighted, cv2.NORM_L2SQR)
        once += cv2.sumElems(cv2.multiply(steps, weighted, dst=weighted))[0]
    return once, twice


def _neighbours(band: F32) -> Iterator[tuple[F32, F32, tuple[slice, slice]]]:
    """(pixels, their neighbours, where they are), to the right and below."""
    everything = slice(None)
    yield band[:, :-1], band[:, 1:], (everything, slice(-1))
    yield band[:-1], band[1:], (slice(-1), everything)
