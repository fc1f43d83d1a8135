"""Measure a live run: send numbered frames through it at a rate, read them at the far end, and sum up."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotoscope.base.errors import OutputFailed
from rotoscope.base.times import peak_memory_mb
from rotoscope.runtime.pipeline.live_job import LiveReport
from rotoscope.runtime.pipeline.live_run import LiveRun
from rotoscope.scenarios.live_chains import CHAINS, ChainName, Rig, Start, wait_for
from rotoscope.scenarios.machine import memory_mb
from rotoscope.scenarios.readings import Latency

SETTLING_SECONDS = 1.0  # after the first frames have arrived, before the measurement begins
SAMPLING_SECONDS = 0.25


@dataclass(frozen=True)
class ChainResult:
    """Measurements of one chain.

    latency, reference  of the run's output, and of the same way without the run, at the same time
    network_ms          median time of a call of the networks
    run                 the report of the whole run, warm-up included
    most_in_work        the most frames that the run had taken and neither handed over nor dropped
    memory_mb           resident memory of this process at the begin, the end, and its peak
    num_threads, num_files   threads and open files at the begin and the end; None if the system does not tell
    load                of the last minute, at the begin and the end
    """

    chain: ChainName
    latency: Latency
    reference: Latency
    network_ms: float | None
    run: LiveReport
    most_in_work: int
    memory_mb: tuple[float | None, float | None, float | None]
    num_threads: tuple[int, int]
    num_files: tuple[int | None, int | None]
    load: tuple[float, float]

    @property
    def adds_up(self) -> bool:
        """Whether frames_in = frames_out + dropped + lost."""
        return self.run.frames_in == self.run.frames_out + self.run.dropped + sum(self.run.losses.values())

    @property
    def above_network_ms(self) -> float | None:
        """Median latency without the time of the network."""
        if self.latency.p50_ms is None or self.network_ms is None:
            return None
        return round(self.latency.p50_ms - self.network_ms, 2)


def measure_live(
    name: ChainName, rig: Rig, start: Start, seconds: float, on_second: Callable[[float], None] = lambda _s: None
) -> ChainResult:
    """Measure one chain for some seconds, after it has settled; `on_second` is called with the seconds that are done."""
    with CHAINS[name](rig, start) as (run, readings, reference):
        wait_for(lambda: readings.num_read, run, f"frames at the end of the chain {name}")
        wait_for(lambda: reference.num_read, run, f"frames at the end of the reference of {name}")
        threading.Event().wait(SETTLING_SECONDS)
        before = _state()
        begin_s = time.monotonic()
        most_in_work = 0
        for done_s in _samples(begin_s, seconds):
            most_in_work = max(most_in_work, _in_work(run))
            if run.wait(0) is not None:
                raise OutputFailed(f"the run ended after {done_s:.1f} s of {seconds:g}")
            on_second(done_s)
        end_s = time.monotonic()
        after = _state()
    report = run.wait()  # the block has ended it, after its reader
    assert report is not None
    network = report.stages.get("translate")
    return ChainResult(
        chain=name,
        latency=readings.latency(begin_s, end_s),
        reference=reference.latency(begin_s, end_s),
        network_ms=None if network is None else round(network["p50_ms"], 2),
        run=report,
        most_in_work=most_in_work,
        memory_mb=(before["memory_mb"], after["memory_mb"], peak_memory_mb()),
        num_threads=(before["threads"], after["threads"]),
        num_files=(before["files"], after["files"]),
        load=(before["load"], after["load"]),
    )


def _samples(begin_s: float, seconds: float) -> Iterator[float]:
    """Yield the seconds since the begin, every SAMPLING_SECONDS, until they are over."""
    pause = threading.Event()
    while (done_s := time.monotonic() - begin_s) < seconds:
        yield done_s
        pause.wait(min(SAMPLING_SECONDS, seconds - done_s))


def _in_work(run: LiveRun) -> int:
    status = run.status()
    return status.frames_in - status.frames_out - status.dropped - sum(status.losses.values())


def _state() -> dict[str, Any]:
    files = Path("/proc/self/fd")
    return {
        "memory_mb": memory_mb(),
        "threads": threading.active_count(),
        "files": len(list(files.iterdir())) if files.exists() else None,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0,
    }
