"""Repair timestamps without assuming a frame rate: order is kept, gaps stay, nothing is resampled.

Frames come from the decoder in presentation order. The rules; all but "too short" are counted for the report:

    missing     no timestamp: set to the end of the frame before
    not later   equal to or before the time of the frame before: set one tick (of the stream's time base) after it
    too short   a duration under 2 ms is one tick of the container's clock, not a real duration: replaced by the step from the
                frame before, or by the nominal duration for the first frame
    jump        only in formats whose clock may restart (MPEG-TS, MPEG-PS, ASF, WTV, DV): a step backwards or of more than 10 s
                is a restart; the frame follows the one before, and all later times move by the same amount
"""

from collections import Counter
from fractions import Fraction

MOST_TICKS = 2**62  # FFmpeg's times have 64 bits; a file may give any
JUMP_SECONDS = 10
SHORTEST_SECONDS = Fraction(1, 500)


class TimeRepair:
    """Makes the timestamps of one stream strictly increasing; `repairs` counts what was changed, by rule."""

    def __init__(self, time_base: Fraction, *, nominal_duration: int, clock_may_restart: bool) -> None:
        self.time_base = time_base
        self.nominal_duration = max(1, nominal_duration)
        self.clock_may_restart = clock_may_restart
        self.repairs: Counter[str] = Counter()
        self._previous: int | None = None
        self._previous_duration = 0
        self._shift = 0

    def next(self, pts: int | None, duration: int | None) -> tuple[int, int]:
        """(pts, duration) of the next frame in ticks of the time base."""
        previous = self._previous
        if pts is None:
            self.repairs["missing"] += 1
            pts = 0 if previous is None else previous + max(1, self._previous_duration)
        else:
            pts += self._shift
            if previous is not None:
                step = pts - previous
                if self.clock_may_restart and not 0 < step * self.time_base <= JUMP_SECONDS:
                    self.repairs["jump"] += 1
                    expected = previous + self.nominal_duration
                    self._shift += expected - pts
                    pts = expected
                elif step <= 0:
                    self.repairs["not later"] += 1
                    pts = previous + 1
        if duration and duration * self.time_base >= SHORTEST_SECONDS:
            length = duration
        else:
            length = self.nominal_duration if previous is None else pts - previous
        self._previous, self._previous_duration = pts, length
        return pts, length
