"""Write a video in segments, which stay when the run is interrupted, and join them at the end beside the copied streams."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
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
from rotoscope.runtime.media.segments import Segment, check_alike, joined_packets, write_segment
from rotoscope.runtime.media.video_sink import VideoSink, clock_of, open_output

JOINED = (".mp4", ".m4v", ".mov", ".mkv", ".webm")  # endings of containers whose packets are joined


@dataclass(frozen=True)
class SegmentRule:
    """The rule for the ends of segments.

    folder   that holds them; removed when the result is complete
    seconds  a scene cut that is at least this far from the begin of a segment ends it
    most     longest segment in seconds, with or without a cut; None: only cuts end segments
    """

    folder: Path
    seconds: float
    most: float | None


class SegmentSink:
    """Takes frames from a place on where an earlier run was interrupted; frames before `next_frame` are left out.

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
        self._segments = list(segments)
        self._scene = segments[-1].scene if segments else 0
        self._next = segments[-1].end if segments else 0
        self._open: VideoSink | None = None
        self._first: Frame | None = None  # of the open segment
        self._path = rule.folder
        self._notes: list[str] = []
        self._kept: list[str] = []
        if self._segments:
            self._notes.append(f"{self._next} frames of an earlier run are used")

    @property
    def num_frames(self) -> int:
        """Frames written so far, those of earlier runs included."""
        return self._next

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
        if frame.index < self._next:
            return
        if frame.cut:
            self._scene = frame.index
        if self._open is not None and self._ends_before(frame):
            self._close_segment(self._scene)
        if self._open is None:
            self._begin(frame)
        assert self._open is not None
        self._open.write(frame)
        self._next = frame.index + 1

    def finish(self) -> None:
        """Close the last segment, join all beside the copied streams, and remove them."""
        if self._open is not None:
            self._close_segment(self._next)
        if not self._segments:
            raise OutputFailed(f"{self._target}: no frame was written")
        check_alike(self._segments)
        self._join()
        shutil.rmtree(self._rule.folder, ignore_errors=True)

    def abort(self) -> None:
        """Close everything; complete segments stay. Never raises."""
        if self._open is not None:
            self._open.abort()
        if self._copied is not None:
            self._copied.close()

    def _ends_before(self, frame: Frame) -> bool:
        """Whether the open segment ends before a frame."""
        assert self._first is not None
        length = float(frame.seconds - self._first.seconds)
        most = self._rule.most
        return (frame.cut and length >= self._rule.seconds) or (most is not None and length >= most)

    def _tick(self, frame: Frame) -> int:
        return round((frame.seconds + self._offset) / self._time_base)

    def _begin(self, frame: Frame) -> None:
        self._first = frame
        self._path = self._rule.folder / f"{len(self._segments):06d}{self._target.suffix}"
        self._open = VideoSink(
            self._path,
            self._video,
            self._encoder,
            offset=self._offset - self._tick(frame) * self._time_base,
            overwrite=True,  # one without a record does not count
            source=self._source,
        )

    def _close_segment(self, scene: int) -> None:
        assert self._open is not None
        assert self._first is not None
        self._open.finish()
        segment = Segment(self._path, self._first.index, self._open.num_frames, self._tick(self._first), scene)
        write_segment(segment)
        self._segments.append(segment)
        self._open = None

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
            if self._encoder.tag:
                stream.codec_context.codec_tag = self._encoder.tag
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
