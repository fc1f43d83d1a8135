"""Read one video stream frame by frame: decode, orient, repair times, count what was lost. Also single pictures and y4m."""

from __future__ import annotations  # av.Packet is generic for type checkers only

import math
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import av.container
import av.video
from av.stream import Disposition

from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Frame, Orientation, Picture, StreamInfo, VideoInfo
from rotoscope.runtime.media.decoded import codes_of, depth_of, has_alpha, picture_of
from rotoscope.runtime.media.local_file import INDEXED, RESTARTING
from rotoscope.runtime.media.orientation import display_matrix, orientation_of
from rotoscope.runtime.media.timing import TimeRepair

MAX_PIXELS = 100_000_000  # per picture; a 35-byte GIF can claim a gigabyte
DEFAULT_RATE = Fraction(25)  # only where a stream gives neither durations nor a believable rate
BELIEVABLE_RATE = 480  # frames per second; FLV and Matroska report their 1 ms clock as 1000

COVER = Disposition.attached_pic  # a picture of a song or film, not a film

# The losses that are frames which the source has and the result has not.
LOST_FRAMES = ("packets that could not be decoded", "frames missing at the end")


class VideoReader:
    """Iterate over the frames of the best video stream of a container.

    `info` is filled from the header and the first decoded frame. `losses` counts what could not be delivered as it was
    recorded and `notes` says, in sentences, what was done about the rest; both grow while frames are read.
    """

    def __init__(
        self,
        path: str,
        opened: AbstractContextManager[av.container.InputContainer],
        *,
        start: Fraction | None = None,
        duration: Fraction | None = None,
        threads: int = 1,
        unconverted: bool = False,
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self.losses: Counter[str] = Counter()
        self.notes: list[str] = []
        self.interrupt = interrupt  # from another thread: stop waiting for input that may never come
        self._unconverted = unconverted
        self._start, self._duration = start, duration
        with ExitStack() as stack:
            self._container = stack.enter_context(opened)
            self._stream = self._choose_stream(path)
            context = self._stream.codec_context
            context.thread_type = "AUTO"
            context.thread_count = threads
            context.options = {"max_pixels": str(MAX_PIXELS)}
            self._packets = 0
            self._orientation = Orientation()
            self._decoded = self._decode()
            first = next(self._decoded, None)
            if first is None:
                raise InputRefused(f"{path}: no frame could be decoded ({self._stream.codec_context.name})")
            self.info = self._describe(path, first)
            self._pending: av.VideoFrame | None = first
            self._repair = self._new_repair()
            self._first_delivered = self._first_seconds()
            self._next: tuple[av.VideoFrame, int, int] | None = None
            self._timed_frames = self._timed()
            if start:
                self._skip_to(self._first_seconds() + start)
            self._closing = stack.pop_all()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the decoder and the file."""
        self._decoded.close()
        self._closing.close()

    @property
    def is_picture(self) -> bool:
        """A still picture, not a video (a GIF is a video)."""
        return self._container.format.name.endswith("_pipe") and self._container.format.name != "yuv4mpegpipe"

    @property
    def is_cut(self) -> bool:
        """Only a part of the source is delivered."""
        return self._start is not None or self._duration is not None

    @property
    def start_seconds(self) -> Fraction:
        """Time of the first frame that will be delivered, on the source's clock."""
        return self._first_delivered

    @property
    def end_seconds(self) -> Fraction | None:
        """Time from which on nothing is delivered; None: to the end."""
        return None if self._duration is None else self._first_seconds() + (self._start or 0) + self._duration

    def __iter__(self) -> Iterator[Frame]:
        time_base = self.info.time_base
        begin, end = self.start_seconds, self.end_seconds
        index, size, last = 0, None, begin
        for decoded, pts, length in chain([self._next] if self._next else [], self._timed_frames):
            self._next = None
            seconds = pts * time_base
            if end is not None and seconds >= end:
                break
            self.losses["damaged frames"] += bool(decoded.is_corrupt)
            now = (decoded.width, decoded.height, decoded.format.name)
            if size is not None and now != size:
                self.notes.append(f"frame {index}: {size[0]}x{size[1]} {size[2]} becomes {now[0]}x{now[1]} {now[2]}")
            size = now
            last = seconds + length * time_base
            yield Frame(index, pts, time_base, length, self._picture(decoded))
            index += 1
        self._finish(index, float(last))

    @property
    def _is_jpeg(self) -> bool:
        return self._stream.codec_context.name == "mjpeg"

    def _picture(self, decoded: av.VideoFrame) -> Picture:
        if self._unconverted:
            return Picture((self._orientation.apply(codes_of(decoded)),), self.info.colour, self.info.depth)
        return picture_of(decoded, self._orientation, is_jpeg=self._is_jpeg)

    def _timed(self) -> Iterator[tuple[av.VideoFrame, int, int]]:
        """(frame, pts, duration) with the times repaired."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            yield pending, *self._repair.next(pending.pts, pending.duration)
        for decoded in self._decoded:
            yield decoded, *self._repair.next(decoded.pts, decoded.duration)

    def _finish(self, delivered: int, end_seconds: float) -> None:
        if delivered == 0:
            raise InputRefused(f"{self.info.path}: no frame between {self._start or 0} s and the end asked for")
        for rule, count in self._repair.repairs.items():
            self.notes.append(f"{count} timestamp{'s' * (count > 1)} {_REPAIRS[rule]}")
        promised = self._stream.frames
        whole = self._start is None and self._duration is None
        if whole and promised and self._packets < promised and self._container.format.name.startswith("mov"):
            self.losses["frames missing at the end"] += promised - self._packets
        lasted = end_seconds - float(self._first_seconds())
        if (
            whole
            and self.info.duration_seconds
            and lasted < min(0.95 * self.info.duration_seconds, self.info.duration_seconds - 0.4)
        ):
            self.notes.append(
                f"the header says {self.info.duration_seconds:.2f} s; the frames end after {lasted:.2f} s"
            )
        self.losses = +self.losses  # drop zero counts

    def _choose_stream(self, path: str) -> av.video.stream.VideoStream:
        covers = [stream for stream in self._container.streams.video if stream.disposition & COVER]
        videos = [
            stream
            for stream in self._container.streams.video
            if stream.codec_context is not None and stream not in covers
        ]
        if not videos:
            kinds = sorted({"cover picture" if other in covers else other.type for other in self._container.streams})
            raise InputRefused(f"{path}: no video stream (it holds {', '.join(kinds) or 'nothing'})")
        best = self._container.streams.best("video")
        stream = best if isinstance(best, av.video.stream.VideoStream) and best in videos else videos[0]
        if len(videos) > 1:
            self.notes.append(f"{len(videos)} video streams; stream {stream.index} is used")
        return stream

    def _decode(self) -> Generator[av.VideoFrame, None, None]:
        """Frames of the chosen stream; packets that fail are counted and passed over."""
        demuxer: Iterator[av.Packet[Any]] = self._container.demux(self._stream)
        while True:
            packet: av.Packet[Any] | None
            try:
                packet = next(demuxer)
            except StopIteration:
                return
            except (av.FFmpegError, ValueError):
                self.losses["the file is damaged from here on"] += 1
                packet = None
            try:
                frames = self._stream.codec_context.decode(packet)
            except (av.FFmpegError, ValueError, MemoryError):
                self.losses["packets that could not be decoded"] += 1
                frames = []
            self._packets += packet is not None and bool(packet.size)
            yield from frames
            if packet is None:
                return

    def _skip_to(self, seconds: Fraction) -> None:
        """Make the first frame at or after `seconds` the next one; decode from the start where no index can be trusted."""
        target = math.ceil(seconds / self.info.time_base)
        if self._container.format.name in INDEXED:
            self._seek(target)
        for decoded, pts, length in self._timed_frames:
            if pts >= target:
                self._next = (decoded, pts, length)
                self._first_delivered = pts * self.info.time_base
                return
        raise InputRefused(f"{self.info.path}: it ends before {float(seconds):.3f} s")

    def _seek(self, target: int) -> None:
        """Move so that the next decoded frame is at or before `target`; to the start where an index misleads."""
        for position in (target, min(0, self.info.start_pts or 0)):
            self._container.seek(position, stream=self._stream, backward=True)
            self._decoded.close()
            self._decoded = self._decode()
            self._pending = next(self._decoded, None)
            if self._pending is not None and (self._pending.pts or 0) <= target:
                break
        self._repair = self._new_repair()

    def _new_repair(self) -> TimeRepair:
        rate = self.info.average_rate or DEFAULT_RATE
        return TimeRepair(
            self.info.time_base,
            nominal_duration=round(1 / (rate * self.info.time_base)),
            clock_may_restart=self._container.format.name in RESTARTING,
        )

    def _first_seconds(self) -> Fraction:
        return (self.info.start_pts or 0) * self.info.time_base

    def _describe(self, path: str, first: av.VideoFrame) -> VideoInfo:
        container, stream = self._container, self._stream
        self._orientation, odd_angle = orientation_of(display_matrix(first))
        width, height = first.width, first.height
        if self._orientation.transpose:
            width, height = height, width
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if self._orientation.transpose:
            aspect = 1 / aspect
        rate = stream.average_rate or stream.guessed_rate
        if rate is not None and not 0 < rate <= BELIEVABLE_RATE:
            rate = None
        picture = picture_of(first, Orientation(), is_jpeg=self._is_jpeg)
        time_base = stream.time_base or first.time_base
        assert time_base is not None
        duration = float(stream.duration * time_base) if stream.duration else None
        if duration is None and container.duration:
            duration = container.duration / av.time_base
        info = VideoInfo(
            path=path,
            container=container.format.name,
            codec=stream.codec_context.name,
            width=width,
            height=height,
            orientation=self._orientation,
            sample_aspect=aspect,
            pixel_format=first.format.name,
            depth=depth_of(first.format.name),
            colour=picture.colour,
            time_base=time_base,
            average_rate=rate,
            start_pts=first.pts,
            duration_seconds=duration,
            num_frames_from_header=stream.frames or None,
            is_interlaced=bool(first.interlaced_frame),
            streams=tuple(_stream_info(other) for other in container.streams),
            metadata=dict(container.metadata),
        )
        if odd_angle:
            self.notes.append(odd_angle)
        if info.is_interlaced:
            self.notes.append("interlaced; frames are used as they are, combing and all")
        # A CMYK JPEG comes out of its decoder as RGB with an opaque fourth channel.
        if has_alpha(first.format.name) and info.codec != "mjpeg" and not self._unconverted:
            self.notes.append("transparency is laid over black")
        elif stream.metadata.get("alpha_mode") == "1":
            self.notes.append("transparency is dropped (the decoder delivers colour only)")
        if info.colour.is_hdr:
            self.notes.append("HDR; code values are used as they are, without tone mapping")
        return info


_REPAIRS: dict[str, str] = {
    "missing": "missing; set to the end of the frame before",
    "not later": "not later than the one before; set one tick after it",
    "jump": "jumped; the clock goes on from the frame before",
}


def _stream_info(stream: av.stream.Stream) -> StreamInfo:
    context = stream.codec_context
    detail = ""
    if isinstance(context, av.VideoCodecContext):
        detail = f"{context.width}x{context.height} {context.pix_fmt or ''}".strip()
    elif isinstance(context, av.AudioCodecContext):
        detail = f"{context.sample_rate} Hz, {context.layout.nb_channels} channels"
    return StreamInfo(
        index=stream.index,
        kind=stream.type,
        codec=context.name if context is not None else "",
        language=stream.metadata.get("language", ""),
        detail=detail,
    )
