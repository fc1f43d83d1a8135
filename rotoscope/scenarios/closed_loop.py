"""Scenario `single`: the next frame comes when the last one is done, so that the latency is the work for one frame."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from statistics import median

from rotoscope.base.frame import Frame
from rotoscope.base.stage import Chain
from rotoscope.base.times import peak_memory_mb
from rotoscope.runtime.pipeline.finish import Finish
from rotoscope.runtime.pipeline.stages import Stages
from rotoscope.scenarios.clip_frames import ClipFrames
from rotoscope.scenarios.machine import memory_mb
from rotoscope.scenarios.rounds import Round, Rounds, made_round

AGREE = 0.05  # two windows of the warm-up that differ by less than this share end it
WINDOW_FRAMES, WINDOW_SECONDS = 3, 0.2  # at least
FEWEST_WINDOWS = 3
WARM_UP_SECONDS = 10.0  # at most

Started = Callable[[], Stages]
"""Opens the models and makes the stages, with one frame in work at once."""


def measure_single(
    start: Started, clip: ClipFrames, seconds: float, num_rounds: int, on_round: Callable[[int], None] = lambda _n: None
) -> Rounds:
    """Time whole frames, one after the other: to RGB, all stages, to 4:2:0; a GPU is waited for.

    The clip is decoded before. The warm-up ends when two windows agree, or after 10 seconds or `seconds`, what is less.
    """
    with ExitStack() as stack:
        begin = time.perf_counter()
        stages = start()
        stack.callback(stages.workers.close)
        stack.callback(stages.close)
        load_s = time.perf_counter() - begin
        chain = stages.chain(finish_of(stages, clip))
        frames = clip.forth_and_back(clip.info.average_rate or Fraction(25))
        stack.enter_context(stages.active())
        cold_ms = _first_ms(chain, frames)
        chain.flush()
        warm_ms = _first_ms(chain, frames)
        _warm_up(chain, frames, min(seconds, WARM_UP_SECONDS))
        stages.times.clear()
        rounds = []
        for number in range(num_rounds):
            rounds.append(_round(chain, frames, seconds))
            on_round(number)
        return Rounds(
            what="single", size=f"{clip.info.width}x{clip.info.height}", engine=stages.description,
            steady=stages.steadiness.description, rounds=tuple(rounds), load_s=round(load_s, 4),
            cold_ms=round(cold_ms, 3), warm_ms=round(warm_ms, 3), stages=stages.times.summary(),
            memory_mb=memory_mb(), peak_memory_mb=peak_memory_mb(), frames_late=stages.look_ahead,
        )  # fmt: skip


def finish_of(stages: Stages, clip: ClipFrames) -> Finish:
    """The last stage for results of the size that the models give, as 8-bit 4:2:0."""
    picture = (clip.info.width, clip.info.height)
    width, height = stages.natural_size(picture)
    return Finish(
        size=(width - width % 2, height - height % 2), region=stages.region, pixel_format="yuv420p",
        colour=clip.info.colour, depth=8, mix=0.0, compare=False, times=stages.times, device=stages.device,
    )  # fmt: skip


def _first_ms(chain: Chain, frames: Iterator[Frame]) -> float:
    """Milliseconds from the first frame of a stream to the first result."""
    chain.reset()
    begin = time.perf_counter()
    while not chain.step(next(frames)):
        pass
    return (time.perf_counter() - begin) * 1e3


def _warm_up(chain: Chain, frames: Iterator[Frame], most_seconds: float) -> None:
    """Run windows until two agree; three at least, because kernels of later frames may be compiled in the first."""
    end = time.perf_counter() + most_seconds
    before = 0.0
    for num_windows in itertools.count(1):
        window_end = time.perf_counter() + WINDOW_SECONDS
        times: list[float] = []
        while len(times) < WINDOW_FRAMES or time.perf_counter() < window_end:
            begin = time.perf_counter()
            chain.step(next(frames))
            times.append(time.perf_counter() - begin)
        now = median(times)
        if num_windows >= FEWEST_WINDOWS and (abs(now - before) < AGREE * now or time.perf_counter() > end):
            return
        before = now


def _round(chain: Chain, frames: Iterator[Frame], seconds: float) -> Round:
    arrived: dict[int, float] = {}
    latencies: list[float] = []
    cpu, begin = time.process_time(), time.perf_counter()
    while (now := time.perf_counter()) - begin < seconds or not latencies:
        frame = next(frames)
        arrived[frame.index] = now
        for done in chain.step(frame):
            came = arrived.pop(done.index, None)
            if came is not None:  # None: it came in the round before
                latencies.append(time.perf_counter() - came)
    return made_round(latencies, time.perf_counter() - begin, time.process_time() - cpu)
