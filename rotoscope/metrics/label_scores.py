"""Scores of pictures against label maps: FCN scores of pictures made from maps, and scores of label pictures made from photos.

As published for pix2pix and CycleGAN: for FCN scores, pictures are enlarged to the size of the label maps and the segmenter's
best class of each pixel is counted against the map. In a label picture each pixel has the class of the nearest colour. All
pictures share one confusion matrix.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
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

FindLabels = Callable[[RGB, tuple[int, ...]], tuple[Labels, int]]
"""Picture (h,w,3) uint8 and the shape (H,W) of its map -> class of each pixel (H,W), and the number of classes."""


def by_segmenter(segmenter: Segmenter) -> FindLabels:
    """Return a function that finds the classes of a photograph: it is resized to its map, the highest score wins."""

    def find(picture: RGB, shape: tuple[int, ...]) -> tuple[Labels, int]:
        scores = segmenter(_resized(picture, shape))
        return classes(scores, shape), len(scores)

    return find


def by_colour(colours: Sequence[tuple[int, int, int]]) -> FindLabels:
    """Return a function that gives each pixel of a label picture the class of the nearest colour, RGB in 0..255.

    The classes are resized to the map, not the picture: a mixture of two colours may be near a third.
    """
    palette = np.array(colours, np.float32)

    def find(picture: RGB, shape: tuple[int, ...]) -> tuple[Labels, int]:
        near = np.full(picture.shape[:2], np.inf, np.float32)
        found = np.zeros(picture.shape[:2], np.int32)
        for index, colour in enumerate(palette):
            distance = np.square(picture - colour).sum(axis=-1)
            found[distance < near] = index
            np.minimum(near, distance, out=near)
        height, width = shape
        return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST)), len(palette)

    return find


def label_scores(
    pictures: Iterable[RGB],
    maps: str,
    find_labels: FindLabels,
    *,
    start: float | None = None,
    duration: float | None = None,
    rate: float = 25.0,
) -> LabelScores:
    """Score pictures (H,W,3) uint8 of any size against the label maps of the same order.

    maps  a folder or pattern of PNG files of class numbers, or one file; pixels with another number are void: not counted
    start, duration, rate  of the maps, as in `opened`
    Raises InputRefused if numbers of pictures and maps differ, or if no pixel of the maps has a class.
    """
    matrix: ConfusionMatrix | None = None
    truths = label_maps(maps, start=start, duration=duration, rate=rate)
    for index, picture in enumerate(pictures):
        truth = next(truths, None)
        if truth is None:
            raise InputRefused(f"{maps} ends after {index} map{'s' * (index != 1)}; accepted: one for each picture")
        found, num_classes = find_labels(picture, truth.shape)
        matrix = matrix or ConfusionMatrix(num_classes)
        matrix.add(truth, found)
    if next(truths, None) is not None:
        raise InputRefused(f"{maps} has a map that no picture belongs to; accepted: one for each picture")
    if matrix is None or not matrix.counts.any():
        most = len(matrix.counts) - 1 if matrix else 0
        raise InputRefused(
            f"{maps}: no pixel of the classes 0..{most}; accepted: maps of the class numbers of the segmenter or palette"
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
