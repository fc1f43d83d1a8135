"""A clip as a camera: its frames on a clock, for the scenario `stream`; and the sink that notes how late each result is."""

import math
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from rotoscope.base.frame import Frame, VideoInfo
from rotoscope.base.live import SinkState, Sound, SourceState
from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.sources.pace import Pace
from rotoscope.scenarios.clip_frames import ClipFrames


class ClipCamera:
    """A live source that sends the frames of a clip, forth and back, at a rate, until it is interrupted."""

    is_endless = True
    is_cut = is_picture = False
    files = ()
    name = "clip"

    def __init__(self, clip: ClipFrames, rate: Fraction) -> None:
        self.info: VideoInfo = replace(clip.info, average_rate=rate, time_base=1 / rate)
        self.losses, self.reconnects = Counter[str](), Counter[str]()
        self.notes: list[str] = []
        self._frames = clip.forth_and_back(rate)
        self._interruption = Interruption()
        self._pace = Pace(self._interruption.wait, longest_gap_s=math.inf)

    @property
    def state(self) -> SourceState:
        """Present state of the source."""
        return "ended" if self._interruption.is_set() else "playing"

    def take_sound(self) -> list[Sound]:
        """None."""
        return []

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            if self._pace.wait_until_due(frame.seconds) or self._interruption.is_set():
                return
            yield replace(frame, arrival_s=time.monotonic())

    def interrupt(self) -> None:
        """End the stream, and a wait for the next frame, from any thread."""
        self._interruption.set()

    close = interrupt


class TimedSink:
    """Notes when each result was handed over, and how long after the arrival of its frame."""

    name = "clock"
    keeps_every_frame = False
    reconnects = 0
    reason = ""
    state: SinkState = "open"

    def __init__(self) -> None:
        self.num_frames = 0
        self.notes: list[str] = []
        self.kept: list[str] = []
        self.losses = Counter[str]()
        self._written_s, self._latency_s = array("d"), array("d")

    def write(self, frame: Frame) -> None:
        """Note the time."""
        now = time.monotonic()
        assert frame.arrival_s is not None
        self._latency_s.append(now - frame.arrival_s)
        self._written_s.append(now)
        self.num_frames += 1

    def latencies_s(self, begin_s: float, end_s: float) -> list[float]:
        """The latencies of what was written from begin_s until end_s, on the monotonic clock."""
        count = len(self._written_s)
        pairs = zip(self._written_s[:count], self._latency_s[:count], strict=True)
        return [late for written, late in pairs if begin_s <= written < end_s]

    def write_sound(self, sound: Sound) -> None:
        """Ignore it."""

    def interrupt(self) -> None:
        """Do nothing: `write` does not wait."""

    def finish(self) -> None:
        """Do nothing."""

    abort = finish
