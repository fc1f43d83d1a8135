"""Frames of a clip in memory, for measurements that must not wait for a decoder."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Colour, Frame, Picture, VideoInfo
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.float_picture import float_picture
from rotoscope.runtime.media.open_source import open_source
from rotoscope.runtime.pipeline.finish import Finish

MOST_BYTES = 200_000_000  # of the pictures in memory
MOST_FRAMES = 60


@dataclass(frozen=True)
class ClipFrames:
    """Consecutive pictures of a clip, 8-bit 4:2:0, and what a source would say of them."""

    info: VideoInfo
    pictures: tuple[Picture, ...]

    def forth_and_back(self, rate: Fraction) -> Iterator[Frame]:
        """Endless frames at a rate: the clip forwards, backwards, forwards ... so that its motion never jumps."""
        last = len(self.pictures) - 1
        time_base = 1 / rate
        index = 0
        while True:
            place = index % (2 * last) if last else 0
            yield Frame(index, index, time_base, 1, self.pictures[min(place, 2 * last - place)])
            index += 1


def clip_frames(path: Path, size: Size | None) -> ClipFrames:
    """Decode the beginning of a clip, scaled to (width, height) if it has another size; at most MOST_FRAMES and MOST_BYTES.

    Raises InputRefused for a clip that cannot be read.
    """
    source = open_source(str(path), threads=0)
    try:
        info = source.info
        width, height = size or (info.width - info.width % 2, info.height - info.height % 2)
        is_as_stored = (width, height) == (info.width, info.height) and info.pixel_format == "yuv420p"
        finish = _scaling((width, height), info.colour)
        count = max(2, min(MOST_FRAMES, MOST_BYTES // (width * height * 3 // 2)))
        decoded = islice(source, count)
        pictures = tuple(frame.source if is_as_stored else _scaled(frame, finish) for frame in decoded)
    finally:
        source.close()
    if not pictures:
        raise InputRefused(f"{path}: no frame could be decoded")
    return ClipFrames(replace(info, width=width, height=height, pixel_format="yuv420p", depth=8, streams=()), pictures)


def _scaled(frame: Frame, finish: Finish) -> Picture:
    (scaled,) = finish.step(replace(frame, result=Picture((float_picture(frame.source),))))
    assert scaled.result is not None
    return scaled.result


def _scaling(size: Size, colour: Colour) -> Finish:
    return Finish(
        size=size, region=lambda picture: (0, 0, *picture), pixel_format="yuv420p", colour=colour, depth=8, mix=0.0,
        compare=False, times=StageTimes(),
    )  # fmt: skip
