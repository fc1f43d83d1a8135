"""Scenario `stream`: frames arrive on a clock; how late results are, what is left out, which rate is sustained."""

import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from statistics import median

from rotoscope.base.errors import OutputFailed
from rotoscope.base.live import LiveSink, LiveSource
from rotoscope.base.rates import exact_rate
from rotoscope.base.times import peak_memory_mb
from rotoscope.runtime.pipeline.live_run import LiveRun
from rotoscope.scenarios.clip_camera import ClipCamera, TimedSink
from rotoscope.scenarios.clip_frames import ClipFrames
from rotoscope.scenarios.machine import memory_mb
from rotoscope.scenarios.rounds import Round, Rounds, made_round

SETTLING_SECONDS = 1.0  # after the first results
START_SECONDS = 300.0  # until a run must be ready: a busy machine compiles kernels for minutes
MOST_LATE_FRAMES = 2  # p99 of the latency, in frame times, beyond that of frames that must wait for later ones
MOST_LEFT_OUT = 0.01  # share of the frames
TRIALS = 7  # of --find-rate
NEAR = 1.05  # --find-rate stops when the rate that holds and the one that does not are this close

StartLive = Callable[[LiveSource, LiveSink], LiveRun]


def measure_stream(
    start: StartLive,
    clip: ClipFrames,
    rate: Fraction,
    seconds: float,
    num_rounds: int,
    on_round: Callable[[int], None] = lambda _n: None,
    *,
    frames_late: int = 0,
) -> Rounds:
    """Send the clip at a rate through a live run; rounds are consecutive parts of the same run.

    A rate is sustained if in the median round 99 of 100 results leave within two frame times of their arrival (and the time
    of the `frames_late` frames that they have to wait for), and at most 1 frame in 100 is left out or carried.
    """
    sink = TimedSink()
    begin = time.perf_counter()
    with start(ClipCamera(clip, rate), sink) as run:
        ready = run.wait_until_ready(START_SECONDS)
        load_s = time.perf_counter() - begin
        if not ready:
            run.wait(0)  # raises the error that ended it
            raise OutputFailed(f"the run was not ready within {START_SECONDS:g} s")
        _pause(run, SETTLING_SECONDS)
        rounds = []
        for number in range(num_rounds):
            rounds.append(_round(run, sink, seconds))
            on_round(number)
    report = run.wait()
    assert report is not None
    return Rounds(
        what=f"stream at {float(rate):g} fps", size=f"{clip.info.width}x{clip.info.height}", engine=report.engine,
        steady=report.steady, rounds=tuple(rounds), load_s=round(load_s, 4), stages=report.stages,
        memory_mb=memory_mb(), peak_memory_mb=peak_memory_mb(), frames_late=frames_late,
        rate=float(rate), is_sustained=is_sustained(rounds, float(rate), frames_late),
    )  # fmt: skip


def is_sustained(rounds: list[Round], rate: float, frames_late: int) -> bool:
    """Whether results keep up with frames that arrive at a rate, by the medians of the rounds."""
    late = [item.p99_ms for item in rounds if item.p99_ms is not None]
    left_out = [(item.dropped + item.carried) / max(1, item.dropped + item.frames) for item in rounds]
    limit_ms = (MOST_LATE_FRAMES + frames_late) * 1e3 / rate
    return len(late) == len(rounds) and median(late) <= limit_ms and median(left_out) <= MOST_LEFT_OUT


def find_rate(measure: Callable[[Fraction], Rounds], first: Fraction, highest: Fraction) -> Rounds:
    """Look for the highest rate that is sustained, between 1 and `highest` fps; return the measurement at it.

    Each trial is a whole measurement; at most TRIALS of them. If no rate holds, the last measurement is returned.
    """
    holds: Rounds | None = None
    low, high, rate = 1.0, float(highest), float(first)
    measured = None
    for _trial in range(TRIALS):
        measured = measure(exact_rate(round(rate, 1)))
        if measured.is_sustained:
            holds, low = measured, rate
        else:
            high = rate
        if high / low < NEAR or (measured.is_sustained and rate >= float(highest)):
            break
        is_bounded = high < float(highest)
        rate = min((low * high) ** 0.5 if is_bounded else 2 * low, float(highest))
    assert measured is not None
    return replace(holds or measured, highest_rate=holds.rate if holds else None)


def _round(run: LiveRun, sink: TimedSink, seconds: float) -> Round:
    before, cpu, begin_s = run.status(), time.process_time(), time.monotonic()
    _pause(run, seconds)
    after, end_s = run.status(), time.monotonic()
    return made_round(
        sink.latencies_s(begin_s, end_s), end_s - begin_s, time.process_time() - cpu,
        dropped=after.dropped - before.dropped, carried=after.carried - before.carried,
    )  # fmt: skip


def _pause(run: LiveRun, seconds: float) -> None:
    if run.wait(seconds) is not None:
        raise OutputFailed(f"the run ended before {seconds:g} s were over")
