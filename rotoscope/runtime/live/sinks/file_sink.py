"""Record a live run into a video file, with its sound; the file appears under its name when the run ends."""

from collections import Counter
from fractions import Fraction
from pathlib import Path

from rotoscope.base.frame import Frame
from rotoscope.base.live import SinkState, Sound
from rotoscope.runtime.live.sinks.sound_encoder import SoundEncoder
from rotoscope.runtime.media.encoder import Encoder, VideoFormat
from rotoscope.runtime.media.video_sink import VideoSink


class FileSink:
    """Writes frames with their own times into a part file, beside the target, which gets its name at `finish`.

    The first frame is at 0 in the file, whenever the recording begins.
    """

    keeps_every_frame = True
    reconnects = 0
    reason = ""

    def __init__(self, target: Path, video: VideoFormat, encoder: Encoder, *, has_sound: bool, overwrite: bool) -> None:
        self.name = str(target)
        self.state: SinkState = "open"
        self._target, self._overwrite = target, overwrite
        self._video, self._encoder = video, encoder
        self._sound = SoundEncoder() if has_sound else None
        self._sink: VideoSink | None = None

    @property
    def num_frames(self) -> int:
        """Frames written so far."""
        return 0 if self._sink is None else self._sink.num_frames

    @property
    def kept(self) -> list[str]:
        """The sound, if there is some."""
        return [] if self._sink is None else self._sink.kept

    @property
    def notes(self) -> list[str]:
        """Sentences about what the container could not keep."""
        if self._sink is None:
            return [f"{self.name}: not written, there was no frame"] if self.state == "closed" else []
        if self._target.suffix.lower() == ".y4m":
            length = 1 / (self._video.rate or Fraction(25))
            return [*self._sink.notes, f"{self.name}: y4m has no times; each frame lasts {length} s"]
        return self._sink.notes

    @property
    def losses(self) -> Counter[str]:
        """Cause -> pieces of sound that were left out."""
        return Counter() if self._sound is None else self._sound.losses

    def write(self, frame: Frame) -> None:
        """Encode one frame, after the sound that belongs before it."""
        if self._sink is None:
            self._sink = VideoSink(
                self._target, self._video, self._encoder, self._sound,
                given="yuv420p", offset=-frame.seconds, overwrite=self._overwrite,
            )  # fmt: skip
        self._sink.write(frame)

    def write_sound(self, sound: Sound) -> None:
        """Keep sound for the frames of its time."""
        if self._sound is not None:
            self._sound.put(sound)

    def interrupt(self) -> None:
        """Do nothing: a file has no waits."""

    def finish(self) -> None:
        """Write what is buffered, and give the file its name."""
        self.state = "closed"
        if self._sink is not None:
            self._sink.finish()

    def abort(self) -> None:
        """Remove the part file."""
        self.state = "closed"
        if self._sink is not None:
            self._sink.abort()
