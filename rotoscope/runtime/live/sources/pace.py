"""Deliver frames at the pace of their own times, as a camera would."""

import time
from collections.abc import Callable
from fractions import Fraction

LATE_SECONDS = (
    0.5  # when a frame is later than this, those after it are not hurried to catch up: their pace begins again
)
JUMP_SECONDS = 10.0  # nor is a longer gap waited for, unless the frames are that slow


class Pace:
    """Waits until a frame is due: the first one now, each other one as much later as its time is.

    wait            waits for a number of seconds and returns whether the wait was ended, as `Interruption.wait` does
    clock           monotonic seconds
    longest_gap_s   a frame that is due later than this is a jump of the times: it is due now
    """

    def __init__(
        self,
        wait: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
        *,
        longest_gap_s: float = JUMP_SECONDS,
    ) -> None:
        self._wait, self._clock, self._longest_gap_s = wait, clock, longest_gap_s
        self._begin_s: float | None = None  # monotonic time at which time 0 of the stream is due

    def wait_until_due(self, stream_s: Fraction | float) -> bool:
        """Wait until a frame with this time is due, in seconds; return whether the wait was ended."""
        now = self._clock()
        early_s = 0.0 if self._begin_s is None else self._begin_s + float(stream_s) - now
        if self._begin_s is None or not -LATE_SECONDS <= early_s <= self._longest_gap_s:
            self._begin_s, early_s = now - float(stream_s), 0.0
        return self._wait(early_s) if early_s > 0 else False
