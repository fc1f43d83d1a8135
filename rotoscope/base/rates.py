"""Frame rates as exact fractions."""

import math
from fractions import Fraction

from rotoscope.base.errors import UsageError

NTSC = (24, 30, 48, 60, 90, 96, 120, 240)  # rates that exist as n * 1000 / 1001
ROUNDING = 0.005  # 23.98 is written for 23.976...


def exact_rate(rate: float | Fraction) -> Fraction:
    """The exact frame rate that a number stands for: 29.97 is 30000/1001, 23.976 and 23.98 are 24000/1001, 12.5 is 25/2.

    Raises UsageError for a rate that is not above 0, or not finite.
    """
    number = float(rate)
    if not math.isfinite(number) or number <= 0:
        raise UsageError(f"rate {rate}; accepted: frames per second, above 0")
    near = [Fraction(n * 1000, 1001) for n in NTSC if abs(number - n * 1000 / 1001) < ROUNDING]
    found = near[0] if near else Fraction(rate).limit_denominator(1001)
    if found <= 0:
        raise UsageError(f"rate {rate}; accepted: at least 1/1001 frames per second")
    return found
