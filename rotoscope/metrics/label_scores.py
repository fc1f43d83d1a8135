"""FCN scores of pictures that were made from label maps: how much of the maps a segmenter finds in the pictures again.

As published for pix2pix and CycleGAN: pictures are enlarged to the size of the label maps, the segmenter's best class of each
pixel is counted against the map, and all pictures share one confusion matrix.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.base.errors import InputRefused
from rotoscope.metrics.confusion import ConfusionMatrix, LabelScores
from rotoscope.metrics.matched import opened
from rotoscope.metrics.rgb_array import F32, RGB

Labels = NDArray[np.integer]
Segmenter = Callable[[RGB], F32]
"""(H,W,3) uint8 RGB -> scores (C,h,w) float32 of the whole picture, the highest at the class; h, w may differ from H, W."""


def label_scores(
    pictures: Iterable[RGB],
    maps: str,
    segmenter: Segmenter,
    *,
    start: float | None = None,
    duration: float | None = None,
    rate: float = 25.0,
) -> LabelScores:
    """Score pictures (H,W,3) uint8 of any size against the label maps of the same order.

    maps  a folder or pattern of PNG files of class numbers, or one file; pixels with another number are void: not counted
    start, duration, rate  of the maps, as in `opened`
    Raises InputRefused if numbers of pictures and maps differ, or if no pixel has a class of the segmenter.
    """
    matrix: ConfusionMatrix | None = None
    truths = label_maps(maps, start=start, duration=duration, rate=rate)
    for index, picture in enumerate(pictures):
        truth = next(truths, None)
        if truth is None:
            raise InputRefused(f"{maps} ends after {index} map{'s' * (index != 1)}; accepted: one for each picture")
        scores = segmenter(_resized(picture, truth.shape))
        matrix = matrix or ConfusionMatrix(len(scores))
        matrix.add(truth, classes(scores, truth.shape))
    if next(truths, None) is not None:
        raise InputRefused(f"{maps} has a map that no picture belongs to; accepted: one for each picture")
    if matrix is None or not matrix.counts.any():
        most = len(matrix.counts) - 1 if matrix else 0
        raise InputRefused(
            f"{maps}: no pixel of the classes 0..{most}; accepted: maps of the segmenter's class numbers"
        )
    return matrix.scores()


def label_maps(
    name: str, *, start: float | None = None, duration: float | None = None, rate: float = 25.0
) -> Iterator[Labels]:
    """Yield the stored numbers of each map, (H,W) of whole numbers; raises InputRefused for pictures in colour."""
    with opened(name, start=start, duration=duration, rate=rate, unconverted=True) as maps:
        for frame in maps:
            (plane, *others) = frame.source.planes
            if others or plane.ndim != 2 or not np.issubdtype(plane.dtype, np.integer):
                raise InputRefused(f"{name}: a picture in colour; accepted: PNG files of class numbers, one channel")
            yield np.asarray(plane)


def classes(scores: F32, shape: tuple[int, ...]) -> Labels:
    """Return the class with the highest score of each pixel, (H,W); scores (C,h,w) are first resized to that shape."""
    grown = scores if scores.shape[1:] == shape else np.stack([_resized(plane, shape) for plane in scores])
    return np.asarray(grown.argmax(axis=0))


def _resized(picture: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Resize (H,W) or (H,W,C) to (H',W'): bilinear, and by areas where both sides shrink."""
    height, width = shape
    if picture.shape[:2] == (height, width):
        return picture
    shrinks = height <= picture.shape[0] and width <= picture.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method))
