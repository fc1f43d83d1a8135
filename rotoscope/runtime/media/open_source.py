"""From what the user typed to a reader: a video, a picture, a sequence, or y4m on standard input."""

from fractions import Fraction
from pathlib import Path

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.runtime.media.local_file import open_local
from rotoscope.runtime.media.pictures import SequenceReader, sequence_files
from rotoscope.runtime.media.standard_input import StandardInput
from rotoscope.runtime.media.video_reader import VideoReader

Reader = VideoReader | SequenceReader


def open_source(
    text: str,
    *,
    start: Fraction | None = None,
    duration: Fraction | None = None,
    rate: Fraction = Fraction(25),
    threads: int = 1,
    unconverted: bool = False,
) -> Reader:
    """Open a source for reading; `rate` is for image sequences, which carry no times.

    `start` and `duration` (seconds) choose a part, counted from the first frame. With `unconverted` the pictures are the
    stored numbers: palette indices, label ids, 16-bit values.
    """
    if (start is not None and start < 0) or (duration is not None and duration <= 0):
        raise UsageError(f"start {start} and duration {duration}: seconds from the first frame, duration above 0")
    if text == "-":
        if start is not None:
            raise UsageError("--start needs a file; standard input cannot be rewound")
        pipe = StandardInput()
        return VideoReader(
            "standard input", pipe.opened(), duration=duration, unconverted=unconverted, interrupt=pipe.interrupt
        )
    if "://" in text and not Path(text).exists():
        raise InputRefused(f"{text}: addresses are not read; give a local file")
    files = sequence_files(text)
    if files is not None:
        return SequenceReader(text, files, rate=rate, start=start, duration=duration, unconverted=unconverted)
    path = Path(text)
    opened = open_local(path)
    return VideoReader(text, opened, start=start, duration=duration, threads=threads, unconverted=unconverted)
