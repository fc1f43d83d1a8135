"""Fréchet distance of two sets of feature vectors, taken as Gaussians: the number behind FID and VFID.

Heusel et al., NeurIPS 2017:  |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), S the unbiased covariances. The trace of the
root is the sum of the roots of the eigenvalues of S1^(1/2) S2 S1^(1/2), which is symmetric: singular covariances and
complex roots need no special case, as they do in code that takes the root of a general matrix.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


class Statistics:
    """Mean and covariance of feature vectors that come in one batch after another; holds none of them."""

    def __init__(self, length: int) -> None:
        self.num = 0
        self._mean = np.zeros(length)
        self._scatter = np.zeros((length, length))  # sum of (x - mean)(x - mean)^T

    def add(self, features: NDArray[np.floating]) -> None:
        """Take in (N,length) vectors; both means are merged as Chan, Golub and LeVeque (1983) do, without cancellation."""
        batch = np.asarray(features, np.float64)
        mean = batch.mean(axis=0)
        centred, step = batch - mean, mean - self._mean
        total = self.num + len(batch)
        self._scatter += centred.T @ centred + np.outer(step, step) * (self.num * len(batch) / total)
        self._mean += step * (len(batch) / total)
        self.num = total

    @property
    def mean(self) -> F64:
        """(length,)."""
        return self._mean

    @property
    def covariance(self) -> F64:
        """(length,length), unbiased; raises ValueError below two vectors."""
        if self.num < 2:
            raise ValueError(
                f"{self.num} feature vectors; accepted: at least 2, and more than their length to trust it"
            )
        return self._scatter / (self.num - 1)


def statistics_of(vectors: Iterable[NDArray[np.floating]]) -> Statistics:
    """Statistics of (N,length) batches; ValueError if there are none."""
    found: Statistics | None = None
    for batch in vectors:
        found = found or Statistics(batch.shape[1])
        found.add(batch)
    if found is None:
        raise ValueError("no feature vectors")
    return found


def frechet_distance(first: Statistics, second: Statistics) -> float:
    """The distance, at least 0 up to rounding.

    With fewer vectors than their length the covariances are singular and the distance is small for that reason; FID asks
    for 2,048 and more.
    """
    gap = first.mean - second.mean
    root = _root(first.covariance)
    product = np.linalg.eigvalsh(root @ second.covariance @ root)
    root_trace = np.sqrt(np.maximum(product, 0)).sum()
    return float(gap @ gap + np.trace(first.covariance) + np.trace(second.covariance) - 2 * root_trace)


def _root(covariance: F64) -> F64:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)
