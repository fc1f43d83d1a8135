"""Read an image sequence: picture files as frames at a constant rate."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.frame import Frame, Picture, VideoInfo
from rotoscope.base.options import Hdr
from rotoscope.runtime.media.open_file import open_file
from rotoscope.runtime.media.sequence_files import named_numbers, positions
from rotoscope.runtime.media.still_source import StillSource

NAMED_IGNORED = 3  # names of ignored files that a note lists


class PictureSequence:
    """Picture files as frames at a constant rate, read once; times inside the files mean nothing.

    Frame i is `files[i]`: a file that cannot be decoded leaves a gap in index and time, and a number that is missing between
    the names leaves one in time, so that the frame before is shown longer (`sequence_files.positions`). Files before the
    first one that can be decoded are tried when the sequence is opened; InputRefused if none can be.
    """

    is_endless = False
    is_picture = False
    is_cut = False
    start_seconds = Fraction(0)
    end_seconds: Fraction | None = None

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        *,
        rate: Fraction,
        ignored: Sequence[Path] = (),
        start: Fraction | None = None,
        duration: Fraction | None = None,
        unconverted: bool = False,
        is_pattern: bool = False,
        keep_alpha: bool = False,
        hdr: Hdr | None = None,
    ) -> None:
        self.losses: Counter[str] = Counter()
        self.notes: list[str] = []
        self._unconverted, self._keep_alpha, self._hdr = unconverted, keep_alpha, hdr
        self._is_interrupted = self._is_closed = False
        first = round((start or Fraction(0)) * rate)
        last = None if duration is None else first + max(1, round(duration * rate))
        at, missing = positions(files, is_pattern=is_pattern)
        chosen = [index for index, shown in enumerate(at) if shown >= first and (last is None or shown < last)]
        self.files = [files[index] for index in chosen]
        # When each file is shown, in frames from the first one that is read, and when the last one ends.
        ends = [*at[1:], at[-1] + 1]
        times = [at[index] for index in chosen] + [min(ends[index], last or ends[index]) for index in chosen[-1:]]
        self._at = [time - times[0] for time in times]
        if missing:
            self.notes.append(
                f"{len(missing)} frame number{'s' * (len(missing) > 1)} missing ({named_numbers(missing)}); "
                "the frame before is shown longer"
            )
        if not self.files:
            raise InputRefused(f"{name}: {len(files)} pictures at {rate}/s end before the start asked for")
        if ignored:
            names = ", ".join(file.name for file in ignored[:NAMED_IGNORED]) + ", ..." * (len(ignored) > NAMED_IGNORED)
            self.notes.append(f"{len(ignored)} file{'s' * (len(ignored) > 1)} of the folder ignored: {names}")
        self._time_base = 1 / rate
        self._next_index = 0
        self._pending: Frame | None = None
        self._size: tuple[int, int] | None = None
        num_notes = len(self.notes)
        decoded = self._decode_next()
        if decoded is None:
            why = self.notes[num_notes]
            raise InputRefused(f"{name}: none of {len(self.files)} pictures can be decoded; first: {why}")
        self._pending = decoded[0]
        self.info: VideoInfo = replace(
            decoded[1],
            path=name,
            container="pictures",
            time_base=self._time_base,
            average_rate=rate,
            start_pts=0,
            duration_seconds=float((self._at[-1] - self._at[0]) / rate),
            num_frames_from_header=len(self.files),
        )

    def __enter__(self) -> "PictureSequence":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            if self._is_closed:
                raise UsageError(f"{self.info.path}: the source is closed; open it again to read it")
            if self._is_interrupted:
                return
            frame, self._pending = self._pending, None
            if frame is None:
                decoded = self._decode_next()
                if decoded is None:
                    return
                frame = decoded[0]
            yield frame

    def interrupt(self) -> None:
        """End the stream before the next picture, from any thread or signal handler."""
        self._is_interrupted = True

    def close(self) -> None:
        """End the stream; no file stays open between two pictures."""
        self._is_closed = True

    def _decode_next(self) -> tuple[Frame, VideoInfo] | None:
        """The next file that can be decoded, and what its header says; None after the last one."""
        while self._next_index < len(self.files):
            index, file = self._next_index, self.files[self._next_index]
            self._next_index += 1
            try:
                picture, info = self._read(file)
            except InputRefused as error:
                self.losses["pictures that could not be decoded"] += 1
                self.notes.append(str(error))
                continue
            size = (picture.width, picture.height)
            if self._size is not None and size != self._size:
                before = self._size
                self.notes.append(f"{file.name}: {before[0]}x{before[1]} becomes {size[0]}x{size[1]}")
            self._size = size
            shown, until = self._at[index], self._at[index + 1]
            return Frame(index, shown, self._time_base, until - shown, picture), info
        return None

    def _read(self, file: Path) -> tuple[Picture, VideoInfo]:
        with open_file(str(file), unconverted=self._unconverted, keep_alpha=self._keep_alpha, hdr=self._hdr) as source:
            frames = iter(source)
            picture = next(frames).source
            if isinstance(source, StillSource) and not source.is_picture:
                self.notes.append(f"{file.name}: {source.info.num_frames_from_header} pages; the first is used")
            elif not source.is_picture and next(frames, None) is not None:
                raise InputRefused(f"{file}: a video of several frames, not a picture of a sequence")
            self.losses += source.losses  # adds what is above zero
            if self._size is None:
                self.notes.extend(source.notes)
            return picture, source.info
