"""Read one video stream frame by frame: decode, turn upright, repair times, count losses. Also single pictures and y4m."""

from __future__ import annotations  # av.Packet is generic for type checkers only

import math
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.container

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.options import Hdr
from rotoscope.runtime.media.decoded import codes_of, picture_of
from rotoscope.runtime.media.deinterlace import deinterlaced
from rotoscope.runtime.media.hdr import SDR, sdr_picture
from rotoscope.runtime.media.local_file import INDEXED, RESTARTING
from rotoscope.runtime.media.missing_bytes import asf_seconds, bytes_missing
from rotoscope.runtime.media.silent_packets import SilentPackets
from rotoscope.runtime.media.standard_input import StandardInput
from rotoscope.runtime.media.still_file import MAX_PIXELS
from rotoscope.runtime.media.timing import MOST_TICKS, TimeRepair
from rotoscope.runtime.media.video_header import choose_stream, decoder_of, describe, is_jpeg, notes_on, stated_end

DEFAULT_RATE = Fraction(25)  # frames per second of a stream that gives neither durations nor a believable rate
CLOSE_SECONDS = 2.0  # how long `close` waits for a read in another thread

# The losses that are frames which the source has and the result has not.
MISSING_AT_END, MISSING_IN_MIDDLE = "frames missing at the end", "frames missing in the middle"
CUT_OFF = "packets cut off by the end of the file"
LOST_FRAMES = (
    "packets that could not be decoded", "pictures that could not be decoded", MISSING_AT_END, MISSING_IN_MIDDLE,
)  # fmt: skip


class _Timed(NamedTuple):
    """A decoded frame with its repaired time and duration, in ticks."""

    decoded: av.VideoFrame
    pts: int
    duration: int


class VideoSource:
    """The frames of a container's best video stream, read once.

    `info` is filled from the header and the first decoded frame. `losses` counts what could not be delivered as it was
    recorded, and `notes` says what was done about the rest; both grow while frames are read.

    pipe        what the container reads from, if that is no file; it makes the source endless
    is_still    the file is one picture, the first, whatever stands behind it
    keep_alpha  pictures carry their alpha; otherwise transparency is laid over black
    deinterlace, hdr  as in the options of a translation; with hdr, pictures of PQ and HLG are SDR of 16 bits
    """

    files: Sequence[Path] = ()  # a sequence has them

    def __init__(
        self,
        path: str,
        opened: AbstractContextManager[av.container.InputContainer],
        *,
        start: Fraction | None = None,
        duration: Fraction | None = None,
        threads: int = 1,
        unconverted: bool = False,
        pipe: StandardInput | None = None,
        is_still: bool = False,
        keep_alpha: bool = False,
        deinterlace: bool = False,
        hdr: Hdr | None = None,
    ) -> None:
        self.losses: Counter[str] = Counter()
        self.notes: list[str] = []
        self._pipe, self._is_still, self._keep_alpha = pipe, is_still, keep_alpha
        self._deinterlaces, self._hdr = deinterlace, hdr
        self._unconverted = unconverted
        self._start, self._duration = start, duration
        self._is_interrupted = self._is_closed = False
        self._reading = threading.Lock()  # held while the decoder works
        with ExitStack() as stack:
            self._container = stack.enter_context(opened)
            self._stream, note = choose_stream(self._container, path)
            self._context = context = decoder_of(self._stream, keep_alpha=keep_alpha)
            context.thread_type = "AUTO"
            context.thread_count = threads
            context.options = {"max_pixels": str(MAX_PIXELS)}
            self._opened_state = self._file_state()
            self._packets, self._read_bytes, self._silent = 0, 0, SilentPackets()
            self._shown_packets, self._ends_in_a_packet = 0, False
            self._decoded = self._decoded_frames()
            first = next(self._decoded, None)
            if first is None:
                raise InputRefused(f"{path}: no frame could be decoded ({context.name})")
            self.info, odd_angle = describe(path, self._container, self._stream, first)
            self.notes.extend(filter(None, (note, odd_angle)))
            self.notes.extend(
                notes_on(self.info, self._stream, first, over_black=not (unconverted or keep_alpha), hdr=hdr)
            )
            if deinterlace:
                self.notes.append("deinterlaced: one frame of each")
            if hdr == "tonemap" and self.info.colour.is_hdr:
                self.info = replace(self.info, colour=SDR)
            self._repair = self._new_repair()
            self._timed = self._with_times(first)
            self._first_delivered = self._first_seconds()
            if start:
                self._skip_to(self._first_seconds() + start)
            self._frames = self._deliver()
            self._closing = stack.pop_all()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_endless(self) -> bool:
        """Whether the source is a pipe, which ends when its writer ends."""
        return self._pipe is not None

    @property
    def is_picture(self) -> bool:
        """A still picture, not a video (a GIF is a video)."""
        return self._is_still or (
            self._container.format.name.endswith("_pipe") and self._container.format.name != "yuv4mpegpipe"
        )

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
        while (frame := self._next_frame()) is not None:
            yield frame

    def interrupt(self) -> None:
        """End the stream early, from any thread or signal handler.

        A pipe looks closed from now on: frames that were received before are still delivered. A file ends at once.
        """
        self._is_interrupted = True
        if self._pipe is not None:
            self._pipe.interrupt()

    def close(self) -> None:
        """Release the decoder and the file. If another thread is reading, its read is interrupted first.

        If that read does not return within CLOSE_SECONDS, the reading thread releases them when it does.
        """
        self.interrupt()
        self._is_closed = True
        if self._reading.acquire(timeout=CLOSE_SECONDS):
            try:
                self._release()
            finally:
                self._reading.release()

    def _next_frame(self) -> Frame | None:
        with self._reading:
            try:
                if self._is_closed and self.is_endless:
                    return None  # for a pipe, closing is an end like any other
                if self._is_closed:
                    raise UsageError(f"{self.info.path}: the source is closed; open it again to read it")
                if self._is_interrupted and not self.is_endless:
                    return None
                return next(self._frames, None)
            finally:
                if self._is_closed:
                    self._release()

    def _release(self) -> None:
        self._frames.close()
        self._decoded.close()
        self._closing.close()

    def _deliver(self) -> Generator[Frame, None, None]:
        time_base = self.info.time_base
        begin, end = self.start_seconds, self.end_seconds
        index, size, last = 0, None, begin
        for decoded, pts, length in self._timed:
            seconds = pts * time_base
            if end is not None and seconds >= end:
                break
            if decoded.is_corrupt:
                self.losses["damaged frames"] += 1
            now = (decoded.width, decoded.height, decoded.format.name)
            if size is not None and now != size:
                self.notes.append(f"frame {index}: {size[0]}x{size[1]} {size[2]} becomes {now[0]}x{now[1]} {now[2]}")
            size = now
            last = seconds + length * time_base
            yield Frame(index, pts, time_base, length, self._picture(decoded))
            index += 1
            if self._is_still:
                break
        self._finish(index, float(last))

    def _picture(self, decoded: av.VideoFrame) -> Picture:
        if self._unconverted:
            return Picture((self.info.orientation.apply(codes_of(decoded)),), self.info.colour, self.info.depth)
        picture = picture_of(decoded, self.info.orientation, is_jpeg=is_jpeg(self._stream), keep_alpha=self._keep_alpha)
        return sdr_picture(picture) if self._hdr is not None and picture.colour.is_hdr else picture

    def _with_times(self, first: av.VideoFrame | None) -> Iterator[_Timed]:
        """The first frame and all after it, with their times repaired."""
        for decoded in chain([] if first is None else [first], self._decoded):
            yield _Timed(decoded, *self._repair.next(decoded.pts, decoded.duration))

    def _finish(self, delivered: int, end_seconds: float) -> None:
        if delivered == 0 and not self._is_interrupted:
            raise InputRefused(f"{self.info.path}: no frame between {self._start or 0} s and the end asked for")
        for rule, count in self._repair.repairs.items():
            self.notes.append(f"{count} timestamp{'s' * (count > 1)} {_REPAIRS[rule]}")
        if self.is_cut or self._is_interrupted:
            return
        if silent := self._silent.count():
            self.losses["packets that could not be decoded"] += silent
        lasted = end_seconds - float(self._first_seconds())
        header = self.info.duration_seconds
        ends_early = header is not None and lasted < min(0.95 * header, header - 0.4)
        self.losses.update(self._missing(delivered, end_seconds, ends_early=ends_early))
        if ends_early:
            self.notes.append(f"the header says {header:.2f} s; the frames end after {lasted:.2f} s")

    def _missing(self, delivered: int, end_seconds: float, *, ends_early: bool) -> dict[str, int]:
        """Frames that the source lacks: exact if the container counts them, else from the duration in its header.

        A duration alone proves nothing: the sound may be longer. Only a broken or changed file lacks frames.
        """
        container = self._container.format.name
        if container == "yuv4mpegpipe":
            received = self._container.size if self._pipe is None else self._pipe.num_bytes
            return {MISSING_AT_END: 1} if received > self._read_bytes else {}
        # The index of a mov file lacks what an edit list hides; the number in its header does not.
        promised = self._stream.frames
        promised = min(promised, len(self._stream.index_entries)) if container.startswith("mov") else promised
        lost = sum(self.losses[loss] for loss in LOST_FRAMES)
        is_cut_off = self._ends_in_a_packet and delivered + lost < self._shown_packets
        counted = _above_zero(MISSING_AT_END, promised - self._packets + is_cut_off)
        if container.startswith("mov") or container == "ivf":
            return counted
        is_broken = bytes_missing(self._opened_path, container)
        if container == "avi":
            return counted if is_broken or ends_early else {}
        if container in ("mpegts", "mpeg"):  # they do not say how long they are
            return _above_zero(CUT_OFF, int(is_broken))
        rate, end = float(self.info.average_rate or DEFAULT_RATE), stated_end(self._container, self._stream)
        if container == "asf" and is_broken:
            end = asf_seconds(self._opened_path)
        elif container == "mxf" and end is not None:
            end += float(self._first_seconds())  # it states a duration, and its first time need not be 0
        if end is None or not (is_broken or self._file_state() != self._opened_state):
            return {}
        at_end = max(0, round((end - end_seconds) * rate))
        if not is_broken:
            return _above_zero(MISSING_AT_END, at_end)
        others = at_end + sum(self.losses[loss] for loss in LOST_FRAMES)
        in_middle = round((end - float(self._first_seconds())) * rate) - delivered - others
        return _above_zero(MISSING_AT_END, at_end) | _above_zero(MISSING_IN_MIDDLE, in_middle)

    @property
    def _opened_path(self) -> Path:
        """The file that was opened, whatever its name stands for by now."""
        return Path(self._container.name.removeprefix("file:"))

    def _file_state(self) -> tuple[int, int] | None:
        """Size and time of the last change, to notice that the file changes while it is read; None for a pipe."""
        if self._pipe is not None:
            return None
        state = self._opened_path.stat()
        return state.st_size, state.st_mtime_ns

    def _decoded_frames(self) -> Generator[av.VideoFrame, None, None]:
        return deinterlaced(self._decode()) if self._deinterlaces else self._decode()

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
                self._count("the file is damaged from here on")
                packet = None
            if packet is not None and packet.size:
                self._packets += 1
                self._shown_packets += not packet.is_discard
                self._ends_in_a_packet = packet.is_corrupt  # FFmpeg's mark of a packet that the end of the file cut off
                self._read_bytes = max(self._read_bytes, (packet.pos or 0) + packet.size)
                if not packet.is_discard:
                    self._silent.sent(packet.pts)
            try:
                frames = self._context.decode(packet)
            except (av.FFmpegError, ValueError, MemoryError):
                self._count("packets that could not be decoded")
                self._silent.failed(None if packet is None else packet.pts)
                frames = []
            for frame in frames:
                self._silent.shown(frame.pts)
                yield frame
            if packet is None:
                return

    def _count(self, loss: str) -> None:
        """Count a loss; the half frame at the end of an interrupted pipe is none."""
        if not self._is_interrupted:
            self.losses[loss] += 1

    def _skip_to(self, seconds: Fraction) -> None:
        """Make the first frame at or after `seconds` the next one; decode from the start if the format has no index."""
        target = math.ceil(seconds / self.info.time_base)
        if self._container.format.name in INDEXED and target < MOST_TICKS:
            self._seek(target)
        for timed in self._timed:
            if timed.pts >= target:
                self._timed = chain([timed], self._timed)
                self._first_delivered = timed.pts * self.info.time_base
                return
        raise InputRefused(f"{self.info.path}: it ends before {float(seconds):.3f} s")

    def _seek(self, target: int) -> None:
        """Move so that the next decoded frame is at or before `target`; to the start if the index is wrong."""
        for position in (target, min(0, self.info.start_pts or 0)):
            self._container.seek(position, stream=self._stream, backward=True)
            self._decoded.close()
            self._decoded = self._decoded_frames()
            first = next(self._decoded, None)
            if first is not None and (first.pts or 0) <= target:
                break
        self._repair = self._new_repair()
        self._timed = self._with_times(first)

    def _new_repair(self) -> TimeRepair:
        rate = self.info.average_rate or DEFAULT_RATE
        return TimeRepair(
            self.info.time_base,
            nominal_duration=round(1 / (rate * self.info.time_base)),
            clock_may_restart=self._container.format.name in RESTARTING,
        )

    def _first_seconds(self) -> Fraction:
        return (self.info.start_pts or 0) * self.info.time_base


def _above_zero(loss: str, count: int) -> dict[str, int]:
    return {loss: count} if count > 0 else {}


_REPAIRS: dict[str, str] = {
    "missing": "missing; set to the end of the frame before",
    "not later": "not later than the one before; set one tick after it",
    "jump": "jumped; the clock goes on from the frame before",
}
