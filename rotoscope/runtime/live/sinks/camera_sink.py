"""Write a live run into a virtual camera of Linux (v4l2loopback), from which other programs read it as from a webcam."""

from collections import Counter
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av

from rotoscope.base.errors import OutputFailed
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.live import LiveFormat, SinkState, Sound
from rotoscope.runtime.live.sinks.picture_format import PIXEL_FORMAT
from rotoscope.runtime.media.video_sink import av_picture

# The loopback device has no clock: frames are shown when they come.


class CameraSink:
    """Writes raw 4:2:0 pictures into /dev/videoN. Not run in tests: it needs the kernel module v4l2loopback."""

    keeps_every_frame = False
    reconnects = 0
    reason = ""

    def __init__(self, device: Path, live: LiveFormat) -> None:
        self.name = str(device)
        self.state: SinkState = "open"
        self.num_frames = 0
        self.notes = ["sound left out: a camera has none"] if live.has_sound else []
        self.kept: list[str] = []
        self.losses: Counter[str] = Counter()
        try:
            self._output = av.open(str(device), "w", format="v4l2")
            self._stream = self._output.add_stream("rawvideo", rate=live.rate)
            assert isinstance(self._stream, av.VideoStream)
            self._stream.width, self._stream.height, self._stream.pix_fmt = live.width, live.height, PIXEL_FORMAT
            self._output.start_encoding()
        except (av.FFmpegError, OSError) as error:
            raise OutputFailed(f"{self.name}: {getattr(error, 'strerror', None) or error}") from error

    def write(self, frame: Frame) -> None:
        """Show one frame."""
        assert isinstance(frame.result, Picture)
        picture = av_picture(frame.result, PIXEL_FORMAT)
        picture.pts, picture.time_base = self.num_frames, Fraction(1, 1000)
        try:
            self._output.mux(self._stream.encode(picture))
        except (av.FFmpegError, OSError) as error:
            raise OutputFailed(f"{self.name}: {getattr(error, 'strerror', None) or error}") from error
        self.num_frames += 1

    def write_sound(self, sound: Sound) -> None:
        """Do nothing: a camera has no sound."""

    def interrupt(self) -> None:
        """Do nothing: the device takes a picture at once."""

    def finish(self) -> None:
        """Close the device."""
        self.state = "closed"
        with suppress(av.FFmpegError, OSError):
            self._output.close()

    abort = finish
