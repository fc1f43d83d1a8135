"""Time per stage: a histogram of milliseconds, whose size does not depend on the length of the video."""

import threading
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

T = TypeVar("T")

_SHORTEST_SECONDS = 1e-6
_BINS_PER_DECADE = 100  # neighbouring bins differ by 2.3 %
_DECADES = 9


class StageTimes:
    """Seconds spent per stage, added from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
        self._totals: dict[str, float] = {}

    def add(self, stage: str, seconds: float) -> None:
        """Count one piece of work."""
        position = np.log10(max(seconds, _SHORTEST_SECONDS) / _SHORTEST_SECONDS) * _BINS_PER_DECADE
        with self._lock:
            counts = self._counts.setdefault(stage, np.zeros(_BINS_PER_DECADE * _DECADES, np.int64))
            counts[min(int(position), len(counts) - 1)] += 1
            self._totals[stage] = self._totals.get(stage, 0.0) + seconds

    def clear(self) -> None:
        """Forget everything, for example the warm-up."""
        with self._lock:
            self._counts.clear()
            self._totals.clear()

    @contextmanager
    def measure(self, stage: str) -> Generator[None, None, None]:
        """Count the time of the block."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - begin)

    def measure_each(self, stage: str, items: Iterable[T]) -> Generator[T, None, None]:
        """Yield the items, counting the time that each takes to come."""
        iterator = iter(items)
        try:
            while True:
                begin = time.perf_counter()
                try:
                    item = next(iterator)
                except StopIteration:
                    return
                self.add(stage, time.perf_counter() - begin)
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def shares(self) -> dict[str, float]:
        """Each stage's part of all the time counted, 0..1."""
        with self._lock:
            whole = sum(self._totals.values())
            return {stage: total / whole for stage, total in self._totals.items()} if whole else {}

    def cumulative(self, limits_ms: Sequence[float]) -> dict[str, dict[float, int]]:
        """Per stage: upper limit in milliseconds -> pieces of work that took at most this long; limits within 2.3 %."""
        with self._lock:
            reached = {stage: np.cumsum(counts) for stage, counts in self._counts.items()}
        upper_ms = _SHORTEST_SECONDS * 1e3 * 10 ** ((np.arange(_BINS_PER_DECADE * _DECADES) + 1) / _BINS_PER_DECADE)
        places = {limit: int(np.searchsorted(upper_ms, limit, side="right")) for limit in limits_ms}
        return {
            stage: {limit: int(counts[place - 1]) if place else 0 for limit, place in places.items()}
            for stage, counts in reached.items()
        }

    def summary(self) -> dict[str, dict[str, float]]:
        """Per stage: share, total seconds, and the milliseconds that 50, 90, 95 and 99 of 100 pieces stay under."""
        result = {}
        for stage, share in self.shares().items():
            counts = self._counts[stage]
            reached = np.cumsum(counts) / counts.sum()
            entry = {"share": round(share, 4), "seconds": round(self._totals[stage], 4)}
            for percent in (50, 90, 95, 99):
                index = int(np.searchsorted(reached, percent / 100)) + 1
                entry[f"p{percent}_ms"] = round(_SHORTEST_SECONDS * 10 ** (index / _BINS_PER_DECADE) * 1e3, 3)
            result[stage] = entry
        return result


def peak_memory_mb() -> float | None:
    """The most memory that this process has held, in MB; None if the system does not report it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    # Not getrusage: its peak is inherited from the process that started this one.
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return round(int(lines["VmHWM"].split()[0]) * 1.024e-3, 1)
