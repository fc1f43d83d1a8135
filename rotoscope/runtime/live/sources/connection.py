"""One connection to a live stream: decode its pictures and its sound until it ends."""

from __future__ import annotations  # av.Packet is generic for type checkers only

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import av.container

from rotoscope.base.frame import Picture, VideoInfo
from rotoscope.runtime.live.sources.backlog import Backlog
from rotoscope.runtime.live.sources.disconnects import disconnects
from rotoscope.runtime.live.sources.key_frame_gate import KeyFrameGate
from rotoscope.runtime.live.sources.sound import SoundTrack
from rotoscope.runtime.media.decoded import picture_of
from rotoscope.runtime.media.side_data import display_matrix
from rotoscope.runtime.media.still_file import MAX_PIXELS
from rotoscope.runtime.media.video_header import choose_stream, describe, is_jpeg, notes_on

OLD = "old frames after connecting"
NOT_BEGUN = "frames before the first key frame"
DAMAGED = "frames that depend on lost packets"
UNDECODABLE = "frames that could not be decoded"

MATRIX_SECONDS = 1.0  # how often key frames are asked for a display matrix, which takes a filter graph

_DAMAGE = (av.FFmpegError, ValueError, MemoryError)


@dataclass(frozen=True, slots=True)
class Received:
    """A picture as it came: its time and duration on the stream's clock, in seconds, and its arrival, monotonic."""

    picture: Picture
    stream_s: Fraction | None
    duration_s: Fraction
    arrival_s: float


class Connection:
    """An open container that is read as it comes.

    losses          counts the frames that are not delivered
    read_limit_s    PyAV's time limit for a read, with which the container was opened; 0: none
    has_times       whether the times of its packets mean anything; if not, frames are delivered without a time
    skips_backlog   leave out what was recorded before now; for streams that are sent as they are recorded
    wait_until_due  called with the time of each picture on the stream's clock before it is delivered, for streams that come in
                    bursts or from a file; when it returns True, the pictures end
    """

    def __init__(
        self,
        name: str,
        opened: AbstractContextManager[av.container.InputContainer],
        *,
        losses: Counter[str],
        threads: int,
        read_limit_s: float = 0,
        has_times: bool = True,
        skips_backlog: bool = True,
        wait_until_due: Callable[[Fraction], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._losses, self._clock = name, losses, clock
        self._read_limit_s, self._has_times = read_limit_s, has_times
        with ExitStack() as stack:
            self._container = stack.enter_context(opened)
            self._stream, note = choose_stream(self._container, name)
            self._closing = stack.pop_all()
        self._sound = next((each for each in self._container.streams.audio if each.codec_context is not None), None)
        context = self._stream.codec_context
        context.thread_type = "SLICE"  # frame threads delay by a frame each
        context.thread_count = threads
        context.options = {"max_pixels": str(MAX_PIXELS)}
        self._backlog = Backlog()
        self._backlog.is_over = not (skips_backlog and has_times)
        self._gate = KeyFrameGate()
        self._wait_until_due = wait_until_due
        self._form: tuple[object, ...] = ()
        self._matrix: bytes | None = None
        self._looked_s = 0.0
        self.notes = [note] if note else []
        self.info: VideoInfo | None = None
        """Of the pictures that come now; None before the first one."""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @property
    def has_sound(self) -> bool:
        """Whether there is a stream of sound."""
        return self._sound is not None

    def pictures(self, sound: SoundTrack | None) -> Iterator[Received]:
        """Decode and yield the pictures in presentation order, and hand packets of the sound to its track.

        Ends where the stream ends; raises Disconnected when a read fails.
        """
        heard = self._sound if sound is not None else None
        packets = self._container.demux([stream for stream in (self._stream, heard) if stream is not None])
        while True:
            with disconnects("reading", self._read_limit_s):
                packet = next(packets, None)
            if packet is None:
                return
            if packet.stream is not self._stream:
                if sound is not None:
                    sound.received(cast("av.Packet[av.AudioStream]", packet))
                continue
            arrival_s = self._clock()
            for frame in self._decoded(packet, arrival_s):
                stream_s = self._seconds(frame.pts, frame.time_base or self._stream.time_base)
                if not self._is_wanted(frame, stream_s, arrival_s):
                    continue
                if self._wait_until_due is not None and stream_s is not None:
                    if self._wait_until_due(stream_s):
                        return
                    arrival_s = self._clock()
                yield self._received(frame, stream_s, arrival_s)

    def _decoded(self, packet: av.Packet[Any], arrival_s: float) -> list[av.VideoFrame]:
        if packet.size:
            time_base = packet.time_base
            ticks = packet.pts if packet.dts is None else packet.dts
            self._backlog.received(self._seconds(ticks, time_base), arrival_s)
            self._gate.packet(
                self._seconds(packet.pts, time_base), arrival_s, is_key=packet.is_keyframe, is_damaged=packet.is_corrupt
            )
            if not self._gate.has_begun:
                self._losses[NOT_BEGUN] += 1
                return []
        try:
            return self._stream.codec_context.decode(packet)
        except _DAMAGE:
            self._losses[UNDECODABLE] += 1
            self._gate.damaged(arrival_s)
            return []

    def _is_wanted(self, frame: av.VideoFrame, stream_s: Fraction | None, arrival_s: float) -> bool:
        """Whether a picture may be delivered; the others are counted."""
        if frame.is_corrupt:
            self._gate.damaged(arrival_s)
        if not self._backlog.is_over:
            self._losses[OLD] += 1
            return False
        if not self._gate.delivers(stream_s):
            self._losses[DAMAGED] += 1
            return False
        return True

    def _received(self, frame: av.VideoFrame, stream_s: Fraction | None, arrival_s: float) -> Received:
        self._describe(frame, arrival_s)
        assert self.info is not None
        picture = picture_of(frame, self.info.orientation, is_jpeg=is_jpeg(self._stream))
        rate = self.info.average_rate
        stated = self._seconds(frame.duration or None, frame.time_base or self._stream.time_base)
        duration_s = stated if stated is not None else 1 / rate if rate else Fraction(0)
        return Received(picture, stream_s, duration_s, arrival_s)

    def _describe(self, frame: av.VideoFrame, arrival_s: float) -> None:
        """Describe the pictures when their size or format changes, or their display matrix, which key frames carry."""
        form = (frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range))
        if form == self._form and not (frame.key_frame and arrival_s - self._looked_s >= MATRIX_SECONDS):
            return
        matrix = display_matrix(frame)
        self._looked_s = arrival_s
        if form == self._form and matrix == self._matrix:
            return
        is_first = self.info is None
        self._form, self._matrix = form, matrix
        self.info, odd_angle = describe(self._name, self._container, self._stream, frame)
        if is_first:
            self.notes.extend(filter(None, (odd_angle, *notes_on(self.info, self._stream, frame, over_black=True))))

    def _seconds(self, ticks: int | None, time_base: Fraction | None) -> Fraction | None:
        return None if ticks is None or time_base is None or not self._has_times else ticks * time_base
