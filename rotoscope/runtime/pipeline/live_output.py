"""Hand frames and sound to one output of a live run, on a thread of its own, so that a slow output delays no other."""

import logging
import threading
from collections import deque

from rotoscope.base.errors import RotoscopeError
from rotoscope.base.frame import Frame
from rotoscope.base.live import LiveSink, OutputStatus, Sound

log = logging.getLogger(__name__)

QUEUED_FRAMES = 8  # that a sink which keeps every frame may be behind
QUEUED_SOUNDS = 500  # pieces; about 10 s


class LiveOutput:
    """A sink and its thread.

    waits  a full queue makes `put` wait; False: the newest frame replaces one that waits, which is counted as dropped
    """

    def __init__(self, sink: LiveSink, *, waits: bool) -> None:
        self._sink, self._waits = sink, waits
        self._depth = QUEUED_FRAMES if waits else 1
        self._items: deque[Frame | Sound] = deque()
        self._num_frames = self._num_dropped = 0
        self._changed = threading.Condition()
        self._is_ended = self._is_aborted = False
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"rotoscope-output {sink.name}", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether it still takes frames."""
        return self.error is None and not self._is_ended

    def put(self, frame: Frame) -> None:
        """Hand over a frame; returns at once unless this output keeps every frame and is behind."""
        with self._changed:
            if self._waits:
                self._changed.wait_for(lambda: self._num_frames < self._depth or not self.is_open)
            if not self.is_open:
                return
            if self._num_frames >= self._depth:
                oldest = next(item for item in self._items if isinstance(item, Frame))
                self._items.remove(oldest)
                self._num_frames -= 1
                self._num_dropped += 1
            self._items.append(frame)
            self._num_frames += 1
            self._changed.notify_all()

    def put_sound(self, sound: Sound) -> None:
        """Hand over sound; of an output that is far behind, the oldest is dropped."""
        with self._changed:
            if self.is_open:
                self._items.append(sound)
                if len(self._items) - self._num_frames > QUEUED_SOUNDS:
                    self._items.remove(next(item for item in self._items if isinstance(item, Sound)))
                self._changed.notify_all()

    def status(self) -> OutputStatus:
        """The state now."""
        sink = self._sink
        return OutputStatus(
            name=sink.name,
            state="closed" if self.error is not None else sink.state,
            frames=sink.num_frames,
            dropped=self._num_dropped,
            reconnects=sink.reconnects,
            losses=dict(sink.losses),
            error=sink.reason if self.error is None else str(self.error),
            waiting=self._num_frames,
        )

    @property
    def notes(self) -> list[str]:
        """Sentences about what the output could not keep."""
        return list(self._sink.notes)

    def end(self, *, abort: bool = False) -> None:
        """Take no more; what waits is written, then the sink is finished, or with `abort` everything is dropped."""
        with self._changed:
            self._is_ended, self._is_aborted = True, abort
            if abort:
                self._items.clear()
                self._num_frames = 0
            self._changed.notify_all()
        if abort:
            self._sink.interrupt()

    def interrupt(self) -> None:
        """End a wait of the sink, such as one for a connection."""
        self._sink.interrupt()

    def join(self, timeout_s: float | None) -> bool:
        """Wait for the end of the thread; whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                if isinstance(item, Frame):
                    self._sink.write(item)
                else:
                    self._sink.write_sound(item)
            if self._is_aborted:
                self._sink.abort()
            else:
                self._sink.finish()
        except Exception as error:  # a broken output ends alone; the run reports it
            level = logging.WARNING if isinstance(error, RotoscopeError) else logging.ERROR
            log.log(level, "%s: %s", self._sink.name, error, exc_info=level == logging.ERROR)
            with self._changed:
                self.error = error
                self._items.clear()
                self._num_frames = 0
                self._changed.notify_all()
            self._sink.abort()

    def _next(self) -> Frame | Sound | None:
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._is_ended)
            if not self._items:
                return None
            item = self._items.popleft()
            self._num_frames -= isinstance(item, Frame)
            self._changed.notify_all()
            return item
