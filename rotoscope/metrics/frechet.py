"""Fréchet distance between two sets of feature vectors, each modelled as a Gaussian: FID and VFID.

Heusel et al., NeurIPS 2017:  |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), with means m and unbiased covariances S.
The trace of the matrix root is computed as the sum of the square roots of the eigenvalues of S1^(1/2) S2 S1^(1/2). That
matrix is symmetric, so singular covariances need no special case and no complex roots appear.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


class Statistics:
    """Mean and covariance of feature vectors of a given length, updated batch by batch; the vectors are not kept."""

    def __init__(self, length: int) -> None:
        self.num = 0
        self._mean = np.zeros(length)
        self._scatter = np.zeros((length, length))  # sum of (x - mean)(x - mean)^T

    def add(self, features: NDArray[np.floating]) -> None:
        """Add (N,length) vectors by the update of Chan, Golub and LeVeque (1983), which avoids cancellation."""
        batch = np.asarray(features, np.float64)
        mean = batch.mean(axis=0)
        centred, step = batch - mean, mean - self._mean
        total = self.num + len(batch)
        self._scatter += centred.T @ centred + np.outer(step, step) * (self.num * len(batch) / total)
        self._mean += step * (len(batch) / total)
        self.num = total

    @property
    def mean(self) -> F64:
        """(length,) float64."""
        return self._mean

    @property
    def covariance(self) -> F64:
        """(length,length) float64, unbiased; raises ValueError for fewer than two vectors."""
        if self.num < 2:
            raise ValueError(
                f"{self.num} feature vectors; accepted: at least 2, and more than their length to trust it"
            )
        return self._scatter / (self.num - 1)


def statistics_of(vectors: Iterable[NDArray[np.floating]]) -> Statistics:
    """Collect the statistics of (N,length) batches; raises ValueError if there are none."""
    found: Statistics | None = None
    for batch in vectors:
        found = found or Statistics(batch.shape[1])
        found.add(batch)
    if found is None:
        raise ValueError("no feature vectors")
    return found


def frechet_distance(first: Statistics, second: Statistics) -> float:
    """Return the distance: 0 for equal statistics (up to rounding), lower is closer.

    If a set has fewer vectors than their length, its covariance is singular and the distance is biased: FID needs more than
    2,048 pictures to be compared with published values.
    """
    gap = first.mean - second.mean
    root = _root(first.covariance)
    product = np.linalg.eigvalsh(root @ second.covariance @ root)
    root_trace = np.sqrt(np.maximum(product, 0)).sum()
    return float(gap @ gap + np.trace(first.covariance) + np.trace(second.covariance) - 2 * root_trace)


def _root(covariance: F64) -> F64:
    """Symmetric square root; eigenvalues below 0, which are rounding errors, count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)
