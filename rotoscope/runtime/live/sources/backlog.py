"""Find where "now" is in a stream that begins with a backlog.

After connecting, a server first sends what it has kept, and FFmpeg has kept what it read to recognise the streams (up to 6 s of
RTMP without sound). These packets come faster than they were recorded. Now is where they come at PACE of the speed of their
times at least: over STEPS packets, because one may be late by itself, or after a wait that is long for any machine.
"""

from collections import deque
from fractions import Fraction

PACE = 0.5
STEPS = 3
LONG_SECONDS = 0.2
MOST_SECONDS = 5.0  # after this time the stream is taken as it is: its sender may always be faster than its clock


class Backlog:
    """Watches the packets of a new connection; `is_over` turns True at the first packet that comes at its time."""

    def __init__(self) -> None:
        self.is_over = False
        self._first_s: float | None = None
        self._recent: deque[tuple[Fraction, float]] = deque(maxlen=STEPS + 1)

    def received(self, stream_s: Fraction | None, arrival_s: float) -> None:
        """Note a packet of the video stream.

        stream_s   its decoding time on the stream's clock, in seconds; None if it has none
        arrival_s  monotonic time at which it was read
        """
        if self.is_over:
            return
        if self._first_s is None:
            self._first_s = arrival_s
        self.is_over = arrival_s - self._first_s > MOST_SECONDS
        if stream_s is None:
            return
        self._recent.append((stream_s, arrival_s))
        if len(self._recent) > STEPS and self._in_time(self._recent[0]):
            self.is_over = True
        elif len(self._recent) > 1 and arrival_s - self._recent[-2][1] >= LONG_SECONDS:
            self.is_over = self.is_over or self._in_time(self._recent[-2])

    def _in_time(self, before: tuple[Fraction, float]) -> bool:
        """Whether the newest packet came no faster after an earlier one than its time says."""
        stream_s, arrival_s = self._recent[-1]
        step = float(stream_s - before[0])
        return step > 0 and arrival_s - before[1] >= PACE * step
