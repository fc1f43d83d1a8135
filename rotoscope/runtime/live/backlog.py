"""Find where "now" is in a stream that begins with a backlog.

After connecting, a server first sends what it has kept, and FFmpeg has kept what it read to recognise the streams (up to 6 s of
RTMP without sound). These packets come faster than they were recorded. Now is where a packet comes at least PACE of its step
in time after the one before.
"""

from fractions import Fraction

PACE = 0.5
MOST_SECONDS = 5.0  # after this time the stream is taken as it is: its sender may always be faster than its clock


class Backlog:
    """Watches the packets of a new connection; `is_over` turns True at the first packet that had to be waited for."""

    def __init__(self) -> None:
        self.is_over = False
        self._first_s: float | None = None
        self._last: tuple[Fraction, float] | None = None

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
        if self._last is not None:
            step, passed = stream_s - self._last[0], arrival_s - self._last[1]
            self.is_over = self.is_over or (step > 0 and passed >= PACE * step)
        self._last = stream_s, arrival_s
