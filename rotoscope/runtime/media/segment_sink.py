"""Write a video in segments, which stay when the run is interrupted, and join them at the end beside the copied streams."""

from __future__ import annotations

import shutil
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av

from rotoscope.base.errors import OutputFailed
from rotoscope.base.files import place
from rotoscope.base.frame import Frame
from rotoscope.base.parts import Part
from rotoscope.runtime.media.copied_streams import CopiedStreams
from rotoscope.runtime.media.encoder import CONTAINERS, Encoder, VideoFormat
from rotoscope.runtime.media.local_file import open_local
from rotoscope.runtime.media.segments import Segment, check_alike, joined_packets, segment_name, write_segment
from rotoscope.runtime.media.video_sink import VideoSink, clock_of, open_output

JOINED = (".mp4", ".m4v", ".mov", ".mkv", ".webm")  # endings of containers whose packets are joined


@dataclass(frozen=True)
class PartBegin:
    """The place where a part of a video begins that a worker writes alone; the part before ends there.

    It is the first scene cut from a frame on, or a later frame if there is none for long.

    first     index of the first frame that may be it
    patience  number of frames after which any frame may be it; None: only a cut
    """

    first: int
    patience: int | None

    def is_at(self, frame: Frame) -> bool:
        """Return True if the part may begin with this frame; it begins with the first such frame."""
        waited = frame.index - self.first
        return waited >= 0 and (frame.cut or (self.patience is not None and waited >= self.patience))


@dataclass(frozen=True)
class SegmentRule:
    """The rule for the ends of segments.

    folder   that holds them; removed when the result is complete
    seconds  a scene cut that is at least this far from the begin of a segment ends it
    most     longest segment in seconds, with or without a cut; None: only cuts end segments
    begin, end  of the part that is written; None: of the whole video
    is_part     segments are made and not joined
    save_state  writes a file with the state of the networks before the frame of an index and returns its bytes; None: no
                state passes the end of a segment
    on_segment  called with each segment when it is complete
    """

    folder: Path
    seconds: float
    most: float | None
    begin: PartBegin | None = None
    end: PartBegin | None = None
    is_part: bool = False
    save_state: Callable[[int, Path], int] | None = None
    on_segment: Callable[[Segment], None] = lambda _segment: None

    def ends_before(self, first: Frame, frame: Frame) -> bool:
        """Whether a segment that begins with `first` ends before `frame`."""
        length = float(frame.seconds - first.seconds)
        return (frame.cut and length >= self.seconds) or (self.most is not None and length >= self.most)


class SegmentSink:
    """Takes the frames that are in no segment yet; others are left out, such as those that a stage had to see again.

    segments  what is complete; see `read_segments`
    The other arguments are those of VideoSink. `abort` keeps complete segments.
    """

    def __init__(
        self,
        rule: SegmentRule,
        segments: Sequence[Segment],
        target: Path,
        video: VideoFormat,
        encoder: Encoder,
        copied: CopiedStreams | None,
        *,
        offset: Fraction,
        overwrite: bool,
        source: str,
    ) -> None:
        self._rule, self._target, self._overwrite, self._source = rule, target, overwrite, source
        self._video, self._encoder, self._copied, self._offset = video, encoder, copied, offset
        self._muxer = CONTAINERS[target.suffix.lower()][0]
        self._time_base = clock_of(self._muxer, video.time_base)
        self._known = deque(segments)  # those that no frame has passed yet
        self._segments = list(segments)
        self._scene: int | None = None
        self._next = 0  # index of the frame after the last one that came
        self._waits_for, self._is_over = rule.begin, False
        self._open: VideoSink | None = None
        self._first: Frame | None = None  # of the open segment
        self._path = rule.folder
        self._notes: list[str] = []
        self._kept: list[str] = []
        if self.num_frames:
            self._notes.append(f"{self.num_frames} frames of an earlier run are used")

    @property
    def num_frames(self) -> int:
        """Frames written so far, those of earlier runs included."""
        done = sum(segment.num_frames for segment in self._segments)
        return done + (0 if self._open is None else self._open.num_frames)

    @property
    def kept(self) -> list[str]:
        """Names of the copied streams; known at the end."""
        return self._kept

    @property
    def losses(self) -> Counter[str]:
        """Cause -> number of packets of sound or subtitles that could not be copied."""
        return Counter() if self._copied is None else self._copied.losses

    @property
    def notes(self) -> list[str]:
        """Sentences about what an earlier run left, and what the container could not keep."""
        return self._notes + ([] if self._copied is None else self._copied.notes)

    def write(self, frame: Frame) -> None:
        """Write one frame into the open segment, or begin the next one with it."""
        is_next, self._next = frame.index == self._next, frame.index + 1
        scene_before = self._scene
        if frame.cut or self._scene is None:  # of the first frame it need not be the true one, only its rhythm counts
            self._scene = frame.index
        if self._waits_for is not None and not self._waits_for.is_at(frame):
            return
        self._waits_for = None
        self._is_over = self._is_over or (self._rule.end is not None and self._rule.end.is_at(frame))
        is_left_out = self._is_over or self._is_known(frame)
        if self._open is not None and (is_left_out or not is_next or self._ends_before(frame)):
            scene = self._scene if is_next or scene_before is None else scene_before
            self._close_segment(scene, has_state=is_next)
        if is_left_out:
            return
        if self._open is None:
            self._begin(frame)
        assert self._open is not None
        self._open.write(frame)

    def finish(self) -> None:
        """Close the last segment; unless a part alone was written, join all beside the copied streams, and remove them."""
        if self._open is not None:
            self._close_segment(self._next, has_state=False)
        if self._rule.is_part:
            self.abort()
            return
        self._check_whole()
        check_alike(self._segments)
        self._join()
        shutil.rmtree(self._rule.folder, ignore_errors=True)

    def abort(self) -> None:
        """Close everything; complete segments stay. Never raises."""
        if self._open is not None:
            self._open.abort()
        if self._copied is not None:
            self._copied.close()

    def _is_known(self, frame: Frame) -> bool:
        """Whether a frame is in a complete segment."""
        while self._known and self._known[0].end <= frame.index:
            self._known.popleft()
        return bool(self._known) and self._known[0].first <= frame.index

    def _ends_before(self, frame: Frame) -> bool:
        assert self._first is not None
        return self._rule.ends_before(self._first, frame)

    def _tick(self, frame: Frame) -> int:
        return round((frame.seconds + self._offset) / self._time_base)

    def _begin(self, frame: Frame) -> None:
        self._first = frame
        self._path = self._rule.folder / f"{segment_name(frame.index)}{self._target.suffix}"
        self._open = VideoSink(
            self._path,
            self._video,
            self._encoder,
            offset=self._offset - self._tick(frame) * self._time_base,
            overwrite=True,  # one without a record does not count
            source=self._source,
        )

    def _close_segment(self, scene: int, *, has_state: bool) -> None:
        """Complete the open segment.

        scene      see `Segment`
        has_state  the networks have gone on to the frame after it
        """
        assert self._open is not None
        assert self._first is not None
        self._open.finish()
        segment = Segment(self._path, self._first.index, self._open.num_frames, self._tick(self._first), scene)
        if has_state and self._rule.save_state is not None:
            segment = replace(segment, state_bytes=self._rule.save_state(segment.end, segment.state_path))
        write_segment(segment)
        self._open = None
        self._segments.append(segment)
        self._segments.sort(key=lambda item: item.first)
        self._rule.on_segment(segment)

    def _check_whole(self) -> None:
        """Raise OutputFailed if frames are missing before, between or in place of the segments."""
        if not self._segments:
            raise OutputFailed(f"{self._target}: no frame was written")
        ends = [0, *(segment.end for segment in self._segments)]
        for segment, end in zip(self._segments, ends, strict=False):
            if segment.first != end:
                raise OutputFailed(
                    f"{self._rule.folder}: frames {end} to {segment.first - 1} are in no segment; delete it"
                )

    def _join(self) -> None:
        part = Part(self._target)
        try:
            part.create()
            self._mux(part.path)
            place(part.path, self._target, overwrite=self._overwrite)
            part.release()
        except (av.FFmpegError, OSError) as error:
            raise OutputFailed(f"{self._target}: {getattr(error, 'strerror', None) or error}") from error
        finally:
            part.remove()

    def _mux(self, path: Path) -> None:
        """Write the packets of all segments, and beside them the copied streams."""
        with (
            open_local(self._segments[0].path) as first,
            open_output(path, self._muxer, self._encoder.muxer_options, self._video.time_base, self._copied) as output,
        ):
            stream = output.add_stream_from_template(first.streams.video[0])
            stream.time_base = self._time_base
            stream.codec_context.framerate = self._video.rate or Fraction(25)
            written = first.streams.video[0]
            stream.codec_context.codec_tag = self._encoder.tag or written.codec_context.codec_tag
            if written.sample_aspect_ratio:  # a template has no shape of pixels and no tag
                stream.codec_context.sample_aspect_ratio = written.sample_aspect_ratio
            stream.metadata.update(first.streams.video[0].metadata)
            if self._copied is not None:
                self._copied.attach(output, self._muxer, self._offset)
                self._kept = list(self._copied.kept)
            for seconds, packet in joined_packets(self._segments, self._time_base):
                if self._copied is not None:
                    self._copied.mux_until(output, seconds - self._offset)
                packet.stream = stream
                output.mux(packet)
            if self._copied is not None:
                self._copied.mux_until(output, None)
        if self._copied is not None:
            self._copied.close()
