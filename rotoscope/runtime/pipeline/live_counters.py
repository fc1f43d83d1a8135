"""Count the frames of a live run, and measure how long each takes from its arrival to the outputs."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from rotoscope.base.frame import Frame
from rotoscope.base.live import Sound

WINDOW_S = 2.0  # of the rates and latencies that are shown
SETTLING_S = 1.0  # after the first result, before the "first second" of a report begins
LIMITS_MS = (5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0, 2000.0, 5000.0, float("inf"))
_BINS_PER_DECADE, _SHORTEST_MS, _DECADES = 100, 0.01, 8  # of the histogram of the whole run; neighbours differ by 2.3 %


@dataclass(frozen=True)
class Recent:
    """Rates and latencies of the last WINDOW_S seconds; None without frames."""

    in_fps: float
    out_fps: float
    p50_ms: float | None
    p99_ms: float | None
    late_share: float


class LiveCounters:
    """Counts of a live run, from any thread.

    clock  monotonic seconds, the clock of `Frame.arrival_s`
    delivered, early, dropped, out, carried   frames so far: given by the source, replaced before the run was ready, replaced
                                              later, handed to the outputs, of these carried
    is_ready   whether the models are warm: set by the run
    audio_offset_s   end of the newest sound minus the time of the newest result; None without sound
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.delivered = self.early = self.dropped = self.out = self.carried = 0
        self.is_ready = False
        self.audio_offset_s: float | None = None
        self._heard_s: Fraction | None = None  # end of the newest sound
        self._clock, self._begin_s = clock, clock()
        self._lock = threading.Lock()
        self._arrivals: deque[float] = deque()
        self._results: deque[tuple[float, float]] = deque()  # (time of the hand-over, latency), seconds
        self._first_second: list[float] = []
        self._first_result_s: float | None = None
        self._max_ms = self._sum_ms = 0.0
        self._bins = np.zeros(_BINS_PER_DECADE * _DECADES, np.int64)

    @property
    def seconds(self) -> float:
        """Seconds since the counters were made."""
        return self._clock() - self._begin_s

    @property
    def in_work(self) -> int:
        """Frames that wait for the network, or are in it."""
        return max(0, self.delivered - self.early - self.dropped - self.out)

    @property
    def latency_sum_ms(self) -> float:
        """Milliseconds that all results took together."""
        return self._sum_ms

    def arrived(self, _frame: Frame) -> None:
        """Count a frame that the source delivered."""
        with self._lock:
            self.delivered += 1
            self._arrivals.append(self._clock())
            self._forget()

    def drop(self, _frame: Frame) -> None:
        """Count a frame that a newer one replaced."""
        with self._lock:
            if self.is_ready:
                self.dropped += 1
            else:
                self.early += 1

    def heard(self, sounds: Sequence[Sound]) -> None:
        """Note sound that is handed to the outputs now, before the result of its time."""
        if sounds:
            self._heard_s = sounds[-1].end_seconds

    def finished(self, frame: Frame) -> None:
        """Count a result that is handed to the outputs now, and its latency."""
        now = self._clock()
        with self._lock:
            self.out += 1
            if self._heard_s is not None:
                self.audio_offset_s = float(self._heard_s - frame.seconds)
            self.carried += frame.carried
            latency = now - frame.arrival_s if frame.arrival_s is not None else 0.0
            self._results.append((now, latency))
            self._forget()
            place = np.log10(max(latency * 1e3, _SHORTEST_MS) / _SHORTEST_MS) * _BINS_PER_DECADE
            self._bins[min(int(place), len(self._bins) - 1)] += 1
            self._max_ms = max(self._max_ms, latency * 1e3)
            self._sum_ms += latency * 1e3
            if self._first_result_s is None:
                self._first_result_s = now
            if SETTLING_S <= now - self._first_result_s < SETTLING_S + 1:
                self._first_second.append(latency * 1e3)

    def recent(self, frame_s: float) -> Recent:
        """Rates and latencies of the last seconds; `frame_s` is the time between two frames of the source."""
        with self._lock:
            self._forget()
            span = max(min(WINDOW_S, self._clock() - self._begin_s), 1e-9)
            latencies = [latency * 1e3 for _, latency in self._results]
            late = sum(latency > frame_s * 1e3 for latency in latencies)
            return Recent(
                in_fps=len(self._arrivals) / span,
                out_fps=len(latencies) / span,
                p50_ms=percentile(latencies, 50),
                p99_ms=percentile(latencies, 99),
                late_share=late / len(latencies) if latencies else 0.0,
            )

    def latency_counts(self) -> dict[float, int]:
        """Upper limit in milliseconds -> results that took at most this long, cumulative."""
        with self._lock:
            reached = np.cumsum(self._bins)
        upper = _SHORTEST_MS * 10 ** ((np.arange(len(reached)) + 1) / _BINS_PER_DECADE)
        places = {limit: int(np.searchsorted(upper, limit, side="right")) for limit in LIMITS_MS[:-1]}
        counts = {limit: int(reached[place - 1]) if place else 0 for limit, place in places.items()}
        return {**counts, LIMITS_MS[-1]: int(reached[-1])}

    def latency_summary(self) -> dict[str, float]:
        """Latency of the whole run in milliseconds: p50, p95, p99, max, and p50 of the first settled and the last second."""
        with self._lock:
            if not self.out:
                return {}
            reached = np.cumsum(self._bins) / self.out
            result = {
                f"p{percent}_ms": round(
                    _SHORTEST_MS * 10 ** ((int(np.searchsorted(reached, percent / 100)) + 1) / _BINS_PER_DECADE), 2
                )
                for percent in (50, 95, 99)
            }
            result = {name: min(value, round(self._max_ms, 2)) for name, value in result.items()}  # a bin has a width
            result["max_ms"] = round(self._max_ms, 2)
            end = self._results[-1][0] if self._results else 0.0
            last = [latency * 1e3 for at, latency in self._results if end - at < 1]
            for name, values in (("first_second_p50_ms", self._first_second), ("last_second_p50_ms", last)):
                if values:
                    result[name] = round(float(np.median(values)), 2)
            return result

    def _forget(self) -> None:
        """Drop what is older than the window, but keep the last second of results for the report."""
        oldest = self._clock() - WINDOW_S
        while self._arrivals and self._arrivals[0] < oldest:
            self._arrivals.popleft()
        while len(self._results) > 1 and self._results[0][0] < oldest:
            self._results.popleft()


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The value that this share of the values stays under; None without values."""
    return float(np.percentile(values, percent)) if values else None
