"""Warm up the stages of a live run, and choose its working size: the largest at which the machine keeps up with the source."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import numpy as np

from rotoscope.base.frame import Colour, Frame, Picture
from rotoscope.base.sizes import Size
from rotoscope.base.stage import feed
from rotoscope.runtime.pipeline.finish import Finish
from rotoscope.runtime.pipeline.keep_pace import BUSY
from rotoscope.runtime.pipeline.stages import Stages
from rotoscope.runtime.steady.flicker import FIRST

log = logging.getLogger(__name__)

AUTO = "auto"
SHORTER_SIDES = (1080, 720, 540, 480, 432, 360, 324, 288, 252, 216, 180, 144)  # pixels, tried from the largest down
FIRST_TRIED = 288  # small enough to be measured quickly; its time tells where to go on
MEASURED_FRAMES = 5
USUAL_SIZE = (640, 360)  # of a source that is not known yet


def choose_working_size(
    make_stages: Callable[[str], Stages],
    make_finish: Callable[[Stages], Finish],
    frame: Frame,
    frame_s: float,
    *,
    is_stopped: Callable[[], bool],
) -> str:
    """The largest of SHORTER_SIDES, such as "360p", whose frames take at most BUSY of the time between two frames.

    make_stages  makes the stages for a working size
    frame        a frame of the source, used for the measurement
    frame_s      seconds between two frames
    The smallest side is returned where none is fast enough.
    """
    shorter = min(frame.source.size)
    sides = [side for side in SHORTER_SIDES if side <= shorter] or [SHORTER_SIDES[-1]]
    allowed = BUSY * frame_s
    begin = max((side for side in sides if side <= FIRST_TRIED), default=sides[-1])
    measured = _seconds(make_stages, make_finish, frame, begin)
    # Time grows with the number of pixels: measure first where this says that it fits, then one size after the other.
    guess = begin * (allowed / measured) ** 0.5
    place = next((place for place, side in enumerate(sides) if side <= guess), len(sides) - 1)
    for side in sides[place:]:
        if is_stopped():
            break
        seconds = measured if side == begin else _seconds(make_stages, make_finish, frame, side)
        log.info("working size %dp: %.0f ms for a frame; there are %.0f", side, seconds * 1e3, frame_s * 1e3)
        if seconds <= allowed:
            return f"{side}p"
    return f"{sides[-1]}p"


def _seconds(
    make_stages: Callable[[str], Stages], make_finish: Callable[[Stages], Finish], frame: Frame, side: int
) -> float:
    """The median time of a frame at this working size, in seconds, after two frames of warm-up."""
    with closing(make_stages(f"{side}p")) as stages:
        return warmed_up(stages, make_finish(stages), frame, MEASURED_FRAMES)


def warmed_up(stages: Stages, finish: Finish, frame: Frame, num_measured: int = 1) -> float:
    """Pass a frame through stages until they are warm, then some more times; return the median of these, in seconds.

    Then a frame is carried, where the stages can: no kernel is left that the first frames of the run would have to load.
    """
    line = stages.chain(finish)
    line.reset()
    times = []
    with stages.active():
        for index in range(FIRST, FIRST + 2 + num_measured):  # of frames whose flicker is measured
            begin = time.perf_counter()
            feed(line, replace(frame, index=index))
            times.append(time.perf_counter() - begin)
        if (keys := stages.steadiness.keys) is not None:
            every, keys.every = keys.every, 2
            for index in range(2):
                feed(line, replace(frame, index=index))
            keys.every = every
        line.flush()
    line.reset()
    return sorted(times[2:])[num_measured // 2]


def load_kernels(stages: Stages) -> None:
    """Pass a black frame through the stages before the source is connected: loading the kernels takes seconds."""
    width, height = USUAL_SIZE
    luma, chroma = np.zeros((height, width), np.uint8), np.full((height // 2, width // 2), 128, np.uint8)
    frame = Frame(0, 0, Fraction(1, 30), 1, Picture((luma, chroma, chroma)))
    finish = Finish(
        size=USUAL_SIZE, region=stages.region, pixel_format="yuv420p", colour=Colour(), depth=8, mix=0.0, compare=False,
        times=stages.times, device=stages.device,
    )  # fmt: skip
    warmed_up(stages, finish, frame)


def even(size: Size) -> Size:
    """The nearest (width, height) with even sides, at least 2."""
    width, height = (max(2, round(side / 2) * 2) for side in size)
    return width, height
