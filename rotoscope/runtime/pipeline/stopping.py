"""Stopping an endless source: the first Ctrl-C or SIGTERM ends its stream, and what was recorded so far is finished."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from rotoscope.base.signals import STOPPING


@dataclass
class StopRequest:
    """The signal that asked for the end of a run; None while it runs undisturbed."""

    number: int | None = None

    def is_made(self) -> bool:
        """Whether the run is being stopped."""
        return self.number is not None


@contextmanager
def stop_on_signals(interrupt: Callable[[], None], *, enabled: bool = True) -> Generator[StopRequest, None, None]:
    """Within the block, the first SIGINT or SIGTERM calls `interrupt` and is noted; a second one acts as before the block.

    Signal handlers can be set in the main thread only: elsewhere, and with `enabled` False, nothing changes. The handlers
    that were there before are restored at the end.
    """
    request = StopRequest()
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in STOPPING}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, _frame: FrameType | None) -> None:
        request.number = number
        restore()
        interrupt()

    for number in STOPPING:
        signal.signal(number, stop)
    try:
        yield request
    finally:
        restore()
