"""Read source, result and reference together: at each step one frame of each video, all of the same time."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import zip_longest
from typing import NamedTuple

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.frame import Frame
from rotoscope.base.rates import exact_rate
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.metrics.rgb_array import RGB
from rotoscope.runtime.media.open_source import MediaSource, open_source

CLOCK_SECONDS = Fraction(1, 100)  # step of the coarsest container clock (gif), by which rounded times may differ


class MatchedFrame(NamedTuple):
    """One frame of each video; pictures are (H,W,3) uint8 RGB. `reference` is None if there is no reference video."""

    seconds: float
    source: RGB
    result: RGB
    reference: RGB | None


def matched_frames(
    source: str,
    result: str,
    reference: str | None = None,
    *,
    start: float | None = None,
    duration: float | None = None,
    rate: float = 25.0,
) -> Iterator[MatchedFrame]:
    """Read two or three videos; arguments and errors are those of `side_by_side`, the source being the first video."""
    names = [source, result, *([reference] if reference else [])]
    for seconds, (first, second, *third) in side_by_side(names, start=start, duration=duration, rate=rate):
        yield MatchedFrame(seconds, first, second, third[0] if third else None)


def side_by_side(
    names: Sequence[str], *, start: float | None = None, duration: float | None = None, rate: float = 25.0
) -> Iterator[tuple[float, list[RGB]]]:
    """Yield (seconds since the first frame, one (H,W,3) uint8 picture of each video); one frame of each is held.

    names     videos, folders or patterns of pictures
    start     seconds at which to begin in the first video; the others are read from their first frame on
    duration  seconds to read of each video; None: all
    rate      frames per second of image sequences. If one video is an image sequence, frames are matched by order, not time
    Raises InputRefused if sizes, numbers of frames or times differ, or if a frame is damaged.
    """
    with ExitStack() as stack:
        readers: list[MediaSource] = []
        for name in names:
            begin = None if readers else start
            readers.append(stack.enter_context(opened(name, start=begin, duration=duration, rate=rate)))
        untimed = any(reader.info.container == "pictures" for reader in readers)
        starts: list[Fraction] = []
        size: tuple[int, ...] = ()
        for index, frames in enumerate(zip_longest(*readers)):
            complete = _all_there(names, frames, index)
            starts = starts or [frame.seconds for frame in complete]
            if not untimed:
                _same_time(names, [frame.seconds - first for frame, first in zip(complete, starts, strict=True)], index)
            pictures = [rgb_picture(frame.source) for frame in complete]
            size = size or pictures[0].shape
            _same_size(names, pictures, size, index)
            yield float(complete[0].seconds - starts[0]), pictures
        _no_losses(readers)


def opened(
    name: str,
    *,
    start: float | None = None,
    duration: float | None = None,
    rate: float = 25.0,
    unconverted: bool = False,
) -> MediaSource:
    """Open a video, folder or pattern to read it once.

    start, duration  seconds; None: from the first frame, to the end
    rate             frames per second of image sequences
    unconverted      give the stored numbers of PNG files, not colours
    """
    begin, part = (
        None if value is None else Fraction(value).limit_denominator(1_000_000) for value in (start, duration)
    )
    return open_source(name, rate=exact_rate(rate), start=begin, duration=part, unconverted=unconverted)


def frames_of(
    name: str, *, start: float | None = None, duration: float | None = None, rate: float = 25.0
) -> Iterator[RGB]:
    """Yield the pictures of one video, (H,W,3) uint8 RGB."""
    for _, (picture,) in side_by_side([name], start=start, duration=duration, rate=rate):
        yield picture


def pictures_of(name: str, duration: float | None = None, rate: float = 25.0) -> Iterator[RGB]:
    """Yield pictures (H,W,3) uint8 RGB, each of a size of its own; raises InputRefused for a damaged one."""
    with opened(name, duration=duration, rate=rate) as reader:
        for frame in reader:
            yield rgb_picture(frame.source)
        _no_losses([reader])


def spread_frames(source: str, count: int) -> tuple[list[RGB], list[float]]:
    """Choose frames evenly over a source: (`count` or fewer (H,W,3) uint8 pictures, their times in seconds).

    The source is read twice: first to count its frames. Raises UsageError for standard input and for a count below 1,
    InputRefused for a source without frames.
    """
    if source == "-":
        raise UsageError("-: standard input can be read only once; accepted: a file, a folder or a pattern")
    if count < 1:
        raise UsageError(f"frames {count}; accepted: at least 1")
    with open_source(source, threads=0) as reader:
        total = sum(1 for _ in reader)
    if total == 0:
        raise InputRefused(f"{source}: no frame in it")
    wanted = {round(index * (total - 1) / max(1, count - 1)) for index in range(count)}
    with open_source(source, threads=0) as reader:
        chosen = [
            (rgb_picture(frame.source), float(frame.seconds)) for index, frame in enumerate(reader) if index in wanted
        ]
    return [picture for picture, _ in chosen], [seconds for _, seconds in chosen]


def _all_there(names: Sequence[str], frames: tuple[Frame | None, ...], index: int) -> list[Frame]:
    """Return the frames; raises InputRefused if one video has ended before the others."""
    ended = [name for name, frame in zip(names, frames, strict=True) if frame is None]
    if ended:
        going_on = next(name for name, frame in zip(names, frames, strict=True) if frame is not None)
        raise InputRefused(
            f"{ended[0]} ends after {index} frames, {going_on} goes on; accepted: as many frames in each "
            "(--start and --duration choose a part of the source)"
        )
    return [frame for frame in frames if frame is not None]


def _same_time(names: Sequence[str], times: list[Fraction], index: int) -> None:
    for name, time in zip(names, times, strict=True):
        if abs(time - times[0]) > CLOCK_SECONDS:
            raise InputRefused(
                f"frame {index} of {names[0]} is shown after {float(times[0]):.3f} s, that of {name} after "
                f"{float(time):.3f} s; accepted: the same times, up to {float(CLOCK_SECONDS)} s"
            )


def _same_size(names: Sequence[str], pictures: list[RGB], wanted: tuple[int, ...], index: int) -> None:
    size = f"{wanted[1]}x{wanted[0]}"
    for name, picture in zip(names, pictures, strict=True):
        if picture.shape != wanted:
            raise InputRefused(
                f"frame {index} of {name} is {picture.shape[1]}x{picture.shape[0]}, {names[0]} begins with {size}; "
                f"accepted: one size (translate with --output-size {size})"
            )


def _no_losses(readers: list[MediaSource]) -> None:
    for reader in readers:
        if reader.losses:
            lost = ", ".join(f"{count} {what}" for what, count in reader.losses.items())
            raise InputRefused(f"{reader.info.path}: {lost}; a damaged video cannot be measured")
