"""Compare rounds with those of an earlier file, and with limits: nothing is said of differences within the spread."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.files import why_unusable
from rotoscope.base.text import shortened
from rotoscope.scenarios.rounds import Round, Rounds

COMPARED = ("fps", "p50_ms", "p99_ms")
UNKNOWN_SPREAD = 0.05  # taken where there was one round only
LIMIT = re.compile(r"(p50|p90|p99|max)\s*=\s*(\d+(?:\.\d+)?)\s*ms")
MOST_BYTES = 50_000_000


@dataclass(frozen=True)
class FigureChange:
    """One figure against an earlier one: `ratio` is now / then, `spread` the larger spread of both."""

    what: str
    size: str
    name: str
    then: float
    now: float
    spread: float

    @property
    def ratio(self) -> float:
        """Now / then."""
        return self.now / self.then

    @property
    def is_beyond_spread(self) -> bool:
        """Whether the figures differ by more than the rounds do."""
        return abs(self.ratio - 1) > self.spread


@dataclass(frozen=True)
class Limit:
    """A limit such as p99=50ms."""

    name: str
    most_ms: float

    def exceeded_by(self, measured: Sequence[Rounds]) -> list[Rounds]:
        """The measurements whose median over the rounds is above the limit; those without latencies are left out."""
        return [item for item in measured if (value := item.middle(self.name)) is not None and value > self.most_ms]


def parse_limit(text: str) -> Limit:
    """Parse p99=50ms; raises UsageError."""
    found = LIMIT.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--fail-over {shortened(text)}; accepted: p50, p90, p99 or max, such as p99=50ms")
    return Limit(f"{found[1]}_ms", float(found[2]))


def read_rounds(path: Path) -> list[Rounds]:
    """The rounds of a file that `bench --json` wrote; raises InputRefused for any other file."""
    if reason := why_unusable(path, MOST_BYTES):
        raise InputRefused(f"{path}: {reason}")
    try:
        content = json.loads(path.read_text())
        return [_rounds(item) for item in content["measurements"]]
    except OSError as error:
        raise InputRefused(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise InputRefused(f"{path}: not a file of rotoscope bench --json with rounds") from None


def differences(then: Sequence[Rounds], now: Sequence[Rounds]) -> list[FigureChange]:
    """The figures that both have, for measurements of the same kind, size and steadying."""
    found = []
    old = {(item.what, item.size, item.steady): item for item in then}
    for item in now:
        before = old.get((item.what, item.size, item.steady))
        for name in COMPARED if before is not None else ():
            assert before is not None
            figures = before.middle(name), item.middle(name)
            if None not in figures and figures[0]:
                spreads = [part.spread(name) for part in (before, item)]
                spread = max(UNKNOWN_SPREAD if value is None else value for value in spreads)
                found.append(
                    FigureChange(item.what, item.size, name, float(figures[0]), float(figures[1] or 0), spread)
                )
    return found


def _rounds(item: dict[str, Any]) -> Rounds:
    known = {part.name for part in fields(Rounds)}
    of_round = {part.name for part in fields(Round)}
    rounds = tuple(
        Round(**{name: _number(value) for name, value in one.items() if name in of_round}) for one in item["rounds"]
    )
    if not all(isinstance(item[name], str) for name in ("what", "size", "steady")):
        raise ValueError(item["what"])
    return Rounds(**{name: value for name, value in item.items() if name in known} | {"rounds": rounds})


def _number(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError(value)
    return None if value is None else float(value)
