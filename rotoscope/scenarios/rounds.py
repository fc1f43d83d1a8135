"""Summarise rounds of a measurement: percentiles of each, the median of all, and their spread."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np


@dataclass(frozen=True)
class Round:
    """One round. Times are milliseconds, None without frames.

    seconds  real time
    frames   frames that were handed over
    fps      frames per second of real time
    p50_ms, p90_ms, p99_ms, max_ms   from the arrival of a frame to the hand-over of its result
    cores    processor time of this process and of programs that it started, divided by real time
    dropped  frames that were left out because the machine was too slow
    carried  results that were moved along the motion, not translated, for the same reason
    """

    seconds: float
    frames: int
    fps: float
    cores: float
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    dropped: int = 0
    carried: int = 0

    @property
    def cpu_ms(self) -> float | None:
        """Milliseconds of processor time for each frame, over all cores; None without frames."""
        return 1e3 * self.cores * self.seconds / self.frames if self.frames else None


@dataclass(frozen=True)
class Rounds:
    """All rounds of one measurement.

    what       what was measured, for example "single" or "by hand, single"
    size       of the frames, for example "640x360"
    engine, steady   as a run describes them; `engine` says how many frames are in flight
    load_s     opening the models and starting their engines
    cold_ms    the first frame in this process; warm_ms: the first frame of a later stream
    stages     per stage: share, seconds, p50_ms, p90_ms, p95_ms, p99_ms
    memory_mb, peak_memory_mb   resident memory of the process at the end, and its peak
    frames_late  frames that must come after a frame before its result can leave
    network    name and digest of the network, for another program beside ours
    """

    what: str
    size: str
    engine: str
    steady: str
    rounds: tuple[Round, ...]
    load_s: float | None = None
    cold_ms: float | None = None
    warm_ms: float | None = None
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    memory_mb: float | None = None
    peak_memory_mb: float | None = None
    frames_late: int = 0
    network: str = ""
    rate: float | None = None  # at which frames arrived; None: as soon as they could be taken
    is_sustained: bool | None = None
    highest_rate: float | None = None  # that was sustained, if it was looked for

    def middle(self, name: str) -> float | None:
        """The median over the rounds of a field such as "fps" or "p99_ms"; None if a round has none."""
        values = [getattr(item, name) for item in self.rounds]
        known = [float(value) for value in values if value is not None]
        return round(float(median(known)), 3) if known and len(known) == len(values) else None

    def spread(self, name: str) -> float | None:
        """(largest - smallest) / median of a field over the rounds; None with one round."""
        middle = self.middle(name)
        if len(self.rounds) < 2 or not middle:
            return None
        values = [float(getattr(item, name)) for item in self.rounds]
        return round((max(values) - min(values)) / middle, 4)


def made_round(
    latencies_s: Sequence[float], seconds: float, cpu_seconds: float, *, dropped: int = 0, carried: int = 0
) -> Round:
    """Sum up a round: one latency for each frame, in seconds."""
    plain = counted_round(len(latencies_s), seconds, cpu_seconds)
    if not latencies_s:
        return replace(plain, dropped=dropped, carried=carried)
    p50, p90, p99, longest = np.percentile(np.asarray(latencies_s) * 1e3, (50, 90, 99, 100)).round(3).tolist()
    return replace(plain, p50_ms=p50, p90_ms=p90, p99_ms=p99, max_ms=longest, dropped=dropped, carried=carried)


def counted_round(num_frames: int, seconds: float, cpu_seconds: float) -> Round:
    """Sum up a round of which only the number of frames is known."""
    return Round(
        seconds=round(seconds, 4),
        frames=num_frames,
        fps=round(num_frames / seconds, 3),
        cores=round(cpu_seconds / seconds, 3),
    )
