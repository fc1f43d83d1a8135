"""The range of numbers that an option accepts, as part of its type: `Annotated[int | None, Within(1, 64)]`."""

from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin


@dataclass(frozen=True)
class Within:
    """Accepts least <= number <= most; NaN is never within.

    unit      what the number counts, for the message
    accepted  the whole text of the message, if "LEAST to MOST UNIT" says too little
    """

    least: float
    most: float
    unit: str = ""
    accepted: str = ""

    def __contains__(self, number: Any) -> bool:
        return bool(self.least <= number <= self.most)

    def __str__(self) -> str:
        return self.accepted or f"{_short(self.least)} to {_short(self.most)} {self.unit}".rstrip()


def plain_type(kind: Any) -> tuple[Any, Within | None]:
    """A type without its annotation, and its limits; None if it has none."""
    if get_origin(kind) is not Annotated:
        return kind, None
    plain, *notes = get_args(kind)
    return plain, next((note for note in notes if isinstance(note, Within)), None)


def _short(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
