"""Statistics of the difference between two forms of a network over many frames, in one pass."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)
# Percentiles come from counts in bins that grow by this factor, so they are right to within 2.2 %.
BIN_GROWTH = 2 ** (1 / 16)
SMALLEST = 2.0**-40
LARGEST = 2.0**40
_NUM_BINS = round(math.log(LARGEST / SMALLEST, BIN_GROWTH))

Values = NDArray[np.floating]


@dataclass
class Difference:
    """Differences of one output over all frames, scaled so that the output spans 2: pictures are in [-1,1].

    worst  the arrays of both forms for the frame with the largest difference
    """

    name: str
    is_picture: bool
    count: int = 0
    total: float = 0.0
    total_squared_8bit: float = 0.0
    largest: float = 0.0
    frame_largest: list[float] = field(default_factory=list)
    frame_psnr_db: list[float] = field(default_factory=list)
    worst: tuple[Values, Values] | None = None
    _bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_NUM_BINS, np.int64))

    def add(self, a: Values, b: Values) -> None:
        """Add one frame of both forms: float arrays of the same shape, scaled as above."""
        distance = np.abs(a.astype(np.float64) - b)
        if not np.isfinite(distance).all():
            distance = np.where(np.isfinite(distance), distance, np.inf)
        self.count += distance.size
        self.total += float(distance.sum())
        largest = float(distance.max())
        if self.worst is None or largest > self.largest:
            self.worst = a.copy(), b.copy()
        self.largest = max(self.largest, largest)
        self.frame_largest.append(largest)
        squared = (
            float(np.square(eight_bits(a) - eight_bits(b)).sum())
            if self.is_picture
            else float(np.square(distance * 127.5).sum())
        )
        self.total_squared_8bit += squared
        self.frame_psnr_db.append(psnr_db(squared / distance.size))
        index = np.log(np.clip(distance, SMALLEST, LARGEST / 2) / SMALLEST) / math.log(BIN_GROWTH)
        self._bins += np.bincount(index.astype(np.int64).ravel(), minlength=_NUM_BINS)

    @property
    def mean(self) -> float:
        """Mean absolute difference."""
        return self.total / self.count

    @property
    def psnr_db(self) -> float:
        """PSNR over all frames, measured on 8-bit pictures."""
        return psnr_db(self.total_squared_8bit / self.count)

    @property
    def worst_frame(self) -> int:
        """Index of the frame with the largest difference."""
        return int(np.argmax(self.frame_largest))

    def percentile(self, percent: float) -> float:
        """Return the value that `percent` of all differences are below."""
        index = int(np.searchsorted(np.cumsum(self._bins), percent / 100 * self.count))
        value = SMALLEST * BIN_GROWTH ** (index + 0.5)
        return 0.0 if index == 0 else min(value, self.largest)


def eight_bits(values: Values) -> Values:
    """Convert values in [-1,1] to code values 0..255, rounded and clipped."""
    return np.clip(np.rint((values.astype(np.float64) + 1) * 127.5), 0, 255)


def psnr_db(mean_square: float) -> float:
    """Peak signal-to-noise ratio of 8-bit code values; infinite if nothing differs, 0 if the mean square is infinite."""
    return (
        math.inf if mean_square == 0 else 10 * math.log10(255**2 / mean_square) if math.isfinite(mean_square) else 0.0
    )
