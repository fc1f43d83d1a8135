"""Make timestamps usable without inventing a frame rate: order is kept, gaps stay, nothing is resampled.

Frames come from the decoder in presentation order. The rules; all but "too short" are counted for the report:

    missing     no timestamp: the previous frame's end
    not later   equal to or before the previous frame's: one tick after it (of the stream's time base)
    too short   a duration under 2 ms is the container's clock, not a claim: the step from the previous frame, or nominal
    jump        only in formats whose clock may restart (MPEG-TS and relatives): a step of more than 10 s, or backwards, is
                taken as a restart; the frame follows its predecessor and the clock goes on from there
"""

from collections import Counter
from fractions import Fraction

JUMP_SECONDS = 10
SHORTEST_SECONDS = Fraction(1, 500)


class TimeRepair:
    """Turns the timestamps of one stream into strictly increasing ones."""

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
