"""Inferred: one item of a description that a file itself does not have, with its reason and certainty."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Certainty = Literal["certain", "likely", "a guess"]
Span = tuple[float, float]
TRY_RANGE = "--input-range 0,255 or -1,1"


@dataclass(frozen=True)
class Inferred:
    """One item of a description that the file itself does not have.

    certainty  "certain": the graph or a type shows it; "likely": usual in files that look like this; "a guess"
    hint       the flag to try if it is wrong; "" if there is none
    """

    item: str
    value: str
    reason: str
    certainty: Certainty = "certain"
    hint: str = ""

    def __str__(self) -> str:
        hint = f"; {self.hint} if it is wrong" if self.hint and self.certainty != "certain" else ""
        return f"{self.item}: {self.value} ({self.certainty}), {self.reason}{hint}"


def settled(items: tuple[Inferred, ...], item: str, change: Mapping[str, Any]) -> tuple[Inferred, ...]:
    """The items with one of them changed."""
    return tuple(replace(found, **change) if found.item == item else found for found in items)


def guess_notes(name: str, items: tuple[Inferred, ...]) -> list[str]:
    """Notes on what stays a guess, each with the flag to try; the ranges of both ends are one note."""
    guesses = [item for item in items if item.certainty == "a guess"]
    ranges = [item for item in guesses if item.item in ("input range", "output range")]
    notes = []
    if ranges:
        values = " and ".join(f"{item.item} {item.value}" for item in ranges)
        verb = "are guesses" if len(ranges) > 1 else "is a guess"
        hint = TRY_RANGE if len(ranges) > 1 else ranges[0].hint
        notes.append(f"{name}: {values} {verb}, nothing in the graph shows more; if the result is washed out: {hint}")
    for item in guesses:
        if item not in ranges:
            hint = f"; to change it: {item.hint}" if item.hint else ""
            notes.append(f"{name}: {item.item} {item.value} is a guess{hint}")
    return notes
