"""The front and the recommendation on settings whose order is plain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotoscope.metrics.front import Setting, front, recommended

WEAK, STRONG, BLUR, WORSE = (
    Setting("weak", 1, 9),
    Setting("strong", 2, 3),
    Setting("blur", 10, 1),
    Setting("worse", 3, 5),
)
NUMBERS = st.floats(0, 1)
SETTINGS = st.lists(st.builds(Setting, st.just(""), NUMBERS, NUMBERS), min_size=1, max_size=12)


def test_what_another_setting_beats_in_both_is_not_on_the_front():
    assert front([BLUR, WORSE, STRONG, WEAK]) == [WEAK, STRONG, BLUR]


def test_fidelity_comes_first_and_then_the_lowest_error():
    assert recommended([BLUR, WORSE, STRONG, WEAK], slack=0) == WEAK
    assert recommended([BLUR, WORSE, STRONG, WEAK], slack=0.2) == STRONG
    assert recommended([BLUR, WORSE, STRONG, WEAK], slack=1) == BLUR
    with pytest.raises(ValueError, match="no settings"):
        recommended([])


@given(SETTINGS, NUMBERS)
def test_a_recommendation_is_never_beaten(settings, slack):
    found = recommended(settings, slack)
    assert not any(other.distance <= found.distance and other.warping_error < found.warping_error for other in settings)
    assert found in front(settings)
