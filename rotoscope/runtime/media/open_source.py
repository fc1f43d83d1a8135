"""Open the source that a user's word names: a video, a picture, a sequence, y4m on standard input, generated frames."""

from fractions import Fraction
from pathlib import Path

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.runtime.media.local_file import open_local
from rotoscope.runtime.media.picture_sequence import PictureSequence
from rotoscope.runtime.media.sequence_files import ignored_files, sequence_files
from rotoscope.runtime.media.standard_input import StandardInput
from rotoscope.runtime.media.synthetic import PREFIX, SyntheticSource, parse_synthetic
from rotoscope.runtime.media.video_source import VideoSource

MediaSource = VideoSource | PictureSequence | SyntheticSource


def open_source(
    text: str,
    *,
    start: Fraction | None = None,
    duration: Fraction | None = None,
    rate: Fraction = Fraction(25),
    threads: int = 1,
    unconverted: bool = False,
) -> MediaSource:
    """Open a source for reading.

    text             a file, a folder, a glob, a %05d pattern, "-" (y4m on standard input) or synthetic:640x360@30
    start, duration  choose a part, in seconds from the first frame
    rate             frames per second of an image sequence, which carries no times
    unconverted      deliver the stored numbers: palette indices, label ids, 16-bit values
    """
    if (start is not None and start < 0) or (duration is not None and duration <= 0):
        raise UsageError(f"start {start} and duration {duration}: seconds from the first frame, duration above 0")
    if text == "-":
        if start is not None:
            raise UsageError("--start needs a file; standard input cannot be rewound")
        pipe = StandardInput()
        return VideoSource(
            "standard input", pipe.opened(), duration=duration, unconverted=unconverted, interrupt_read=pipe.interrupt
        )
    if text.startswith(PREFIX) and not Path(text).exists():
        return SyntheticSource(*parse_synthetic(text), start=start, duration=duration)
    if "://" in text and not Path(text).exists():
        raise InputRefused(f"{text}: addresses are not read; give a local file")
    files = sequence_files(text)
    if files is not None:
        return PictureSequence(
            text,
            files,
            ignored=ignored_files(text),
            rate=rate,
            start=start,
            duration=duration,
            unconverted=unconverted,
        )
    path = Path(text)
    return VideoSource(text, open_local(path), start=start, duration=duration, threads=threads, unconverted=unconverted)
