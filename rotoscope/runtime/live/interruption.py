"""End the waits of a live source from any thread, and from a signal handler."""

import threading
import time
from collections.abc import Callable

_SLICE_SECONDS = 0.25  # a signal handler may run in the waiting thread, between its last check and its wait


class Interruption:
    """A flag that is set once and ends all waits. `wait` has the meaning of `threading.Event.wait`.

    The lock can be taken twice by one thread, because a signal handler may run while its own thread holds it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._is_set = False

    def is_set(self) -> bool:
        """Whether `set` was called."""
        return self._is_set

    def set(self) -> None:
        """End all waits, now and later."""
        self._is_set = True
        self.notify()

    def wait(self, seconds: float) -> bool:
        """Wait, and return whether the wait was ended."""
        end = time.monotonic() + seconds
        with self._changed:
            while not self._is_set and (left := end - time.monotonic()) > 0:
                self._changed.wait(min(left, _SLICE_SECONDS))
        return self._is_set

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds that another thread fulfils before it calls `notify`, or until `set`."""
        with self._changed:
            while not (self._is_set or condition()):
                self._changed.wait(_SLICE_SECONDS)

    def notify(self) -> None:
        """Let `wait_for` look at its condition again."""
        with self._changed:
            self._changed.notify_all()
