"""Open the source that a user's word names: a video, a picture, a sequence, y4m on standard input, generated frames."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol, Self

from rotoscope.base.device import Device
from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.options import Hdr
from rotoscope.base.source import Source
from rotoscope.runtime.media.open_file import open_file
from rotoscope.runtime.media.picture_sequence import PictureSequence
from rotoscope.runtime.media.sequence_files import PATTERN, ignored_files, sequence_files
from rotoscope.runtime.media.standard_input import StandardInput
from rotoscope.runtime.media.synthetic import PREFIX, SyntheticSource, parse_synthetic
from rotoscope.runtime.media.video_source import VideoSource


class MediaSource(Source, Protocol):
    """A source of frames that a run can finish: a video, a picture, a sequence, a pipe, generated frames."""

    def __enter__(self) -> Self:
        """Use in a `with` block, which closes it."""
        ...

    def __exit__(self, *_: object) -> None:
        """Close it."""
        ...

    @property
    def files(self) -> Sequence[Path]:
        """The picture files of a sequence, one for each frame; empty for other sources."""
        ...

    @property
    def is_picture(self) -> bool:
        """Whether it is one still picture."""
        ...

    @property
    def is_cut(self) -> bool:
        """Whether only a part of it is delivered."""
        ...

    @property
    def start_seconds(self) -> Fraction:
        """Time of the first frame that is delivered, on the source's own clock."""
        ...

    @property
    def end_seconds(self) -> Fraction | None:
        """Time from which on nothing is delivered; None: to the end."""
        ...


def open_source(
    text: str,
    *,
    start: Fraction | None = None,
    duration: Fraction | None = None,
    rate: Fraction = Fraction(25),
    threads: int = 1,
    unconverted: bool = False,
    gpu: Device | None = None,
    keep_alpha: bool = False,
    deinterlace: bool = False,
    hdr: Hdr | None = None,
) -> MediaSource:
    """Open a source for reading.

    text             a file, a folder, a glob, a %05d pattern, "-" (y4m on standard input) or synthetic:640x360@30
    start, duration  choose a part, in seconds from the first frame
    rate             frames per second of an image sequence, which carries no times
    unconverted      deliver the stored numbers: palette indices, label ids, 16-bit values
    keep_alpha       pictures carry their alpha; otherwise transparency is laid over black
    deinterlace, hdr  as in the options of a translation
    gpu              decodes a video file if it can, in pictures that stay on it; its context must be current in this thread
    """
    if not text:
        raise UsageError('source "": an empty name; accepted: a file, a folder, a pattern, - for standard input')
    if (start is not None and start < 0) or (duration is not None and duration <= 0):
        raise UsageError(f"start {start} and duration {duration}: seconds from the first frame, duration above 0")
    if text == "-":
        if start is not None:
            raise UsageError("--start needs a file; standard input cannot be rewound")
        pipe = StandardInput()
        return VideoSource("standard input", pipe.opened(), duration=duration, unconverted=unconverted, pipe=pipe)
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
            keep_alpha=keep_alpha,
            hdr=hdr,
            is_pattern=PATTERN.search(Path(text).name) is not None and not Path(text).is_dir(),
        )
    return open_file(
        text, rate=rate, start=start, duration=duration, threads=threads, unconverted=unconverted, gpu=gpu,
        keep_alpha=keep_alpha, deinterlace=deinterlace, hdr=hdr,
    )  # fmt: skip
