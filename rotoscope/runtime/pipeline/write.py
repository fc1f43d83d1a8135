"""Encode translated frames from anywhere: finishing and writing alone, without a source."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.base.files import check_target
from rotoscope.base.frame import Colour, Frame, Picture
from rotoscope.base.options import OutputOptions
from rotoscope.base.sink import Sink, finishing
from rotoscope.base.times import StageTimes
from rotoscope.runtime.media.colour_tags import HD_HEIGHT
from rotoscope.runtime.media.encoder import VideoFormat, choose_encoder, output_suffix, parse_encoder_options
from rotoscope.runtime.media.open_sink import open_sink
from rotoscope.runtime.media.picture_codecs import bits_of
from rotoscope.runtime.media.picture_sink import is_picture_target
from rotoscope.runtime.pipeline.finish import Finish


def write_frames(target: Path, frames: Iterable[Frame], options: OutputOptions) -> int:
    """Write frames whose result is a float picture; returns how many.

    The first frame decides size, clock and colour of the stream. Raises UsageError if there is no frame, or for one without a
    float result; the frames themselves stay as they are.
    """
    frames = iter(frames)
    try:
        return _write(target, frames, options)
    finally:
        close = getattr(frames, "close", None)
        if close is not None:  # a stream must not go on where nothing is written any more
            close()


def _write(target: Path, frames: Iterator[Frame], options: OutputOptions) -> int:
    first = next(frames, None)
    if first is None:
        raise UsageError(f"{target}: there are no frames to write")
    check_target(target, source=None, overwrite=options.overwrite, may_be_folder=True)
    width, height = _checked(first).size
    colour = first.source.colour if len(first.source.planes) > 1 else Colour("709" if height >= HD_HEIGHT else "601")
    finish = Finish(
        size=(width, height),
        region=lambda size: (0, 0, *size),
        pixel_format="rgb24",
        colour=colour,
        depth=8,
        mix=0.0,
        compare=False,
        times=StageTimes(),
    )
    with ExitStack() as stack:
        if is_picture_target(target):
            if bits_of(target.suffix.lower(), 8) == 16:
                finish = replace(finish, pixel_format="rgb48le", depth=16)
            second = list(islice(frames, 1))
            to_pictures = partial(
                open_sink, target, None, overwrite=options.overwrite, quality=options.quality, is_picture=not second
            )
            pictures = stack.enter_context(finishing(to_pictures))
            return _write_all(pictures, chain([first], second, frames), finish)
        rate = 1 / (first.duration * first.time_base) if first.duration else None
        video = VideoFormat(
            width=width, height=height, time_base=first.time_base, rate=rate,
            sample_aspect=Fraction(1), colour=colour, chroma="420", depth=8,
        )  # fmt: skip
        encoder = choose_encoder(
            video,
            suffix=output_suffix(target),
            codec=options.codec,
            options=parse_encoder_options(options.encoder_options),
            quality=options.quality,
            tag=options.tag,
            passes=options.passes,
            threads=0,
        )
        finish = replace(finish, pixel_format=encoder.pixel_format, depth=encoder.depth)
        offset = max(Fraction(0), -first.seconds)
        opened = partial(open_sink, target, (video, encoder), offset=offset, overwrite=options.overwrite)
        sink = stack.enter_context(finishing(opened))
        return _write_all(sink, chain([first], frames), finish)


def _write_all(writer: Sink, frames: Iterable[Frame], finish: Finish) -> int:
    for frame in frames:
        _checked(frame)
        for finished in finish.step(frame):
            writer.write(finished)
    return writer.num_frames


def _checked(frame: Frame) -> Picture:
    """The float result of a frame; raises UsageError if it has none."""
    if not isinstance(frame, Frame):
        raise UsageError(f"{type(frame).__name__} among the frames to write; accepted: frames of Translator.stream")
    result = frame.result
    if result is None or not result.is_float:
        raise UsageError(f"frame {frame.index} has no float result; Translator.stream sets it")
    if result.pixels.ndim != 3 or result.pixels.shape[2] != 4:
        raise UsageError(f"frame {frame.index} has a result of {result.pixels.shape}; accepted: (H,W,4) float32")
    if not np.isfinite(result.pixels).all():
        raise UsageError(f"frame {frame.index} has a result with NaN or infinite values")
    return result
