"""Scenario `offline`: frames as fast as they can be translated, without and with codecs."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2

from rotoscope.base.errors import OutputFailed
from rotoscope.base.frame import Array, Frame, Picture
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

SAME_NETWORK_DB = 20.0  # least PSNR between the first frames of two programs, after their codecs
Translate = Callable[[Path, Path], Run]
"""Translates a clip into another file."""


@dataclass(frozen=True)
class FileProgram:
    """Another program that translates a file into a file.

    what       for the table, for example "by hand, file to file"
    engine     what runs the network
    network    name and digest of the network
    translate  (source, target) -> number of frames
    """

    what: str
    engine: str
    network: str
    translate: Callable[[Path, Path], int]


def measure_offline(
    start: Started,
    translate: Translate,
    clip: ClipFrames,
    seconds: float,
    num_rounds: int,
    on_round: Callable[[int], None] = lambda _n: None,
    peers: Sequence[FileProgram] = (),
) -> tuple[list[Rounds], list[str]]:
    """Measure frames per second: frames of memory through all stages, then a file to a file, in turns with the peers.

    A peer that fails, or whose first frame is another picture than ours, is left out: the second result says why.
    """
    without = _without_codecs(start, clip, seconds, num_rounds, on_round)
    fps = without.middle("fps") or 1.0
    num_frames = min(MOST_FRAMES, max(FEWEST_FRAMES, round(fps * seconds)))
    run: Run | None = None

    def ours(source: Path, target: Path) -> int:
        nonlocal run
        run = translate(source, target)
        return run.frames_out

    with tempfile.TemporaryDirectory(prefix="rotoscope-bench-") as name:
        folder = Path(name)
        alike, left_out = _alike(clip, folder, ours, peers) if peers else ([], [])
        programs: list[Callable[[Path, Path], int]] = [ours, *(peer.translate for peer in alike)]
        rounds: list[list[Round]] = [[] for _ in programs]
        write_clip(clip, num_frames, folder / "clip.mp4")
        for number in range(num_rounds):
            for place, program in enumerate(programs):
                rounds[place].append(_file_round(program, folder / "clip.mp4", folder / f"out-{place}.mp4"))
            on_round(num_rounds + number)
    assert run is not None
    coded = Rounds(
        what="file to file", size=without.size, engine=run.engine, steady=run.steady, rounds=tuple(rounds[0]),
        stages=run.stages, memory_mb=memory_mb(), peak_memory_mb=peak_memory_mb(),
    )  # fmt: skip
    others = [
        Rounds(peer.what, without.size, peer.engine, "off", tuple(made), network=peer.network)
        for peer, made in zip(alike, rounds[1:], strict=True)
    ]
    return [without, coded, *others], left_out


def _file_round(program: Callable[[Path, Path], int], source: Path, target: Path) -> Round:
    cpu, begin = _processor_seconds(), time.perf_counter()
    count = program(source, target)
    taken = time.perf_counter() - begin
    return counted_round(count, taken, _processor_seconds() - cpu)


def _processor_seconds() -> float:
    """Of this process, and of the programs that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _alike(
    clip: ClipFrames, folder: Path, ours: Callable[[Path, Path], int], peers: Sequence[FileProgram]
) -> tuple[list[FileProgram], list[str]]:
    """Translate a few frames with each program, which also warms it up, and compare the first frames."""
    source = folder / "few.mp4"
    write_clip(clip, FEWEST_FRAMES, source)
    ours(source, folder / "ours.mp4")
    our_picture = _first_picture(folder / "ours.mp4")
    alike, left_out = [], []
    for place, peer in enumerate(peers):
        target = folder / f"few-{place}.mp4"
        try:
            peer.translate(source, target)
            psnr = cv2.PSNR(*_same_size(our_picture, _first_picture(target)))
        except OutputFailed as error:
            left_out.append(str(error))
            continue
        if psnr >= SAME_NETWORK_DB:
            alike.append(peer)
        else:
            left_out.append(
                f"{peer.engine}: its first frame is another picture than ours (PSNR {psnr:.1f} dB, accepted: "
                f"{SAME_NETWORK_DB:g} or more)"
            )
    return alike, left_out


def _same_size(first: Array, second: Array) -> tuple[Array, Array]:
    """Crop both to what they share: results of odd sides may lose a row or a column to the codec."""
    height, width = min(first.shape[0], second.shape[0]), min(first.shape[1], second.shape[1])
    return first[:height, :width], second[:height, :width]


def _first_picture(path: Path) -> Array:
    capture = cv2.VideoCapture(str(path))
    try:
        is_read, picture = capture.read()
    finally:
        capture.release()
    if not is_read:
        raise OutputFailed(f"{path.name}: no frame was written")
    return picture


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
