"""Mean with its standard error, and the confidence interval of a share."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Z_95 = 1.959963984540054  # quantile 0.975 of the normal distribution: an interval of 95%


class MeanError(NamedTuple):
    """Mean of `num` values and its standard error; NaN is a number that the values do not determine."""

    mean: float
    error: float
    num: int


def mean_error(values: Sequence[float]) -> MeanError:
    """Mean and standard error: sample standard deviation (divided by N - 1) over the root of N.

    Values that are NaN are left out. The error of fewer than two values, and of values that are not finite, is NaN.
    """
    there = np.asarray([value for value in values if not math.isnan(value)], np.float64)
    if there.size == 0:
        return MeanError(math.nan, math.nan, 0)
    is_known = there.size > 1 and bool(np.isfinite(there).all())
    error = float(there.std(ddof=1) / math.sqrt(there.size)) if is_known else math.nan
    return MeanError(float(there.mean()), error, int(there.size))


def wilson_interval(count: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """Score interval (Wilson 1927) of the share count / total: low and high in [0,1], 95% by default; (0, 1) of nothing.

    Unlike the share plus and minus its standard error, it stays in [0,1] and holds for few choices.
    Raises ValueError unless 0 <= count <= total.
    """
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total}; accepted: a count from 0 to the total")
    if total == 0:
        return 0.0, 1.0
    share, square = count / total, z * z / total
    centre = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / total + square / (4 * total)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)
