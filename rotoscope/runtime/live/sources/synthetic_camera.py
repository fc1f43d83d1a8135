"""Generated frames at the pace of a clock, for measurements and tests of live runs."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from rotoscope.base.frame import Frame, VideoInfo
from rotoscope.base.live import Sound, SourceState
from rotoscope.base.sizes import Size
from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.sources.pace import Pace
from rotoscope.runtime.media.synthetic import SyntheticSource


class SyntheticCamera:
    """`SyntheticSource` as a camera: every frame is delivered, at its time or as soon after it as it is asked for.

    It ends after num_frames, or never. `wait` and `clock` are those of `Pace`.
    """

    def __init__(
        self,
        size: Size,
        rate: Fraction,
        num_frames: int | None = None,
        *,
        wait: Callable[[float], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interruption = Interruption()
        self._clock = clock
        self._pace = Pace(wait or self._interruption.wait, clock, longest_gap_s=math.inf)
        self._source = SyntheticSource(size, rate, num_frames, wait_until=self._wait_until)
        self._has_begun = self._has_ended = False

    def __enter__(self) -> "SyntheticCamera":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The word that names it."""
        return self._source.info.path

    @property
    def info(self) -> VideoInfo:
        """Size and rate, known from the beginning."""
        return self._source.info

    @property
    def is_endless(self) -> bool:
        """Always: a live run with a number of frames ends, as it does when it is stopped."""
        return True

    @property
    def losses(self) -> Counter[str]:
        """None."""
        return Counter()

    @property
    def notes(self) -> list[str]:
        """None."""
        return []

    @property
    def state(self) -> SourceState:
        """Present state of the source."""
        if self._has_ended or self._interruption.is_set():
            return "ended"
        return "playing" if self._has_begun else "connecting"

    @property
    def reconnects(self) -> Counter[str]:
        """None."""
        return Counter()

    def take_sound(self) -> list[Sound]:
        """None."""
        return []

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            if self._interruption.is_set():
                break
            self._has_begun = True
            yield replace(frame, arrival_s=self._clock())
        self._has_ended = True

    def _wait_until(self, seconds: float) -> None:
        self._pace.wait_until_due(seconds)

    def interrupt(self) -> None:
        """End the stream, and a wait for the next frame, from any thread or signal handler."""
        self._source.interrupt()
        self._interruption.set()

    def close(self) -> None:
        """End the stream."""
        self.interrupt()
