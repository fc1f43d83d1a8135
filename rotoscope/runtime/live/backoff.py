"""How long to wait before the next attempt to connect."""

import random

FIRST_SECONDS, MOST_SECONDS = 0.25, 5.0
JITTER = 0.2  # share by which a delay varies, so that many clients of one server do not come back at the same time


class Backoff:
    """Delays that double from FIRST_SECONDS to MOST_SECONDS, each up to JITTER shorter or longer."""

    def __init__(self, generator: random.Random | None = None) -> None:
        self._random = generator or random.Random()
        self._next = FIRST_SECONDS

    def delay(self) -> float:
        """Seconds to wait before the next attempt."""
        delay, self._next = self._next, min(MOST_SECONDS, 2 * self._next)
        return delay * self._random.uniform(1 - JITTER, 1 + JITTER)

    def reset(self) -> None:
        """Begin with the shortest delay again, after a connection that worked."""
        self._next = FIRST_SECONDS
