"""Read a live source in a thread and wait for what comes."""

import itertools
import threading
import time
from contextlib import contextmanager

import pytest

PATIENCE = 120  # seconds; only for what never comes


class Reading:
    """What a source has delivered so far: frames without pictures, sound, and how it ended."""

    def __init__(self, source, on_frame):
        self.source, self._on_frame = source, on_frame
        self.frames, self.sound, self.error, self.has_ended = [], [], None, False
        self.started_s = time.monotonic()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, condition, what="the source"):
        """Wait until a condition holds, which is asked after each frame and from time to time."""
        end = time.monotonic() + PATIENCE
        with self._changed:
            while not condition():
                if self.has_ended:
                    pytest.fail(f"{what}: the source has ended, {self.error!r}")
                if time.monotonic() > end:
                    pytest.fail(f"{what}: not after {PATIENCE} s; {len(self.frames)} frames, {self.source.state}")
                self._changed.wait(0.05)

    def wait_for_frames(self, number, what="frames"):
        """Wait for so many more frames than there are now."""
        enough = len(self.frames) + number
        self.wait_for(lambda: len(self.frames) >= enough, what)

    def stop(self):
        """Interrupt and return how many seconds it took until the iteration ended."""
        begin = time.monotonic()
        self.source.interrupt()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "interrupt did not end the iteration"
        return time.monotonic() - begin

    def join(self):
        """Wait until the source ends by itself."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _read(self):
        try:
            for frame in self.source:
                with self._changed:
                    self._on_frame(frame)
                    self.frames.append((frame.index, frame.seconds, frame.cut, frame.arrival_s, frame.source.size))
                    self.sound.extend(self.source.take_sound())
                    self._changed.notify_all()
        except BaseException as error:
            self.error = error
        with self._changed:
            self.has_ended = True
            self._changed.notify_all()


@contextmanager
def reading(source, on_frame=lambda _frame: None):
    """Read a source within the block; then it is interrupted and closed."""
    found = Reading(source, on_frame)
    try:
        yield found
    finally:
        found.stop()
        source.close()


def check_times(frames):
    """Frames are counted from 0 and their times increase."""
    assert [frame[0] for frame in frames] == list(range(len(frames)))
    seconds = [frame[1] for frame in frames]
    assert all(later > earlier for earlier, later in itertools.pairwise(seconds))
    assert seconds[0] == 0
