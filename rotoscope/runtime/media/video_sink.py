"""Encode finished frames into a container, with their own times, beside the copied streams of the source."""

from __future__ import annotations  # av.Packet is generic for type checkers only

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import av
import av.container
import numpy as np
from av.codec.context import Flags

from rotoscope.base.errors import OutputFailed
from rotoscope.base.files import place
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.parts import Part
from rotoscope.runtime.media.copied_streams import REFUSED, CopiedStreams, tee_name
from rotoscope.runtime.media.encoder import (
    CONTAINERS,
    RGB_FORMATS,
    Encoder,
    VideoFormat,
    configure,
    ordinary_priority,
)
from rotoscope.runtime.media.gif_palette import GIF_TIME_BASE, PaletteGraph
from rotoscope.runtime.media.timing import TimeRepair

MAX_TIMESCALE = 2**31 - 1
# Containers with a clock of their own; the others take the source's.
# Largest step from one frame to the next, in ticks; FFmpeg fails with another message for mp4, and writes a wrong time for GIF.
MOST_STEP = {"mp4": 2**31 - 1, "mov": 2**31 - 1, "gif": 2**16 - 1}
_DNX_VOLUME = 0x2C  # offset of the colour volume, bits 1 and 2, in the header of a DNxHD frame
CLOCKS = {"gif": GIF_TIME_BASE, "matroska": Fraction(1, 1000), "webm": Fraction(1, 1000)}


class OtherStreams(Protocol):
    """Streams of a container beside the pictures: `CopiedStreams`, or the sound of a live run."""

    @property
    def kept(self) -> list[str]: ...  # noqa: D102  (the four are as those of a sink)
    @property
    def notes(self) -> list[str]: ...  # noqa: D102
    @property
    def losses(self) -> Counter[str]: ...  # noqa: D102

    def attach(self, output: av.container.OutputContainer, muxer: str, offset: Fraction) -> None:
        """Add the streams to a container that has not been written to; `offset` is added to every time, in seconds."""
        ...

    def time_base_denominators(self) -> list[int]:
        """Ticks per second of the streams that were attached."""
        ...

    def mux_until(self, output: av.container.OutputContainer, seconds: Fraction | None) -> None:
        """Write what begins before `seconds` on the clock of the frames; None writes all that is left."""
        ...

    def refused(self) -> None:
        """Count a packet that the container refused."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


class VideoSink:
    """Writes the `result` pictures of frames, code values in the encoder's pixel format, into a file or standard output.

    target   None is y4m on standard output
    given    pixel format of the pictures; None is the encoder's own (RGB for its RGB formats)
    copied   the source's sound, subtitles and chapters; closed by `finish` and `abort`
    offset   seconds added to every time: 0, unless the earliest stream starts before 0, or a part of the source begins later
    source   name of what the frames come from, for messages
    `kept` names the copied streams; `notes` say what was left out; `losses` counts packets that could not be copied.
    """

    def __init__(
        self,
        target: Path | None,
        video: VideoFormat,
        encoder: Encoder,
        copied: OtherStreams | None = None,
        *,
        given: str | None = None,
        offset: Fraction = Fraction(0),
        overwrite: bool = False,
        source: str = "",
    ) -> None:
        self._target, self._overwrite, self._source = target, overwrite, source
        self._encoder, self._copied, self._offset = encoder, copied, offset
        self._matrix = video.colour.matrix
        self._given = given or ("rgb24" if encoder.pixel_format in RGB_FORMATS else encoder.pixel_format)
        self.num_frames = self._num_packets = 0
        self._last_tick: int | None = None
        self._muxer = muxer = "yuv4mpegpipe" if target is None else CONTAINERS[target.suffix.lower()][0]
        rate = video.rate or Fraction(25)
        # y4m and MXF have no times, only a rate; their frames are written one after the other.
        self._is_timeless = muxer in ("yuv4mpegpipe", "mxf")
        self.time_base = 1 / rate if self._is_timeless else clock_of(muxer, video.time_base)
        # The encoder's clock may be coarser than the source's: two frames must not fall on one tick.
        self._repair = TimeRepair(
            self.time_base, nominal_duration=round(1 / (rate * self.time_base)) or 1, clock_may_restart=False
        )
        self._palette = PaletteGraph(video.width, video.height) if encoder.codec == "gif" else None
        self._part = None if target is None else Part(target)
        self._container: av.container.OutputContainer | None = None
        try:
            if self._part is not None:
                self._part.create()
            with self._failing():
                path = None if self._part is None else self._part.path
                self._container = open_output(path, muxer, encoder.muxer_options, video.time_base, copied)
                self._stream = self._add_stream(self._container, video, rate)
                if copied is not None:
                    copied.attach(self._container, muxer, offset)
        except BaseException:
            self.abort()
            raise

    @property
    def kept(self) -> list[str]:
        """Names of the copied streams."""
        return [] if self._copied is None else self._copied.kept

    @property
    def losses(self) -> Counter[str]:
        """Cause -> number of packets of sound or subtitles that could not be copied."""
        return Counter() if self._copied is None else self._copied.losses

    @property
    def notes(self) -> list[str]:
        """Sentences about streams and times of the source that the container could not keep."""
        notes = [] if self._copied is None else list(self._copied.notes)
        moved = self._repair.repairs["not later"]
        if moved:
            notes.append(f"{moved} frame{'s' * (moved > 1)} moved by one tick of the container's clock")
        return notes

    def write(self, frame: Frame) -> None:
        """Encode one frame, after the copied packets that belong before it."""
        assert isinstance(frame.result, Picture)
        assert self._container is not None
        picture = self._to_av(frame.result)
        ticks = self.num_frames if self._is_timeless else round((frame.seconds + self._offset) / self.time_base)
        length = max(1, round(frame.duration * frame.time_base / self.time_base))
        picture.pts, picture.duration = self._repair.next(ticks, length)
        picture.time_base = self.time_base
        self._check_step(picture.pts, frame.index)
        with self._failing(), ordinary_priority():  # the first packet written opens the encoder
            if self._palette is not None:
                picture = self._palette.convert(picture)
            if self._copied is not None:
                self._copied.mux_until(self._container, frame.seconds)
            self._mux(self._stream.encode(picture))
        self.num_frames += 1

    def finish(self) -> None:
        """Flush the encoder, write the rest of the copied streams, and give the file its name."""
        assert self._container is not None
        with self._failing():
            self._mux(self._stream.encode(None))
            if self._copied is not None:
                self._copied.mux_until(self._container, None)
                self._copied.close()
            try:
                self._container.close()
            except REFUSED:
                if not self._may_be_copied():
                    raise
            if self._stream.frames < self._num_packets:
                lost = f"{self._num_packets - self._stream.frames} of {self._num_packets} pictures"
                raise OutputFailed(
                    f"{self._name}: {self._muxer} refuses {lost}{self._from_source}; try another container"
                )
            if self._part is not None and self._target is not None:
                place(self._part.path, self._target, overwrite=self._overwrite)
                self._part.release()

    def abort(self) -> None:
        """Close everything and remove the part file. Never raises."""
        if self._container is not None:
            # The trailer need not be written: the part file is removed.
            with suppress(av.FFmpegError, OSError, ValueError):
                self._container.close()
        if self._copied is not None:
            self._copied.close()
        if self._part is not None:
            self._part.remove()

    def _mux(self, packets: Sequence[av.Packet[Any]]) -> None:
        """Write packets of pictures. With them the muxer writes packets of other streams that wait for their turn."""
        assert self._container is not None
        self._num_packets += len(packets)
        for packet in packets:
            if self._encoder.codec == "dnxhd":
                _tell_matrix(packet, self._matrix)
            try:
                self._container.mux(packet)
            except REFUSED:
                if not self._may_be_copied():
                    raise

    def _may_be_copied(self) -> bool:
        """Whether a refused packet may be one of a copied stream, which is counted then; `finish` counts the pictures."""
        if self._copied is None or not self._copied.kept or not self._stream.frames:
            return False
        self._copied.refused()
        return True

    def _check_step(self, tick: int, index: int) -> None:
        before, self._last_tick = self._last_tick, tick
        most = MOST_STEP.get(self._muxer)
        if before is not None and most is not None and tick - before > most:
            seconds, longest = (float(ticks * self.time_base) for ticks in (tick - before, most))
            raise OutputFailed(
                f"{self._name}: frame {index}{self._from_source} comes {seconds:.0f} s after the one before; "
                f"{self._muxer} holds gaps of at most {longest:.0f} s with its clock, .mkv any"
            )

    @property
    def _name(self) -> str:
        return "standard output" if self._target is None else str(self._target)

    @property
    def _from_source(self) -> str:
        return f" of {self._source}" if self._source else ""

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn errors of FFmpeg and the disk into OutputFailed; a reader of standard output that left stays as it is."""
        try:
            yield
        except BrokenPipeError:
            raise
        except REFUSED as error:
            why = getattr(error, "strerror", None) or error
            message = (
                f"{self._name}: {self._muxer} cannot hold a packet{self._from_source} ({why}); try another container"
            )
            raise OutputFailed(message) from error
        except (av.FFmpegError, OSError) as error:
            raise OutputFailed(f"{self._name}: {getattr(error, 'strerror', None) or error}") from error

    def _add_stream(
        self, container: av.container.OutputContainer, video: VideoFormat, rate: Fraction
    ) -> av.video.stream.VideoStream:
        encoder = self._encoder
        stream = container.add_stream(encoder.codec, rate=rate, options=dict(encoder.options))
        assert isinstance(stream, av.video.stream.VideoStream)
        pixel_format = "pal8" if self._palette is not None else encoder.pixel_format
        configure(stream.codec_context, video, pixel_format, encoder.threads)
        stream.codec_context.time_base = self.time_base
        stream.time_base = self.time_base
        if container.format.name == "tee":  # which does not say that its muxer wants the header beside the packets
            stream.codec_context.flags |= Flags.global_header
        if "yuva" in encoder.pixel_format and container.format.name in ("webm", "matroska", "tee"):
            stream.metadata["alpha_mode"] = "1"
        if encoder.tag:
            stream.codec_context.codec_tag = encoder.tag
        return stream

    def _to_av(self, picture: Picture) -> av.VideoFrame:
        frame, context = av_picture(picture, self._given), self._stream.codec_context
        if self._given not in RGB_FORMATS:
            frame.colorspace, frame.color_range = context.colorspace, context.color_range
        if self._given != self._encoder.pixel_format:
            frame = frame.reformat(format=self._encoder.pixel_format, threads=1)
        frame.colorspace, frame.color_range = context.colorspace, context.color_range
        # prores_ks takes these two from the frame, not from the context.
        frame.color_primaries, frame.color_trc = context.color_primaries, context.color_trc
        return frame


def clock_of(muxer: str, source: Fraction) -> Fraction:
    """Time base of the pictures in a container with times: its own, or that of the source."""
    return CLOCKS.get(muxer, source)


def open_output(
    path: Path | None,
    muxer: str,
    options: Mapping[str, str],
    time_base: Fraction,
    copied: OtherStreams | None,
) -> av.container.OutputContainer:
    """Open a container for writing; None is standard output.

    options    of the muxer
    time_base  of the pictures
    copied     streams that will be written beside them
    """
    options = dict(options)
    if muxer in ("mp4", "mov"):
        options["movie_timescale"] = str(_movie_timescale(time_base, copied))
    of_file = copied if isinstance(copied, CopiedStreams) else None
    if muxer == "mp4" and of_file is not None and of_file.timecode:
        options["write_tmcd"] = "1"
    if path is not None and of_file is not None and of_file.needs_tee(muxer):
        return av.open(tee_name(muxer, path, ":fflags=+bitexact"), "w", format="tee")
    if muxer in ("matroska", "webm"):
        options["fflags"] = "+bitexact"  # no random identifiers: the same frames give the same bytes
    file = _standard_output() if path is None else f"file:{path}"
    return av.open(file, "w", format=muxer, container_options=options)


def _tell_matrix(packet: av.Packet[Any], matrix: str) -> None:
    """Write the matrix into the header of a DNxHD frame: FFmpeg's encoder says 709 always, and decoders believe it.

    Source: SMPTE ST 2019-1, colour volume: 0 is 709, 1 is 2020, 3 leaves it to the container.
    """
    header = bytearray(packet)
    volume = {"709": 0, "2020": 1}.get(matrix, 3)
    header[_DNX_VOLUME] = header[_DNX_VOLUME] & ~0b110 | volume << 1
    packet.update(bytes(header))


def av_picture(picture: Picture, pixel_format: str) -> av.VideoFrame:
    """A new frame of PyAV with the planes of a picture, which has this pixel format."""
    frame = av.VideoFrame(picture.width, picture.height, pixel_format)
    planes = picture.planes if picture.alpha is None else (*picture.planes, picture.alpha)
    for plane, target in zip(planes, frame.planes, strict=True):
        rows = plane.reshape(plane.shape[0], -1)
        buffer = np.frombuffer(memoryview(target), dtype=plane.dtype).reshape(-1, target.line_size // plane.itemsize)
        buffer[: rows.shape[0], : rows.shape[1]] = rows
    return frame


def _standard_output() -> BinaryIO:
    """Return standard output for bytes; raises OutputFailed if the process was started without one."""
    if sys.stdout is None:
        raise OutputFailed("standard output is closed")
    return sys.stdout.buffer


def _movie_timescale(video: Fraction, copied: OtherStreams | None) -> int:
    """A clock for the whole mp4 on which every stream's ticks are whole, so that edit lists lose nothing."""
    scale = video.denominator
    for denominator in copied.time_base_denominators() if copied is not None else ():
        wider = math.lcm(scale, denominator)
        scale = wider if wider <= MAX_TIMESCALE else scale
    return min(scale, MAX_TIMESCALE)
