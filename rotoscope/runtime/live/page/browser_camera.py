"""The camera of a browser, or any other sender of WHIP, as a live source: pictures come from the server of the page."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from fractions import Fraction

import av

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.frame import Frame, Orientation, VideoInfo
from rotoscope.base.live import Sound, SourceState
from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.sources.live_clock import TIME_BASE, LiveClock
from rotoscope.runtime.media.decoded import picture_of

NAME = "page:"
SILENT_S = 1.0  # without a picture, after which a connected sender is called silent
MAX_WAITING = 3  # decoded pictures that may wait; older ones are left out
TOO_FAST = "pictures that came too fast"
STOPPED = "the sender stopped"
FRAME_TICKS = 3000  # a thirtieth of a second: a sender does not say how long a picture lasts


class BrowserCamera:
    """A `LiveSource` that is fed by the server of the page with the pictures of one sender at a time; silent.

    give_up_after_s  raise InputRefused after this time without a picture; None: never
    """

    is_endless = True

    def __init__(self, *, give_up_after_s: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.losses: Counter[str] = Counter()
        self.reconnects: Counter[str] = Counter()
        self.notes: list[str] = []
        self._give_up_after_s, self._clock = give_up_after_s, clock
        self._interruption = Interruption()
        self._times = LiveClock()
        self._waiting: deque[tuple[av.VideoFrame, float, bool]] = deque()  # picture, arrival, first of its sender
        self._lock = threading.Lock()
        self._is_connected = self._is_new = False
        self._num_senders = self._index = 0
        self._info: VideoInfo | None = None
        self._last_s = clock()

    @property
    def info(self) -> VideoInfo:
        """Of the newest picture; raises UsageError before the first one."""
        if self._info is None:
            raise UsageError(f"{NAME} no browser has sent a picture yet")
        return self._info

    @property
    def state(self) -> SourceState:
        """Present state of the source."""
        if self._interruption.is_set():
            return "ended"
        if not self._is_connected:
            return "waiting" if self._index else "connecting"
        return "silent" if self._clock() - self._last_s > SILENT_S else "playing"

    def begin(self) -> None:
        """Say that a sender has connected; called by the server."""
        with self._lock:
            self._num_senders += 1
            self._is_connected = self._is_new = True
            self._last_s = self._clock()
            if self._num_senders > 1:
                self.reconnects[STOPPED] += 1

    def put(self, picture: av.VideoFrame) -> None:
        """Take a picture of the sender, in any thread; returns at once."""
        with self._lock:
            self._last_s = self._clock()
            if len(self._waiting) >= MAX_WAITING:
                _, _, was_new = self._waiting.popleft()
                self._is_new = self._is_new or was_new
                self.losses[TOO_FAST] += 1
            self._waiting.append((picture, self._last_s, self._is_new))
            self._is_new = False
        self._interruption.notify()

    def end(self) -> None:
        """Say that the sender has gone; called by the server."""
        with self._lock:
            self._is_connected = False

    def take_sound(self) -> list[Sound]:
        """Nothing: the sound of a browser is not taken."""
        return []

    def __iter__(self) -> Iterator[Frame]:
        while not self._interruption.is_set():
            self._interruption.wait_for(lambda: bool(self._waiting) or self._is_given_up())
            with self._lock:
                item = self._waiting.popleft() if self._waiting else None
            if item is not None:
                yield self._frame(*item)
            elif self._is_given_up():
                raise InputRefused(f"{NAME} no browser sent a picture for {self._give_up_after_s:g} s")

    def interrupt(self) -> None:
        """End the stream, from any thread or signal handler."""
        self._interruption.set()

    def close(self) -> None:
        """Do what `interrupt` does."""
        self.interrupt()

    def _is_given_up(self) -> bool:
        limit = self._give_up_after_s
        return limit is not None and self._clock() - self._last_s >= limit

    def _frame(self, decoded: av.VideoFrame, arrival_s: float, is_first: bool) -> Frame:
        if is_first:
            self._times.reconnected()
        ticks, time_base = decoded.pts, decoded.time_base
        stream_s = None if ticks is None or time_base is None else ticks * time_base
        pts = self._times.frame(stream_s, arrival_s)
        picture = picture_of(decoded, Orientation(), is_jpeg=False)
        self._info = VideoInfo(
            path=NAME, container="webrtc", codec="", width=picture.width, height=picture.height,
            orientation=Orientation(), sample_aspect=Fraction(1), pixel_format=decoded.format.name, depth=picture.depth,
            colour=picture.colour, time_base=TIME_BASE, average_rate=None, start_pts=0, duration_seconds=None,
            num_frames_from_header=None,
        )  # fmt: skip
        index, self._index = self._index, self._index + 1
        return Frame(index, pts, TIME_BASE, FRAME_TICKS, picture, cut=is_first and index > 0, arrival_s=arrival_s)
