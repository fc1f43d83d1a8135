"""FCN scores of pix2pix (Cityscapes, 19 classes): accuracy and IoU of label maps from one confusion matrix."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TINY = 1e-12  # added to denominators, as in the published code


class LabelScores(NamedTuple):
    """Pixel accuracy, mean accuracy of classes, and mean intersection over union; each in [0,1], higher is better."""

    per_pixel: float
    per_class: float
    iou: float

    def named(self) -> dict[str, float]:
        """Return the scores under the names of tables."""
        return {"per-pixel accuracy": self.per_pixel, "per-class accuracy": self.per_class, "class IoU": self.iou}


class ConfusionMatrix:
    """Counts pairs (true class, found class) over all pixels of a data set; `counts` is (num_classes,num_classes) int64."""

    def __init__(self, num_classes: int = 19) -> None:
        self.counts = np.zeros((num_classes, num_classes), np.int64)

    def add(self, truth: NDArray[np.integer], found: NDArray[np.integer]) -> None:
        """Count two integer label maps of one shape; pixels whose truth is outside 0 .. num_classes - 1 are ignored.

        Raises ValueError for two shapes, or for a found label outside 0 .. num_classes - 1.
        """
        if truth.shape != found.shape:
            raise ValueError(f"label maps of {truth.shape} and {found.shape}; accepted: one shape")
        num = len(self.counts)
        counted = (truth >= 0) & (truth < num)
        answers = found[counted].astype(np.int64)
        if answers.size and not 0 <= answers.min() <= answers.max() < num:
            raise ValueError(f"found labels {answers.min()}..{answers.max()}; accepted: 0..{num - 1}")
        pairs = num * truth[counted].astype(np.int64) + answers
        self.counts += np.bincount(pairs, minlength=num**2).reshape(num, num)

    def scores(self) -> LabelScores:
        """Return the scores; a class without pixels counts as 0 in the means over classes."""
        right, true, found = np.diag(self.counts), self.counts.sum(axis=1), self.counts.sum(axis=0)
        return LabelScores(
            per_pixel=float(right.sum() / (self.counts.sum() + TINY)),
            per_class=float((right / (true + TINY)).mean()),
            iou=float((right / (true + found - right + TINY)).mean()),
        )
