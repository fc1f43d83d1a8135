"""Read the pages of a picture file (`still_file`) as frames: one picture, the pages of a TIFF, an animated WebP."""

import threading
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.frame import Frame, Orientation, Picture, VideoInfo
from rotoscope.base.options import Hdr
from rotoscope.runtime.media.hdr import NOTES, SDR, sdr_picture
from rotoscope.runtime.media.still_file import DAMAGED, DEFAULT_STEP_MS, StillFile

_MS = Fraction(1, 1000)


class StillSource:
    """The pages of a picture file as frames, read once.

    One page is a picture. Several pages of a TIFF are a sequence at a constant `rate`; an animation has its own times.
    With `hdr`, pictures of PQ and HLG are SDR of 16 bits. A page that cannot be decoded is counted and leaves a gap;
    InputRefused if the first one cannot be.
    """

    is_endless = False
    files: Sequence[Path] = ()
    start_seconds = Fraction(0)

    def __init__(
        self,
        name: str,
        file: StillFile,
        *,
        rate: Fraction = Fraction(25),
        start: Fraction | None = None,
        duration: Fraction | None = None,
        hdr: Hdr | None = None,
    ) -> None:
        self.losses: Counter[str] = Counter()
        self.notes = file.notes
        self._name, self._file, self._hdr = name, file, hdr
        self._start, self._duration = start or Fraction(0), duration
        self._is_animation = file.steps_ms is not None
        self.is_picture = file.pages == 1
        self.is_cut = self._is_animation and (start is not None or duration is not None)
        self._is_interrupted = self._is_closed = False
        self._reading = threading.Lock()
        self._rate = rate
        first, last = 0, file.pages
        if not self._is_animation:
            first = round(self._start * rate)
            last = file.pages if duration is None else min(last, first + max(1, round(duration * rate)))
        self._numbers = range(first, last)
        if not self._numbers:
            file.close()
            raise InputRefused(
                f"{name}: {file.pages} page{'s' * (file.pages > 1)} at {rate}/s end before the start asked for"
            )
        try:
            self._first = self._read(first)
        except DAMAGED as error:
            file.close()
            raise InputRefused(f"{name}: {_why(error)}") from error
        self.info = self._describe()
        if self.info.colour.is_hdr:
            self.notes.append(NOTES[hdr])
            if hdr == "tonemap":
                self.info = replace(self.info, colour=SDR)
        self._frames = self._animated() if self._is_animation else self._paged()

    def __enter__(self) -> "StillSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def end_seconds(self) -> Fraction | None:
        """Time from which on nothing of an animation is delivered."""
        return None if self._duration is None or not self._is_animation else self._start + self._duration

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._reading:
                if self._is_closed:
                    raise UsageError(f"{self._name}: the source is closed; open it again to read it")
                frame = None if self._is_interrupted else next(self._frames, None)
            if frame is None:
                return
            yield frame

    def interrupt(self) -> None:
        """End the stream before the next page, from any thread or signal handler."""
        self._is_interrupted = True

    def close(self) -> None:
        """Release the file, after a read that another thread is in."""
        self._is_interrupted = self._is_closed = True
        with self._reading:
            self._frames.close()
            self._file.close()

    def _read(self, number: int) -> Picture:
        picture = self._file.read(number)
        self._colour = picture.colour
        return sdr_picture(picture) if self._hdr is not None and picture.colour.is_hdr else picture

    def _describe(self) -> VideoInfo:
        picture, count = self._first, len(self._numbers)
        step_ms = (self._file.steps_ms or {}).get(0, DEFAULT_STEP_MS)
        rate = Fraction(1000, step_ms) if self._is_animation else self._rate
        return VideoInfo(
            path=self._name,
            # Pages without times are a sequence of pictures.
            container=self._file.kind.lower() if self._is_animation or self.is_picture else "pictures",
            codec=self._file.kind.lower(),
            width=picture.width,
            height=picture.height,
            orientation=Orientation(),
            sample_aspect=Fraction(1),
            pixel_format=self._file.pixel_format,
            depth=self._file.depth,
            colour=self._colour,  # as stored
            time_base=_MS if self._is_animation else 1 / rate,
            average_rate=rate,
            start_pts=0,
            duration_seconds=None if self._is_animation else float(count / rate),
            num_frames_from_header=count,
        )

    def _pages(self) -> Iterator[tuple[int, Picture | None]]:
        """Number and picture of every page; None for a damaged one."""
        for number in self._numbers:
            first = number == self._numbers[0]
            try:
                picture = self._first if first else self._read(number)
            except DAMAGED as error:
                self.losses["pictures that could not be decoded"] += 1
                self.notes.append(f"page {number + 1}: {_why(error)}")
                yield number, None
                continue
            yield number, picture

    def _paged(self) -> Generator[Frame, None, None]:
        size = (self.info.width, self.info.height)
        for index, (number, picture) in enumerate(self._pages()):
            if picture is None:
                continue
            if picture.size != size:
                self.notes.append(f"page {number + 1}: {size[0]}x{size[1]} becomes {picture.width}x{picture.height}")
            size = picture.size
            yield Frame(index, index, self.info.time_base, 1, picture)

    def _animated(self) -> Generator[Frame, None, None]:
        assert self._file.steps_ms is not None
        pts, index, end = 0, 0, self.end_seconds
        for number, picture in self._pages():
            if end is not None and pts * _MS >= end:
                return
            step = self._file.steps_ms.get(number, DEFAULT_STEP_MS)
            if picture is not None and pts * _MS >= self._start:
                if index == 0:
                    self.start_seconds = pts * _MS
                yield Frame(index, pts, _MS, step, picture)
                index += 1
            pts += step
        if index == 0:
            raise InputRefused(f"{self._name}: it ends before {float(self._start):.3f} s")


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"it cannot be decoded ({error})"
