"""Times of a live source on one clock: seconds since its first frame, increasing across reconnects."""

from fractions import Fraction

TIME_BASE = Fraction(1, 90_000)  # of all live frames; the time base of RTP and MPEG-TS
JUMP_SECONDS = 10  # a step that differs by more from the time that has passed here is a restart of the sender's clock


class LiveClock:
    """Maps times of the stream to times of the run.

    While connected, times follow the stream's own clock. The first frame of a connection is placed by its arrival; so is a
    frame without a time (RTSP delivers them until the first report of the sender), and the first one after the sender's clock
    jumped or stood.
    """

    def __init__(self) -> None:
        self._offset: Fraction | None = None
        self._last: int | None = None  # time of the latest frame, in ticks
        self._last_arrival_s = 0.0

    def reconnected(self) -> None:
        """Forget the stream's clock: the next frame comes from a new connection."""
        self._offset = None

    def frame(self, stream_s: Fraction | None, arrival_s: float) -> int:
        """Time of a frame in ticks of TIME_BASE, at least one tick after the frame before.

        stream_s   its time on the stream's clock, in seconds; None if it has none
        arrival_s  monotonic time of its arrival
        """
        expected = Fraction(0)
        if self._last is not None:
            passed = max(Fraction(0), Fraction(arrival_s - self._last_arrival_s))
            expected = max(self._last * TIME_BASE + passed, (self._last + 1) * TIME_BASE)
        time = expected
        if stream_s is not None:
            if self._offset is None:
                self._offset = expected - stream_s
            time = stream_s + self._offset
            if self._last is not None:
                goes_back = time <= self._last * TIME_BASE
                if goes_back or abs(time - expected) > JUMP_SECONDS:
                    self._offset += expected - time
                    time = expected
        ticks = round(time / TIME_BASE)
        if self._last is not None:
            ticks = max(ticks, self._last + 1)
        self._last, self._last_arrival_s = ticks, arrival_s
        return ticks

    @property
    def latest(self) -> Fraction:
        """Time of the latest frame in seconds; 0 before the first one."""
        return Fraction(0) if self._last is None else self._last * TIME_BASE

    def seconds(self, stream_s: Fraction) -> Fraction | None:
        """Time of something else of the stream (sound) on the clock of the frames; None before the first frame with a time."""
        return None if self._offset is None else stream_s + self._offset
