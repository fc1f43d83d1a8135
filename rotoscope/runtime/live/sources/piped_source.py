"""y4m on standard input as a live source: frames are delivered as they come, and the pipe's end is the end."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame, VideoInfo
from rotoscope.base.live import Sound, SourceState
from rotoscope.runtime.live.sources.reconnecting import SILENT_SECONDS
from rotoscope.runtime.media.standard_input import StandardInput
from rotoscope.runtime.media.video_source import VideoSource


class PipedSource:
    """The frames of a y4m stream on standard input; the pipe is read when the source is iterated.

    Raises InputRefused, as the first frame, if standard input is closed or not y4m.
    """

    name = "standard input"
    is_endless = True

    def __init__(self) -> None:
        self._pipe = StandardInput()
        self._source: VideoSource | None = None
        self._last_s: float | None = None
        self._has_ended = False

    def __enter__(self) -> "PipedSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        if self._source is None:
            self._source = VideoSource(self.name, self._pipe.opened(), pipe=self._pipe)
        for frame in self._source:
            self._last_s = time.monotonic()
            yield replace(frame, arrival_s=self._last_s)
        self._has_ended = True

    @property
    def info(self) -> VideoInfo:
        """Size and rate; raises UsageError before the first frame."""
        if self._source is None:
            raise UsageError(f"{self.name}: size and rate are known after the first frame")
        return self._source.info

    @property
    def losses(self) -> Counter[str]:
        """Cause -> frames that came and were not delivered, so far; a copy."""
        return Counter() if self._source is None else Counter(self._source.losses)

    @property
    def notes(self) -> list[str]:
        """Sentences for the user, so far; a copy."""
        return [] if self._source is None else list(self._source.notes)

    @property
    def state(self) -> SourceState:
        """Present state of the source; a pipe whose writer waits is silent."""
        if self._has_ended:
            return "ended"
        if self._last_s is None:
            return "connecting"
        return "silent" if time.monotonic() - self._last_s > SILENT_SECONDS else "playing"

    @property
    def reconnects(self) -> Counter[str]:
        """None: a pipe is connected once."""
        return Counter()

    def take_sound(self) -> list[Sound]:
        """None: y4m has no sound."""
        return []

    def interrupt(self) -> None:
        """End the stream, and a read that waits, from any thread or signal handler."""
        self._pipe.interrupt()
        if self._source is not None:
            self._source.interrupt()

    def close(self) -> None:
        """Release the decoder."""
        self.interrupt()
        if self._source is not None:
            self._source.close()
        self._has_ended = True
