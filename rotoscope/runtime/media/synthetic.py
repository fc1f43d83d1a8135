"""Generated frames at a rate: a moving pattern that carries the frame's number, for measurements and tests."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array, Colour, Frame, Orientation, Picture, VideoInfo
from rotoscope.base.rates import exact_rate
from rotoscope.base.sizes import Size
from rotoscope.runtime.media.frame_code import NUMBERS, FrameCode, code_bottom, write_code

PREFIX = "synthetic:"
FORM = f"{PREFIX}WIDTHxHEIGHT[@RATE[:FRAMES]], for example {PREFIX}640x360@30 or {PREFIX}1280x720@30000/1001:300"
MIN_SIDE, MAX_SIDE = 64, 16384  # pixels
GREY = 128  # chroma without colour


class SyntheticSource:
    """4:2:0 8-bit frames (BT.709, limited range): a gradient that scrolls, a square that circles, and the frame's number.

    Frame n shows the same pixels in every run; `frame_code.read_code` finds n again, modulo NUMBERS, also after lossy coding.

    num_frames  frames until the end; None: endless
    wait_until  called before each frame with its time in seconds since the first one, to deliver at the pace of a camera;
                without it frames come as fast as they are asked for
    """

    is_picture = False
    files = ()

    def __init__(
        self,
        size: Size,
        rate: Fraction,
        num_frames: int | None = None,
        *,
        start: Fraction | None = None,
        duration: Fraction | None = None,
        wait_until: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self.losses: Counter[str] = Counter()
        self.notes: list[str] = []
        self.is_cut = start is not None or duration is not None
        self._wait_until = wait_until
        self._is_interrupted = self._is_closed = False
        self._first = self._next = math.ceil((start or 0) * rate)
        ends = [num_frames] if num_frames is not None else []
        if duration is not None:
            ends.append(self._first + max(1, round(duration * rate)))
        self._end = min(ends, default=None)
        self.start_seconds = self._first / rate
        self.end_seconds = None if duration is None else (start or Fraction(0)) + duration
        self.info = VideoInfo(
            path=f"{PREFIX}{size[0]}x{size[1]}@{rate}",
            container="synthetic",
            codec="none",
            width=size[0],
            height=size[1],
            orientation=Orientation(),
            sample_aspect=Fraction(1),
            pixel_format="yuv420p",
            depth=8,
            colour=Colour(),
            time_base=1 / rate,
            average_rate=rate,
            start_pts=0,
            duration_seconds=None if num_frames is None else float(num_frames / rate),
            num_frames_from_header=num_frames,
        )
        self._gradient = _gradient(size)
        self._chroma = _chroma(size)

    @property
    def is_endless(self) -> bool:
        """Whether no number of frames was given."""
        return self._end is None

    def __enter__(self) -> "SyntheticSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            if self._is_closed:
                raise UsageError(f"{self.info.path}: the source is closed; open it again to read it")
            if self._is_interrupted or (self._end is not None and self._next >= self._end):
                return
            number = self._next
            self._next += 1
            self._wait_until(float((number - self._first) * self.info.time_base))
            yield Frame(number - self._first, number, self.info.time_base, 1, self._picture(number))

    def interrupt(self) -> None:
        """End the stream before the next frame, from any thread or signal handler."""
        self._is_interrupted = True

    def close(self) -> None:
        """End the stream."""
        self._is_closed = True
        self.interrupt()

    def _picture(self, number: int) -> Picture:
        height, width = self.info.height, self.info.width
        shift = 2 * number % width
        luma = self._gradient[:, shift : shift + width].copy()
        side = height // 4
        angle = number / 20
        x = round((width - side) * (0.5 + 0.4 * np.cos(angle)))
        y = round((height - side) * (0.5 + 0.4 * np.sin(angle)))
        luma[y : y + side, x : x + side] = 200
        write_code(luma, FrameCode(number % NUMBERS))
        chroma = self._chroma.copy(), self._chroma[::-1].copy()
        for plane in chroma:
            plane[: -(-code_bottom(height) // 2)] = GREY
        return Picture((luma, *chroma))


def parse_synthetic(text: str) -> tuple[Size, Fraction, int | None]:
    """(size, rate, number of frames or None) of `synthetic:640x360@30:300`; rate is 30 if left out."""
    found = re.fullmatch(rf"{PREFIX}(\d+)x(\d+)(?:@(\d+/\d+|\d+(?:\.\d+)?)(?::(\d+))?)?", text)
    if found is None:
        raise UsageError(f"{text}; accepted: {FORM}")
    width, height, rate, count = found.groups()
    size = (int(width), int(height))
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in size) or count == "0" or (rate and rate.endswith("/0")):
        raise UsageError(
            f"{text}; accepted: sides of {MIN_SIDE} to {MAX_SIDE} pixels, a rate above 0, at least 1 frame"
        )
    return size, exact_rate(Fraction(rate or 30)), None if count is None else int(count)


def _gradient(size: Size) -> Array:
    """(H, 2 W) uint8 luma that repeats after W pixels, with detail of several sizes."""
    width, height = size
    x, y = np.arange(width)[None], np.arange(height)[:, None]
    waves = 40 * np.sin(2 * np.pi * 3 * x / width) + 30 * np.sin(2 * np.pi * (8 * x / width + y / 23))
    luma = np.round(110 + waves + 15 * ((x // 8 + y // 8) % 2)).astype(np.uint8)
    return np.concatenate([luma, luma], axis=1)


def _chroma(size: Size) -> Array:
    """((H+1)//2, (W+1)//2) uint8: a diagonal ramp."""
    width, height = (size[0] + 1) // 2, (size[1] + 1) // 2
    x, y = np.arange(width)[None], np.arange(height)[:, None]
    ramp: Array = np.round(96 + 64 * (x / width + y / height) / 2).astype(np.uint8)
    return ramp
