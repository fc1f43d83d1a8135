"""Encode a video twice, so that it hits its bit rate: the second pass knows from the first where the bits are needed.

The network runs once. Its frames are kept without loss (FFV1) in a hidden folder beside the result until the second pass has
read them: about as much disk as a lossless video.
"""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av

from rotoscope.base.errors import OutputFailed
from rotoscope.base.frame import Frame, Orientation
from rotoscope.base.parts import Part
from rotoscope.runtime.media.decoded import picture_of
from rotoscope.runtime.media.encoder import Encoder, VideoFormat
from rotoscope.runtime.media.video_sink import OtherStreams, VideoSink

STATISTICS = "passes.log"
KEPT = "frames.mkv"


class TwoPassSink:
    """Writes frames as `VideoSink` does, whose arguments these are; `finish` takes as long as encoding them once more."""

    def __init__(
        self,
        target: Path,
        video: VideoFormat,
        encoder: Encoder,
        copied: OtherStreams | None = None,
        *,
        offset: Fraction = Fraction(0),
        overwrite: bool = False,
        source: str = "",
    ) -> None:
        self.num_frames = 0
        self._target, self._copied = target, copied
        self._times: list[tuple[int, int, Fraction, int]] = []
        self._folder = Part(target, is_folder=True)
        self._before: list[VideoSink] = []
        self._second: VideoSink | None = None
        statistics = self._folder.path.absolute() / STATISTICS

        def open_second() -> VideoSink:
            settings = _with_pass(encoder, 2, statistics)
            return VideoSink(target, video, settings, copied, offset=offset, overwrite=overwrite, source=source)

        self._open_second: Callable[[], VideoSink] = open_second
        try:
            self._folder.create()
            kept = replace(encoder, codec="ffv1", options={"level": "3", "slicecrc": "1"}, muxer_options={}, tag="")
            # The first pass has the container of the second: x264 compares their clocks.
            for name, settings in (
                (KEPT, kept),
                (f"first{target.suffix}", replace(_with_pass(encoder, 1, statistics), muxer_options={})),
            ):
                self._before.append(VideoSink(self._folder.path / name, video, settings, offset=offset))
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
        """What the container could not keep of the source's streams and times."""
        if self._second is not None:
            return self._second.notes
        return [] if self._copied is None else list(self._copied.notes)

    def write(self, frame: Frame) -> None:
        """Encode one frame for the first time, and keep it."""
        for sink in self._before:
            sink.write(frame)
        self._times.append((frame.index, frame.pts, frame.time_base, frame.duration))
        self.num_frames += 1

    def finish(self) -> None:
        """Encode all frames for the second time, with the copied streams, and give the file its name."""
        while self._before:
            self._before.pop().finish()  # an encoder completes its statistics when it is freed
        self._second = second = self._open_second()
        num_read = 0
        with closing(av.open(f"file:{self._folder.path / KEPT}")) as container:
            assert isinstance(container, av.container.InputContainer)
            for (index, pts, time_base, duration), decoded in zip(self._times, container.decode(video=0), strict=False):
                picture = picture_of(decoded, Orientation(), is_jpeg=False)
                second.write(Frame(index, pts, time_base, duration, picture, result=picture))
                num_read += 1
        if num_read < self.num_frames:
            raise OutputFailed(f"{self._target}: {num_read} of {self.num_frames} frames came back for the second pass")
        second.finish()
        self._folder.remove()

    def abort(self) -> None:
        """Close everything and remove what was written. Never raises."""
        for sink in (*self._before, *([self._second] if self._second is not None else [])):
            sink.abort()
        if self._copied is not None and self._second is None:
            self._copied.close()
        with suppress(OSError):
            self._folder.remove()


def _with_pass(encoder: Encoder, number: int, statistics: Path) -> Encoder:
    """The encoder for one pass, with the file in which the first leaves statistics for the second."""
    options, name = dict(encoder.options), os.fspath(statistics)
    if encoder.codec == "libx264":
        options |= {"flags": f"{options.get('flags', '')}+pass{number}", "stats": name}
    else:
        escaped = "".join(f"\\{letter}" if letter in "\\':=" else letter for letter in name)
        given = options.get("x265-params")
        options["x265-params"] = ":".join(filter(None, [given, f"pass={number}", f"stats={escaped}"]))
    return replace(encoder, options=options)
