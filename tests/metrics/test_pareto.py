"""The Pareto front of a sweep and the recommended setting."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotoscope.base.errors import InputRefused
from rotoscope.metrics.pareto import Setting, pareto_front, recommended

WEAK, STRONG, BLUR, WORSE = (
    Setting("weak", 1, 9),
    Setting("strong", 2, 3),
    Setting("blur", 10, 1),
    Setting("worse", 3, 5),
)
NUMBERS = st.floats(0, 1)
SETTINGS = st.lists(st.builds(Setting, st.just(""), NUMBERS, NUMBERS), min_size=1, max_size=12)
NOT_FINITE = [math.nan, math.inf, -math.inf]


def test_a_setting_that_another_beats_in_both_numbers_is_not_on_the_front():
    assert pareto_front([BLUR, WORSE, STRONG, WEAK]) == [WEAK, STRONG, BLUR]


def test_the_distance_decides_first_and_the_warping_error_among_comparable_settings():
    assert recommended([BLUR, WORSE, STRONG, WEAK], slack=0) == WEAK
    assert recommended([BLUR, WORSE, STRONG, WEAK], slack=0.2) == STRONG
    assert recommended([BLUR, WORSE, STRONG, WEAK], slack=1) == BLUR


def test_a_single_setting_is_recommended():
    assert recommended([STRONG]) == STRONG
    assert pareto_front([STRONG]) == [STRONG]


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("place", range(3))
def test_a_setting_that_could_not_be_measured_is_neither_recommended_nor_on_the_front(value, place):
    for hidden in (Setting("hidden", 0.0, value), Setting("no distance", value, 0.0)):
        settings = [WEAK, STRONG]
        settings.insert(place, hidden)
        assert recommended(settings, slack=0) == WEAK
        assert recommended(settings, slack=1) == STRONG
        assert pareto_front(settings) == [WEAK, STRONG]


@pytest.mark.parametrize("value", NOT_FINITE)
def test_without_a_measured_setting_nothing_is_recommended(value):
    with pytest.raises(InputRefused, match="none of 2 settings"):
        recommended([Setting("hidden", 0.0, value), Setting("no distance", value, 0.0)])
    with pytest.raises(InputRefused, match="none of 0 settings"):
        recommended([])
    assert pareto_front([Setting("hidden", 0.0, value)]) == []


@given(SETTINGS, NUMBERS)
def test_no_setting_beats_the_recommended_one(settings, slack):
    found = recommended(settings, slack)
    assert not any(other.distance <= found.distance and other.warping_error < found.warping_error for other in settings)
    assert found in pareto_front(settings)
