"""A source that connects again whenever its stream ends, with growing pauses, for ever unless it is told to give up."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.frame import Frame, VideoInfo
from rotoscope.base.live import Sound, SourceState
from rotoscope.runtime.live.backoff import Backoff
from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.sources.connection import Connection, Received
from rotoscope.runtime.live.sources.detached import Detached
from rotoscope.runtime.live.sources.disconnects import Disconnected
from rotoscope.runtime.live.sources.live_clock import TIME_BASE, LiveClock
from rotoscope.runtime.live.sources.sound import SoundQueue, SoundTrack

SILENT_SECONDS = 1.0  # without a picture, after which a connected source is called silent
STEADY_SECONDS = 1.0  # a connection that gave pictures for so long begins with the shortest pause again
CLOSE_SECONDS = 1.0  # from `interrupt` on: how long `close` waits for a read that cannot be ended

log = logging.getLogger("rotoscope.live")


class ReconnectingSource:
    """Frames of a stream that is connected again by itself; see `LiveSource` for what a live source promises.

    connect          opens one connection, and raises Disconnected, with a reason that may be shown, if that fails; so does
                     reading from it
    give_up_after_s  raise InputRefused after this time without a picture; None: never
    with_sound       decode the sound too
    repeats          the stream is a file that is played again and again: its end is no lost connection
    """

    is_endless = True

    def __init__(
        self,
        name: str,
        connect: Callable[[Counter[str]], Connection],
        *,
        give_up_after_s: float | None = None,
        with_sound: bool = True,
        repeats: bool = False,
        interruption: Interruption | None = None,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._losses: Counter[str] = Counter()  # these three are written by the thread that reads
        self._reconnects: Counter[str] = Counter()
        self._notes: list[str] = []
        self._connect, self._give_up_after_s, self._clock = connect, give_up_after_s, clock
        self._with_sound, self._repeats = with_sound, repeats
        self._interruption = interruption or Interruption()
        self._backoff = backoff or Backoff()
        self._times = LiveClock()
        self._sounds = SoundQueue()
        self._state: SourceState = "connecting"
        self._info: VideoInfo | None = None
        self._index = 0
        self._last_picture_s: float | None = None
        self._interrupted_s = 0.0
        self._said = ""
        self._detached = Detached(self._frames(), self._interruption)

    def __enter__(self) -> "ReconnectingSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._detached)

    @property
    def info(self) -> VideoInfo:
        """Of the latest connection; raises UsageError before the first frame."""
        if self._info is None:
            raise UsageError(f"{self.name}: size and rate are known after the first frame")
        return self._info

    @property
    def losses(self) -> Counter[str]:
        """Cause -> frames that came and were not delivered, so far; a copy."""
        return Counter(self._losses)

    @property
    def reconnects(self) -> Counter[str]:
        """Reason -> connections that were lost and made again, so far; a copy."""
        return Counter(self._reconnects)

    @property
    def notes(self) -> list[str]:
        """Sentences for the user, so far; a copy."""
        return list(self._notes)

    @property
    def state(self) -> SourceState:
        """Present state of the source."""
        last = self._last_picture_s
        if self._state == "playing" and last is not None and self._clock() - last > SILENT_SECONDS:
            return "silent"
        return self._state

    def take_sound(self) -> list[Sound]:
        """The sound that arrived since the last call, in order."""
        return self._sounds.take()

    def interrupt(self) -> None:
        """End the stream, from any thread or signal handler."""
        if not self._interruption.is_set():
            self._interrupted_s = self._clock()
        self._interruption.set()

    def close(self) -> None:
        """End the stream and wait for the thread that reads, until CLOSE_SECONDS after `interrupt`; then it ends by itself."""
        self.interrupt()
        self._detached.join(max(0.0, self._interrupted_s + CLOSE_SECONDS - self._clock()))
        self._state = "ended"

    def _frames(self) -> Generator[Frame, None, None]:
        """Connect, deliver, and connect again. Runs in the thread that reads."""
        lost, begin_s = "", self._clock()
        try:
            while not self._interruption.is_set():
                self._state = "connecting"
                before = self._index
                try:
                    with self._connect(self._losses) as connection:
                        for frame in self._frames_of(connection, lost):
                            lost = ""
                            yield frame
                    if self._repeats and self._index > before:
                        continue
                    reason = "the stream ended"
                except Disconnected as error:
                    reason = str(error)
                if self._interruption.is_set():
                    return
                lost = lost or (reason if self._index else "")
                self._wait_to_reconnect(reason, begin_s)
        finally:
            self._state = "ended"

    def _frames_of(self, connection: Connection, lost: str) -> Iterator[Frame]:
        self._times.reconnected()
        track = SoundTrack(self._sounds, self._times) if self._with_sound else None
        first_s: float | None = None
        for received in connection.pictures(track):
            if self._interruption.is_set():
                return
            is_first = first_s is None
            if first_s is None:
                first_s = received.arrival_s
                if lost:
                    self._reconnects[lost] += 1
                self._begin(connection)
            elif received.arrival_s - first_s >= STEADY_SECONDS:
                self._backoff.reset()
            self._info = connection.info
            self._last_picture_s = received.arrival_s
            frame = self._frame(received, is_cut=is_first and self._index > 0)
            if track is not None:
                track.begin(frame.seconds)
            yield frame

    def _frame(self, received: Received, *, is_cut: bool) -> Frame:
        pts = self._times.frame(received.stream_s, received.arrival_s)
        duration = max(1, round(received.duration_s / TIME_BASE))
        index, self._index = self._index, self._index + 1
        return Frame(index, pts, TIME_BASE, duration, received.picture, cut=is_cut, arrival_s=received.arrival_s)

    def _begin(self, connection: Connection) -> None:
        self._state = "playing"
        info = connection.info
        assert info is not None
        sound = "with sound" if connection.has_sound else "without sound"
        self._say(logging.INFO, f"is playing: {info.codec} {info.width}x{info.height}, {sound}")
        for note in connection.notes:
            if note not in self._notes:
                self._notes.append(note)

    def _wait_to_reconnect(self, reason: str, begin_s: float) -> None:
        """Pause before the next attempt; a reason is logged when it differs from the one before."""
        silent_s = self._clock() - (begin_s if self._last_picture_s is None else self._last_picture_s)
        if self._give_up_after_s is not None and silent_s >= self._give_up_after_s:
            raise InputRefused(f"{self.name}: no picture for {round(silent_s, 1):g} s: {reason}")
        self._state = "waiting"
        self._say(logging.WARNING, f"is not playing ({reason}); connecting again")
        delay = self._backoff.delay()
        if self._give_up_after_s is not None:
            delay = min(delay, self._give_up_after_s - silent_s)
        self._interruption.wait(delay)

    def _say(self, level: int, what: str) -> None:
        """Log what has changed; what is as before is not said again."""
        if what != self._said:
            log.log(level, "%s %s", self.name, what)
            self._said = what
