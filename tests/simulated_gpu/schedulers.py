"""Draw which stream goes on next, among those that may. Both are seeded; each finds bugs that the other seldom finds."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol


class Scheduler(Protocol):
    """Chooses among the keys of streams that may go on."""

    def choose(self, ready: Sequence[int]) -> int:
        """Return one of `ready`."""
        ...


class UniformScheduler:
    """Every stream that may go on is equally likely, at every piece of work."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def choose(self, ready: Sequence[int]) -> int:
        return self._random.choice(ready)


class PriorityScheduler:
    """Streams have random priorities, and the first in rank runs as long as it may. Sometimes it becomes the last.

    One stream then runs far ahead of the others, as in probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010).
    """

    CHANGE = 0.05  # probability of a change of priority, at each piece of work

    def __init__(self, random: Random) -> None:
        self._random = random
        self._ranks: dict[int, float] = {}

    def choose(self, ready: Sequence[int]) -> int:
        for key in ready:
            self._ranks.setdefault(key, self._random.random())
        first = max(ready, key=self._ranks.__getitem__)
        if self._random.random() < self.CHANGE:
            self._ranks[first] = min(self._ranks.values()) - self._random.random()
        return first


SCHEDULERS: dict[str, Callable[[Random], Scheduler]] = {"uniform": UniformScheduler, "priorities": PriorityScheduler}
