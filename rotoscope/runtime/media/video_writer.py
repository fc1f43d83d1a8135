"""Encode finished frames into a container, with their own times, beside the copied streams of the source."""

import math
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.container
import av.filter
import numpy as np

from rotoscope.base.errors import OutputFailed
from rotoscope.base.files import part_file
from rotoscope.base.frame import Frame, Picture
from rotoscope.runtime.media.copied_streams import CopiedStreams
from rotoscope.runtime.media.encoder import CONTAINERS, RGB_FORMATS, Encoder, VideoFormat, configure
from rotoscope.runtime.media.ordinary_priority import ordinary_priority
from rotoscope.runtime.media.timing import TimeRepair

MAX_TIMESCALE = 2**31 - 1
GIF_TIME_BASE = Fraction(1, 100)
# Containers with a clock of their own; the others take the source's.
CLOCKS = {"gif": GIF_TIME_BASE, "matroska": Fraction(1, 1000), "webm": Fraction(1, 1000)}


class VideoWriter:
    """Writes the `result` pictures of frames, code values in the encoder's pixel format.

    Times are the frames' own plus one offset: zero, unless the earliest stream starts before zero or a part of the source
    was asked for, which begins at zero. Use through `open_writer`.
    """

    def __init__(
        self,
        container: av.container.OutputContainer,
        video: VideoFormat,
        encoder: Encoder,
        copied: CopiedStreams | None,
        *,
        offset: Fraction,
    ) -> None:
        self._container, self._video, self._encoder, self._copied = container, video, encoder, copied
        self._offset = offset
        self._is_gif = encoder.codec == "gif"
        rate = video.rate or Fraction(25)
        # y4m has no times, only a rate; its frames are written one after the other.
        self._is_timeless = container.format.name == "yuv4mpegpipe"
        self.time_base = 1 / rate if self._is_timeless else CLOCKS.get(container.format.name, video.time_base)
        stream = container.add_stream(encoder.codec, rate=rate, options=dict(encoder.options))
        assert isinstance(stream, av.video.stream.VideoStream)
        self._stream = stream
        configure(stream.codec_context, video, "pal8" if self._is_gif else encoder.pixel_format, encoder.threads)
        stream.codec_context.time_base = self.time_base
        stream.time_base = self.time_base
        self._palette = _PaletteGraph(video) if self._is_gif else None
        # The encoder's clock may be coarser than the source's: two frames must not fall on one tick.
        self._repair = TimeRepair(
            self.time_base, nominal_duration=round(1 / (rate * self.time_base)) or 1, clock_may_restart=False
        )
        if copied is not None:
            copied.attach(container, container.format.name, offset)
        self.num_frames = 0

    def write(self, frame: Frame) -> None:
        """Encode one frame, after the copied packets that belong before it."""
        assert isinstance(frame.result, Picture)
        picture = self._to_av(frame.result)
        ticks = self.num_frames if self._is_timeless else round((frame.seconds + self._offset) / self.time_base)
        length = max(1, round(frame.duration * frame.time_base / self.time_base))
        picture.pts, picture.duration = self._repair.next(ticks, length)
        picture.time_base = self.time_base
        if self._palette is not None:
            picture = self._palette.convert(picture)
        with ordinary_priority():  # whatever is written first opens the encoder
            if self._copied is not None:
                self._copied.mux_until(self._container, frame.seconds)
            self._container.mux(self._stream.encode(picture))
        self.num_frames += 1

    def finish(self) -> None:
        """Flush the encoder and write what is left of the copied streams."""
        self._container.mux(self._stream.encode(None))
        if self._copied is not None:
            self._copied.mux_until(self._container, None)

    @property
    def num_coincident(self) -> int:
        """Frames moved by a tick because the container's clock put them on their predecessor."""
        return self._repair.repairs["not later"]

    def _to_av(self, picture: Picture) -> av.VideoFrame:
        stored = "rgb24" if self._encoder.pixel_format in RGB_FORMATS else self._encoder.pixel_format
        frame = av.VideoFrame(picture.width, picture.height, stored)
        for plane, target in zip(picture.planes, frame.planes, strict=True):
            rows = plane.reshape(plane.shape[0], -1)
            buffer = np.frombuffer(memoryview(target), dtype=plane.dtype).reshape(
                -1, target.line_size // plane.itemsize
            )
            buffer[: rows.shape[0], : rows.shape[1]] = rows
        if stored != self._encoder.pixel_format:
            frame = frame.reformat(format=self._encoder.pixel_format, threads=1)
        frame.colorspace = self._stream.codec_context.colorspace
        frame.color_range = self._stream.codec_context.color_range
        return frame


class _PaletteGraph:
    """A palette of its own for every GIF frame: the pixels decide, not a fixed cube of 256 colours."""

    def __init__(self, video: VideoFormat) -> None:
        graph = av.filter.Graph()
        self._source = graph.add_buffer(
            width=video.width, height=video.height, format=av.VideoFormat("rgb24"), time_base=GIF_TIME_BASE
        )
        split, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
        use, self._sink = graph.add("paletteuse", "new=1:dither=sierra2_4a"), graph.add("buffersink")
        self._source.link_to(split)
        split.link_to(palette, 0, 0)
        split.link_to(use, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(self._sink)
        graph.configure()
        self._graph = graph

    def convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame with 256 colours."""
        pts, duration = frame.pts, frame.duration
        self._source.push(frame)
        result = self._sink.pull()
        assert isinstance(result, av.VideoFrame)
        result.pts, result.duration, result.time_base = pts, duration, GIF_TIME_BASE
        return result


@contextmanager
def open_writer(
    target: Path | None,
    video: VideoFormat,
    encoder: Encoder,
    copied: CopiedStreams | None,
    *,
    offset: Fraction,
    overwrite: bool,
) -> Iterator[VideoWriter]:
    """A writer whose file appears under its name when the block ends well; `target` None is y4m on standard output."""
    with ExitStack() as stack:
        if target is None:
            part, name, muxer = None, "standard output", "yuv4mpegpipe"
        else:
            name, muxer = str(target), CONTAINERS[target.suffix.lower()][0]
            part = stack.enter_context(part_file(target, overwrite=overwrite))
        options = dict(encoder.muxer_options)
        if muxer in ("mp4", "mov"):
            options["movie_timescale"] = str(_movie_timescale(video.time_base, copied))
        try:
            container = av.open(
                sys.stdout.buffer if part is None else f"file:{part}", "w", format=muxer, container_options=options
            )
            try:
                writer = VideoWriter(container, video, encoder, copied, offset=offset)
                yield writer
                writer.finish()
            except BaseException:
                _abandon(container)
                raise
            container.close()
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise OutputFailed(f"{name}: {getattr(error, 'strerror', None) or error}") from error


def _movie_timescale(video: Fraction, copied: CopiedStreams | None) -> int:
    """A clock for the whole mp4 on which every stream's ticks are whole, so that edit lists lose nothing."""
    scale = video.denominator
    for denominator in copied.time_base_denominators() if copied is not None else ():
        wider = math.lcm(scale, denominator)
        scale = wider if wider <= MAX_TIMESCALE else scale
    return min(scale, MAX_TIMESCALE)


def _abandon(container: av.container.OutputContainer) -> None:
    """Close without caring whether the trailer can still be written: the part file is about to vanish."""
    try:
        container.close()
    except (av.FFmpegError, OSError, ValueError):
        return
