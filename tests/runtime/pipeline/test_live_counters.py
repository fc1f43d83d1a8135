"""Counts and latencies of a live run, on a clock that the test moves."""

from fractions import Fraction

import pytest
from live_fakes import picture

from rotoscope.base.frame import Frame
from rotoscope.runtime.pipeline.live_counters import LIMITS_MS, LiveCounters


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def frame(arrival_s, **marks):
    return Frame(0, 0, Fraction(1), 1, picture(0), arrival_s=arrival_s, **marks)


def test_rates_and_latencies_are_those_of_the_last_two_seconds(clock):
    counters = LiveCounters(clock)
    for _ in range(200):
        clock.now += 0.05  # 20 frames a second
        counters.arrived(frame(clock.now))
        counters.finished(frame(clock.now - 0.03))
    recent = counters.recent(frame_s=0.05)
    assert recent.in_fps == pytest.approx(20, rel=0.05) and recent.out_fps == pytest.approx(20, rel=0.05)
    assert recent.p50_ms == pytest.approx(30) and recent.p99_ms == pytest.approx(30)
    assert recent.late_share == 0 and counters.recent(frame_s=0.02).late_share == 1
    clock.now += 10
    assert counters.recent(0.05).in_fps == 0


def test_the_whole_run_is_summed_up(clock):
    counters = LiveCounters(clock)
    for number in range(1000):
        clock.now += 0.01
        counters.finished(frame(clock.now - (0.1 if number < 500 else 0.2), carried=number % 2 == 1))
    summary = counters.latency_summary()
    assert summary["p50_ms"] == pytest.approx(100, rel=0.03) and summary["p95_ms"] == pytest.approx(200, rel=0.03)
    assert summary["p95_ms"] <= summary["p99_ms"] <= summary["max_ms"] == pytest.approx(200)
    assert summary["first_second_p50_ms"] == pytest.approx(100) and summary["last_second_p50_ms"] == pytest.approx(200)
    assert (counters.out, counters.carried) == (1000, 500)


def test_the_counts_for_each_limit_are_cumulative(clock):
    counters = LiveCounters(clock)
    for latency in (0.004, 0.04, 0.4, 4, 40):
        counters.finished(frame(clock.now - latency))
    counts = counters.latency_counts()
    assert list(counts) == list(LIMITS_MS)
    assert [counts[limit] for limit in (5.0, 50.0, 500.0, 5000.0, float("inf"))] == [1, 2, 3, 4, 5]


def test_drops_before_the_run_is_ready_are_counted_apart(clock):
    counters = LiveCounters(clock)
    counters.drop(frame(0))
    counters.is_ready = True
    counters.drop(frame(0))
    assert (counters.early, counters.dropped) == (1, 1)


def test_a_run_without_results_has_no_latency(clock):
    assert LiveCounters(clock).latency_summary() == {}
    assert LiveCounters(clock).recent(0.04).p50_ms is None
