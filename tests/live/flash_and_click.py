"""Numbered pictures with a flash and sound with a click in each second; what a reader saw of them, and the offset between both.

Picture n is 320x180, with 16 cells of luma that show n as a binary number, and a lower half that is white in a flash.
"""

import contextlib
import threading
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

from rotoscope.base.frame import Colour, Frame, Picture
from rotoscope.base.live import SOUND_RATE, LiveFormat, Sound

SIZE = WIDTH, HEIGHT = 320, 180
RATE = 30
CELL = 20  # pixels
DARK, BRIGHT = 16, 235
BEGIN = Fraction(100)  # seconds on the clock of the frames at which everything begins
TOLERANCE_MS = 20
CLICK = (0.8 * np.sin(2 * np.pi * 1000 * np.arange(480) / SOUND_RATE)).astype(np.float32)


def live_format(*, has_sound=True):
    return LiveFormat(*SIZE, Fraction(RATE), Colour("709"), has_sound=has_sound)


def picture(number, *, flash=False, noise=None):
    """A picture that shows its number; with `noise`, a generator, it is hard to compress."""
    luma = np.full((HEIGHT, WIDTH), DARK, np.uint8)
    for bit in range(16):
        luma[:60, bit * CELL : (bit + 1) * CELL] = BRIGHT if number >> bit & 1 else DARK
    luma[90:] = BRIGHT if flash else DARK
    if noise is not None:
        luma[60:] = noise.integers(DARK, BRIGHT, (HEIGHT - 60, WIDTH), np.uint8)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return Picture((luma, chroma, chroma), Colour("709"))


def number_of(luma):
    return sum(1 << bit for bit in range(16) if luma[10:50, bit * CELL + 4 : (bit + 1) * CELL - 4].mean() > 128)


def frame(number, seconds, **how):
    """A frame at `seconds` after BEGIN."""
    at, shown = BEGIN + Fraction(seconds), picture(number, **how)
    return Frame(number, at.numerator, Fraction(1, at.denominator), 0, shown, shown)


def sound(begin, end):
    """A piece of sound from sample to sample after BEGIN, with a click at the begin of each second but the first."""
    samples = np.zeros((end - begin, 2), np.float32)
    for second in range(max(1, begin // SOUND_RATE), end // SOUND_RATE + 1):
        at = second * SOUND_RATE - begin
        for step in range(max(0, -at), min(len(CLICK), len(samples) - at)):
            samples[at + step] = CLICK[step]
    return Sound(BEGIN + Fraction(begin, SOUND_RATE), samples)


def send(sink, until, *, has_sound=True, paced=True, most=3000, first=0):
    """Write frames and sound until a condition holds; return how many frames were written."""
    pause = threading.Event()
    step = SOUND_RATE // RATE
    for number in range(first, first + most):
        if until():
            return number - first
        if has_sound:
            sink.write_sound(sound(number * step, (number + 1) * step))
        sink.write(frame(number, Fraction(number, RATE), flash=number >= RATE and number % RATE < 3))
        if paced:
            pause.wait(1 / RATE)
    raise AssertionError(f"{most} frames were not enough: {sink.state} {sink.reason} {sink.losses}")


@dataclass
class Seen:
    """What a reader saw: numbers and times of pictures, times of flashes and clicks, colour tags of the first picture."""

    numbers: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    flashes: list[float] = field(default_factory=list)
    clicks: list[float] = field(default_factory=list)
    tags: tuple[int, ...] = ()

    def offsets_ms(self):
        """For each flash, time of the nearest click minus time of the flash."""
        return [1000 * (min(self.clicks, key=lambda click: abs(click - at)) - at) for at in self.flashes if self.clicks]


def watch(container, seen, *, is_enough=lambda: False):
    """Decode until the end, or until `is_enough`."""
    was_bright = is_loud = True
    for packet in container.demux():
        for item in packet.decode():
            if isinstance(item, av.VideoFrame):
                luma = item.to_ndarray(format="gray")
                seen.tags = seen.tags or (item.colorspace, item.color_range, item.color_primaries, item.color_trc)
                seen.numbers.append(number_of(luma))
                seen.times.append(item.time)
                is_bright = luma[100:].mean() > 128
                if is_bright and not was_bright:
                    seen.flashes.append(item.time)
                was_bright = is_bright
            else:
                level = np.abs(item.to_ndarray()[0])
                if level.max() > 0.3 and not is_loud:
                    seen.clicks.append(item.time + np.argmax(level > 0.3) / item.sample_rate)
                is_loud = level.max() > 0.05
        if is_enough():
            return


@contextlib.contextmanager
def watching(address, *, is_enough, options=None):
    """Watch an address in a thread, which opens it again until it can be opened; yields (what was seen, an event: enough)."""
    seen, enough, given_up = Seen(), threading.Event(), threading.Event()

    def run():
        while not given_up.is_set() and not enough.is_set():
            with (
                contextlib.suppress(av.FFmpegError, OSError),
                av.open(
                    address, timeout=(10, 5), options={"analyzeduration": "1000000", **(options or {})}
                ) as container,
            ):
                watch(container, seen, is_enough=lambda: is_enough(seen) or given_up.is_set())
                if is_enough(seen):
                    enough.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield seen, enough
    finally:
        given_up.set()
        thread.join(60)
