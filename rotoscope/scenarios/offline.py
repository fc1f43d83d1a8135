"""Scenario `offline`: frames as fast as they can be translated, without and with codecs."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

from rotoscope.base.frame import Frame, Picture
from rotoscope.base.options import OutputOptions
from rotoscope.base.times import peak_memory_mb
from rotoscope.kernels.float_picture import float_picture
from rotoscope.runtime.pipeline.job import Run
from rotoscope.runtime.pipeline.write import write_frames
from rotoscope.scenarios.clip_frames import ClipFrames
from rotoscope.scenarios.closed_loop import Started, finish_of
from rotoscope.scenarios.machine import memory_mb
from rotoscope.scenarios.rounds import Round, Rounds, counted_round

FEWEST_FRAMES, MOST_FRAMES = 10, 3000  # of the clip that is decoded, translated and encoded

Translate = Callable[[Path, Path], Run]
"""Translates a clip into another file."""


def measure_offline(
    start: Started,
    translate: Translate,
    clip: ClipFrames,
    seconds: float,
    num_rounds: int,
    on_round: Callable[[int], None] = lambda _n: None,
) -> list[Rounds]:
    """Measure frames per second twice: frames of memory through all stages, and a file to a file."""
    without = _without_codecs(start, clip, seconds, num_rounds, on_round)
    fps = without.middle("fps") or 1.0
    num_frames = min(MOST_FRAMES, max(FEWEST_FRAMES, round(fps * seconds)))
    with tempfile.TemporaryDirectory(prefix="rotoscope-bench-") as name:
        source, target = Path(name) / "clip.mp4", Path(name) / "out.mp4"
        write_clip(clip, num_frames, source)
        rounds, run = [], None
        for number in range(num_rounds):
            cpu, begin = time.process_time(), time.perf_counter()
            run = translate(source, target)
            seconds_taken = time.perf_counter() - begin
            rounds.append(counted_round(run.frames_out, seconds_taken, time.process_time() - cpu))
            on_round(num_rounds + number)
    assert run is not None
    coded = Rounds(
        what="file to file", size=without.size, engine=run.engine, steady=run.steady, rounds=tuple(rounds),
        stages=run.stages, memory_mb=memory_mb(), peak_memory_mb=peak_memory_mb(),
    )  # fmt: skip
    return [without, coded]


def write_clip(clip: ClipFrames, num_frames: int, path: Path) -> None:
    """Encode frames of a clip, forth and back, as a file for the run from file to file."""
    rate = clip.info.average_rate or Fraction(25)
    frames = islice(clip.forth_and_back(rate), num_frames)
    shown = (replace(frame, result=Picture((float_picture(frame.source),))) for frame in frames)
    write_frames(path, shown, OutputOptions(overwrite=True))


def _without_codecs(
    start: Started, clip: ClipFrames, seconds: float, num_rounds: int, on_round: Callable[[int], None]
) -> Rounds:
    with ExitStack() as stack:
        begin = time.perf_counter()
        stages = start()
        stack.callback(stages.workers.close)
        stack.callback(stages.close)
        load_s = time.perf_counter() - begin
        stack.enter_context(stages.workers.active())
        frames = clip.forth_and_back(clip.info.average_rate or Fraction(25))
        line = stack.enter_context(closing(stages.line(frames, finish_of(stages, clip))))
        begin = time.perf_counter()
        next(line)
        cold_ms = (time.perf_counter() - begin) * 1e3
        _settle(line, seconds)
        stages.times.clear()
        rounds = []
        for number in range(num_rounds):
            rounds.append(_round(line, seconds))
            on_round(number)
        return Rounds(
            what="frames of memory", size=f"{clip.info.width}x{clip.info.height}", engine=stages.description,
            steady=stages.steadiness.description, rounds=tuple(rounds), load_s=round(load_s, 4),
            cold_ms=round(cold_ms, 3), stages=stages.times.summary(), memory_mb=memory_mb(), peak_memory_mb=peak_memory_mb(),
            frames_late=stages.look_ahead,
        )  # fmt: skip


def _settle(line: Iterator[Frame], seconds: float) -> None:
    """Let the frames in flight fill up: some frames, at most as long as a round."""
    end = time.perf_counter() + seconds
    for _ in range(2 * FEWEST_FRAMES):
        next(line)
        if time.perf_counter() > end:
            return


def _round(line: Iterator[Frame], seconds: float) -> Round:
    count = 0
    cpu, begin = time.process_time(), time.perf_counter()
    while (taken := time.perf_counter() - begin) < seconds or not count:
        next(line)
        count += 1
    return counted_round(count, taken, time.process_time() - cpu)
