"""The one thread boundary of the pipeline: run an iterator in a thread of its own, a bounded number of items ahead."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.1  # how soon a producer that waits for room notices that nobody wants its items any more


class _End:
    """Marks the end of the items, and carries the error that ended them."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(
    items: Iterable[T], depth: int, *, interrupt: Callable[[], None] = lambda: None
) -> Generator[T, None, None]:
    """Yield the items in order while a thread fetches up to `depth` ahead.

    An error in the producer is raised here, after the items before it. When the consumer stops early (an exception, a
    `close()`), the producer is told, its iterator is closed in its own thread, and the thread is joined; `interrupt` is called
    to end a wait of the producer for something that may never come.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    cancelled = threading.Event()

    def put(item: T | _End) -> bool:
        while not cancelled.is_set():
            try:
                waiting.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        error: BaseException | None = None
        try:
            iterator = iter(items)
            try:
                for item in iterator:
                    if not put(item):
                        break
            finally:
                close = getattr(iterator, "close", None)
                if close is not None:
                    close()
        except BaseException as raised:  # handed to the consumer, whatever it is
            error = raised
        put(_End(error))

    thread = threading.Thread(target=produce, name="rotoscope-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        cancelled.set()
        interrupt()
        thread.join()
