"""Scores of label maps from one confusion matrix: the mathematics of pix2pix's FCN-scores (Cityscapes, 19 classes)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TINY = 1e-12  # in the denominators of the published code


class LabelScores(NamedTuple):
    """All in [0,1]."""

    per_pixel: float
    per_class: float
    iou: float


class ConfusionMatrix:
    """Counts of (true class, found class) over the pixels of a whole split; labels of no class are ignored."""

    def __init__(self, num_classes: int = 19) -> None:
        self.counts = np.zeros((num_classes, num_classes), np.int64)

    def add(self, truth: NDArray[np.integer], found: NDArray[np.integer]) -> None:
        """Count two label maps of one shape; truth outside 0 .. num_classes - 1 is ignored."""
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
        """Share of right pixels, its mean over classes, and mean intersection over union; absent classes count as 0."""
        right, true, found = np.diag(self.counts), self.counts.sum(axis=1), self.counts.sum(axis=0)
        return LabelScores(
            per_pixel=float(right.sum() / (self.counts.sum() + TINY)),
            per_class=float((right / (true + TINY)).mean()),
            iou=float((right / (true + found - right + TINY)).mean()),
        )
