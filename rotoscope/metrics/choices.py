"""Count the choices of blind preference tests: files that the page of `compare --blind` lets each person download."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.files import why_unusable
from rotoscope.metrics.mean_error import wilson_interval

MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class Choices:
    """Choices of all people together between the methods `a` and `b`."""

    a: str
    b: str
    count_a: int
    total: int
    people: int

    @property
    def share_a(self) -> float:
        """Share of choices for `a`, 0 to 1."""
        return self.count_a / self.total

    @property
    def interval_a(self) -> tuple[float, float]:
        """Wilson's 95% interval of that share, as if all choices were independent."""
        return wilson_interval(self.count_a, self.total)

    def text(self) -> str:
        """Return a line for each method."""
        low, high = self.interval_a
        rows = [(self.a, self.count_a, low, high), (self.b, self.total - self.count_a, 1 - high, 1 - low)]
        width = max(len(self.a), len(self.b))
        return "\n".join(
            f"{name:{width}}  chosen {count} of {self.total}: {count / self.total:.0%} ({low:.0%} to {high:.0%}, Wilson 95%)"
            for name, count, low, high in rows
        )


def count_choices(files: Sequence[str | Path]) -> Choices:
    """Add the choices of several people in one test.

    Raises InputRefused for a file that is not such a result, or of another test; UsageError for no file.
    """
    if not files:
        raise UsageError("no result of a blind test; accepted: at least one JSON file that its page made")
    results = [(str(file), _read(Path(file))) for file in files]
    first_name, first = results[0]
    for name, result in results:
        if result["test"] != first["test"]:
            raise InputRefused(f"{name} is of another test than {first_name}; accepted: results of one page")
    chosen = [choice["chosen"] for _, result in results for choice in result["choices"]]
    if not chosen:
        raise InputRefused(f"{first_name}: no choice in it")
    return Choices(first["a"], first["b"], chosen.count("a"), len(chosen), len(results))


def _read(path: Path) -> dict[str, Any]:
    if reason := why_unusable(path, MAX_BYTES):
        raise InputRefused(f"{path}: {reason}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        texts = [found[name] for name in ("test", "a", "b")] + [choice["chosen"] for choice in found["choices"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        texts = [None]
    if not all(isinstance(text, str) for text in texts) or not set(texts[3:]) <= {"a", "b"}:
        raise InputRefused(f"{path}: not a result of a blind test; accepted: a JSON file that its page made")
    return dict(found)
