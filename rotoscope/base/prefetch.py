"""The only thread boundary between stages: run an iterator in a thread of its own, a bounded number of items ahead."""

import contextvars
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Generic, Literal, TypeVar

from rotoscope.base.errors import UsageError

T = TypeVar("T")

WhenFull = Literal["wait", "drop oldest"]


def prefetch(
    items: Iterable[T],
    depth: int,
    *,
    when_full: WhenFull = "wait",
    interrupt: Callable[[], None] = lambda: None,
    on_drop: Callable[[T], None] = lambda _item: None,
) -> Generator[T, None, None]:
    """Yield the items in order while a thread fetches up to `depth` of them ahead.

    when_full  "wait": the thread waits for room. "drop oldest": it never waits; the oldest waiting item makes room for the new
               one. Only the boundary right after a live source may drop, before any stage has seen the frame.
    interrupt  called from the consumer's thread when it stops early, to end a wait of the producer for its next item
    on_drop    called with every dropped item, in the producer's thread

    An error of the producer is raised here, after the items before it. When the consumer stops early (an exception, a
    `close()`), the producer is told, its iterator is closed in its own thread, and the thread is joined. The thread starts
    with the first `next()` and inherits the context variables of the consumer's thread, among them the current workers.
    Raises UsageError in a forked child of the process that started it: threads are not copied by a fork.
    """
    waiting = _Waiting[T](depth, when_full, on_drop)
    context = contextvars.copy_context()
    thread = threading.Thread(
        target=context.run, args=(_produce, items, waiting), name="rotoscope-prefetch", daemon=True
    )
    try:
        thread.start()
        yield from waiting.taken()
    finally:
        waiting.cancel()
        try:
            interrupt()
        finally:
            if thread.ident is not None and not waiting.is_inherited:  # started, and in this process
                thread.join()


def _produce(items: Iterable[T], waiting: "_Waiting[T]") -> None:
    error: BaseException | None = None
    try:
        iterator = iter(items)
        try:
            for item in iterator:
                if not waiting.put(item):
                    break
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
    except BaseException as raised:  # handed to the consumer, whatever it is
        error = raised
    waiting.end(error)


class _Waiting(Generic[T]):
    """The items between two threads."""

    def __init__(self, depth: int, when_full: WhenFull, on_drop: Callable[[T], None]) -> None:
        self._depth, self._when_full, self._on_drop = depth, when_full, on_drop
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._cancelled = self._ended = False
        self._error: BaseException | None = None
        self._process = os.getpid()

    @property
    def is_inherited(self) -> bool:
        """Whether this is the child of the process that made it, where its producer does not run."""
        return self._process != os.getpid()

    def put(self, item: T) -> bool:
        """Add an item; False when no more are wanted."""
        dropped: list[T] = []
        with self._changed:
            if self._when_full == "wait":
                self._changed.wait_for(lambda: self._cancelled or len(self._items) < self._depth)
            elif len(self._items) >= self._depth:
                dropped.append(self._items.popleft())
            if self._cancelled:
                return False
            self._items.append(item)
            self._changed.notify_all()
        for old in dropped:
            self._on_drop(old)
        return True

    def end(self, error: BaseException | None) -> None:
        """Mark the end of the items; `error` is raised to the consumer after them."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def cancel(self) -> None:
        """Tell the producer that no more items are wanted."""
        if self.is_inherited:
            return
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def taken(self) -> Generator[T, None, None]:
        """Yield the items as they come."""
        while True:
            if self.is_inherited:
                raise UsageError(
                    "a stream that was started before a fork cannot go on in the child process; start it there"
                )
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._ended)
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
