"""Shares and percentiles of stages, known in advance."""

import threading

import pytest

from rotoscope.base.times import StageTimes


def test_percentiles_are_within_a_bin_of_the_truth():
    times = StageTimes()
    for milliseconds in range(1, 101):
        times.add("decode", milliseconds / 1000)
    summary = times.summary()["decode"]
    for percent in (50, 95, 99):
        assert percent <= summary[f"p{percent}_ms"] <= percent * 1.024  # a bin is 2.3 % wide, its upper edge is told
    assert summary["seconds"] == pytest.approx(5.05)
    assert summary["share"] == 1


def test_counts_by_limit_are_cumulative():
    times = StageTimes()
    for milliseconds in (1, 2, 20, 200, 2000):
        times.add("network", milliseconds / 1e3)
    limits = (0.1, 1.5, 10, 50, 1000, float("inf"))
    assert times.cumulative(limits) == {"network": dict(zip(limits, (0, 1, 2, 3, 4, 5), strict=True))}
    assert StageTimes().cumulative(limits) == {}


def test_shares_add_up():
    times = StageTimes()
    times.add("decode", 1.0)
    times.add("translate", 3.0)
    assert times.shares() == {"decode": 0.25, "translate": 0.75}
    assert StageTimes().shares() == {} == StageTimes().summary()


@pytest.mark.parametrize("seconds", [1e-12, 1e-6, 999.0, 1e9])
def test_extremes_have_a_bin(seconds):
    times = StageTimes()
    times.add("x", seconds)
    assert times.summary()["x"]["p50_ms"] > 0


def test_every_thread_counts():
    times = StageTimes()

    def work():
        for _ in range(1000):
            times.add("x", 0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert times.summary()["x"]["seconds"] == pytest.approx(4.0)


def test_measuring_an_iterator_passes_its_items_its_error_and_its_end_on():
    times = StageTimes()
    assert list(times.measure_each("x", iter([1, 2, 3]))) == [1, 2, 3]

    closed = []

    def items():
        try:
            yield 1
            raise ValueError("broken")
        finally:
            closed.append(True)

    with pytest.raises(ValueError, match="broken"):
        list(times.measure_each("x", items()))
    stream = times.measure_each("x", items())
    next(stream)
    stream.close()
    assert closed == [True, True]


def test_a_block_that_fails_is_counted_too():
    times = StageTimes()
    with pytest.raises(RuntimeError), times.measure("x"):
        raise RuntimeError
    assert "x" in times.summary()
