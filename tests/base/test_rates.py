"""Frame rates that people type become the exact fractions they stand for."""

from fractions import Fraction

import pytest

import rotoscope
from rotoscope.base.rates import exact_rate


@pytest.mark.parametrize(("given", "exact"), [
    (29.97, Fraction(30000, 1001)), (23.976, Fraction(24000, 1001)), (59.94, Fraction(60000, 1001)),
    (23.98, Fraction(24000, 1001)), (119.88, Fraction(120000, 1001)), (30000 / 1001, Fraction(30000, 1001)),
    (24, Fraction(24)), (25.0, Fraction(25)), (30.0, Fraction(30)), (60, Fraction(60)), (12.5, Fraction(25, 2)),
    (10, Fraction(10)), (1 / 3, Fraction(1, 3)), (29.9, Fraction(299, 10)), (23.9, Fraction(239, 10)),
    (Fraction(30000, 1001), Fraction(30000, 1001)),
])  # fmt: skip
def test_a_rate_becomes_the_fraction_it_stands_for(given, exact):
    assert exact_rate(given) == exact


@pytest.mark.parametrize("rate", [0, -25, float("nan"), float("inf"), 1e-9])
def test_impossible_rates_are_usage_errors(rate):
    with pytest.raises(rotoscope.UsageError, match="frames per second"):
        exact_rate(rate)
