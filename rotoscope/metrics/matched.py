"""Source, result and reference read side by side, frame by frame, each frame held against those of its own time."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import zip_longest
from typing import NamedTuple

from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Frame
from rotoscope.base.rates import exact_rate
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.metrics.pictures import RGB
from rotoscope.runtime.media.open_source import MediaSource, open_source

CLOCK_SECONDS = Fraction(1, 100)  # the coarsest clock of a container (gif); two clocks may round to its two sides


class Moment(NamedTuple):
    """One frame of each video; pictures are (H,W,3) uint8 RGB."""

    seconds: float
    source: RGB
    result: RGB
    reference: RGB | None


def matched_frames(
    source: str, result: str, reference: str | None = None, *, rate: float = 25.0, duration: float | None = None
) -> Iterator[Moment]:
    """The frames of two or three videos that show the same moments, as `side_by_side` reads them."""
    names = [source, result, *([reference] if reference else [])]
    for seconds, (first, second, *third) in side_by_side(names, rate=rate, duration=duration):
        yield Moment(seconds, first, second, third[0] if third else None)


def side_by_side(
    names: Sequence[str], *, rate: float = 25.0, duration: float | None = None
) -> Iterator[tuple[float, list[RGB]]]:
    """(seconds from the first frame, one picture of each video) of videos, folders or patterns; holds one of each.

    duration  seconds to read; by default all
    rate      frames per second of image sequences; where one of the videos is such a sequence, order alone counts
    Raises InputRefused where sizes, numbers of frames or times differ.
    """
    with ExitStack() as stack:
        part = None if duration is None else Fraction(duration).limit_denominator(1_000_000)
        readers = [open_source(name, rate=exact_rate(rate), duration=part) for name in names]
        for reader in readers:
            stack.callback(reader.close)
        untimed = any(reader.info.container == "pictures" for reader in readers)
        starts: list[Fraction] = []
        size: tuple[int, ...] = ()
        for index, frames in enumerate(zip_longest(*readers)):
            complete = _all_there(names, frames, index)
            starts = starts or [frame.seconds for frame in complete]
            if not untimed:
                _same_time(names, [frame.seconds - start for frame, start in zip(complete, starts, strict=True)], index)
            pictures = [rgb_picture(frame.source) for frame in complete]
            size = size or pictures[0].shape
            _same_size(names, pictures, size, index)
            yield float(complete[0].seconds - starts[0]), pictures
        _no_losses(readers)


def frames_of(name: str, *, rate: float = 25.0, duration: float | None = None) -> Iterator[RGB]:
    """The pictures of one video alone, (H,W,3) uint8 RGB."""
    for _, (picture,) in side_by_side([name], rate=rate, duration=duration):
        yield picture


def _all_there(names: Sequence[str], frames: tuple[Frame | None, ...], index: int) -> list[Frame]:
    ended = [name for name, frame in zip(names, frames, strict=True) if frame is None]
    if ended:
        going_on = next(name for name, frame in zip(names, frames, strict=True) if frame is not None)
        raise InputRefused(
            f"{ended[0]} ends after {index} frames, {going_on} goes on; accepted: as many frames in each"
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
