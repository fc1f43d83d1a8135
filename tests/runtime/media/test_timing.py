"""Timestamps are repaired by four stated rules, and otherwise left as they are."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotoscope.runtime.media.timing import TimeRepair

MILLISECOND = Fraction(1, 1000)


def repaired(stamps, *, clock_may_restart=False, time_base=MILLISECOND, nominal=40):
    repair = TimeRepair(time_base, nominal_duration=nominal, clock_may_restart=clock_may_restart)
    return [repair.next(*stamp) for stamp in stamps], dict(repair.repairs)


def test_good_times_are_left_alone():
    stamps = [(-40, 40), (0, 33), (33, 1000), (5000, 40), (90_000, 40)]
    assert repaired(stamps) == (stamps, {})


def test_a_missing_time_is_the_end_of_the_frame_before():
    frames, repairs = repaired([(None, 40), (None, 33), (100, 40)])
    assert [pts for pts, _ in frames] == [0, 40, 100]
    assert repairs == {"missing": 2}


def test_a_time_that_is_not_later_comes_one_tick_after():
    frames, repairs = repaired([(100, 40), (100, 40), (60, 40), (140, 40)])
    assert [pts for pts, _ in frames] == [100, 101, 102, 140]
    assert repairs == {"not later": 2}


def test_a_clock_that_restarts_goes_on_from_the_frame_before():
    stamps = [(1000, 40), (1040, 40), (95_000_000, 40), (95_000_040, 40), (0, 40), (40, 40)]
    frames, repairs = repaired(stamps, clock_may_restart=True)
    assert [pts for pts, _ in frames] == [1000, 1040, 1080, 1120, 1160, 1200]
    assert repairs == {"jump": 2}


def test_ten_seconds_are_still_a_gap_and_not_a_jump():
    frames, repairs = repaired([(0, 40), (10_000, 40), (20_001, 40)], clock_may_restart=True)
    assert [pts for pts, _ in frames] == [0, 10_000, 10_040]
    assert repairs == {"jump": 1}


def test_a_gap_of_a_year_stays_where_clocks_do_not_restart():
    year = 365 * 24 * 3600 * 1000
    assert repaired([(0, 40), (year, 40)])[0][1][0] == year


def test_a_duration_of_one_tick_is_replaced_by_the_step():
    frames, repairs = repaired([(0, 1), (33, 1), (66, None), (100, 34)])
    assert [length for _, length in frames] == [40, 33, 33, 34]
    assert repairs == {}


STAMPS = st.lists(st.tuples(st.none() | st.integers(-(10**7), 10**7), st.none() | st.integers(-5, 10**5)), max_size=40)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no error
@given(
    STAMPS,
    st.booleans(),
    st.sampled_from([MILLISECOND, Fraction(1, 90_000), Fraction(1, 10**9)]),
    st.integers(0, 10**4),
)
def test_times_always_increase_and_durations_are_positive(stamps, clock_may_restart, time_base, nominal):
    frames, repairs = repaired(stamps, clock_may_restart=clock_may_restart, time_base=time_base, nominal=nominal)
    assert all(a[0] < b[0] for a, b in pairwise(frames))
    assert all(length > 0 for _, length in frames)
    assert sum(repairs.values()) <= len(stamps)
