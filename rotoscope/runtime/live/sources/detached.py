"""Iterate in a thread that can be left behind: FFmpeg's waits end by their own time limits only, not when a run stops."""

import contextvars
import threading
from collections import deque
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

from rotoscope.runtime.live.interruption import Interruption

T = TypeVar("T")


class Detached(Generic[T]):
    """Items of a generator, which runs in a thread of its own, one item ahead of the consumer.

    When `interruption` is set, the consumer gets what is there and then the end, at once; the thread sees it when its read
    returns, closes the generator and ends. PyAV has no way to end a read from another thread, and closing a container during
    a read is not safe. Errors of the generator are raised to the consumer.
    """

    def __init__(self, items: Generator[T, None, None], interruption: Interruption) -> None:
        self._items, self._interruption = items, interruption
        self._waiting: deque[T] = deque()
        self._error: BaseException | None = None
        self._has_ended = False
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Iterator[T]:
        if self._thread is None and not self._interruption.is_set():
            context = contextvars.copy_context()
            self._thread = threading.Thread(
                target=context.run, args=(self._produce,), name="rotoscope-live-source", daemon=True
            )
            self._thread.start()
        while True:
            self._interruption.wait_for(lambda: bool(self._waiting) or self._has_ended)
            if self._waiting:
                item = self._waiting.popleft()
                self._interruption.notify()
                yield item
            elif self._error is not None and not self._interruption.is_set():
                error, self._error = self._error, None
                raise error
            else:
                return

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread; return whether it has ended."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def _produce(self) -> None:
        try:
            for item in self._items:
                self._interruption.wait_for(lambda: not self._waiting)
                if self._interruption.is_set():
                    break
                self._waiting.append(item)
                self._interruption.notify()
        except BaseException as error:  # handed to the consumer, whatever it is
            self._error = error
        finally:
            self._items.close()
            self._has_ended = True
            self._interruption.notify()
