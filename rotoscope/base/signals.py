"""Ctrl-C and SIGTERM: the exception of the second, and steps that neither may cut in two."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Self

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled as Ctrl-C is: leave nothing half-written."""


def stopped_line(number: int) -> str:
    """Return what a command says when a signal has ended it."""
    word = "terminated" if number == signal.SIGTERM else "interrupted"
    return f"{word}; no half-written file is left"


def code_when_stopped(number: int, words: Sequence[str]) -> int:
    """Exit code of a command line that a signal has ended: 128 + its number; 0 for `live`, which ends by signals as a rule."""
    return 0 if words[:1] == ["live"] else 128 + number


class Interrupts:
    """Within a `with` block, the first SIGINT or SIGTERM raises, a second one does nothing, a third acts as before the block.

    So a clean-up that the first has started is not interrupted, and one that hangs can be ended. Only the main thread can set
    handlers: in other threads nothing changes. A signal that was ignored before stays ignored.

    number  of the first signal; None before one arrived
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._count = 0
        self._before: dict[int, signal.Handlers | object] = {}

    def __enter__(self) -> Self:
        """Set the handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                handler = signal.getsignal(number)
                if handler not in (signal.SIG_IGN, None):
                    self._before[number] = handler
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Set the handlers that were there before."""
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what getsignal returned

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            self.number = number
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        if self._count > 2:
            self._restore()
            signal.raise_signal(number)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block has ended; for short steps, such as giving many files their names.

    Only the main thread is ever interrupted by a signal: in other threads nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def wait(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    before = {number: signal.getsignal(number) for number in STOPPING}
    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):
            signal.signal(number, wait)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])
