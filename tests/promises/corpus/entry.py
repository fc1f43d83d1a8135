"""One entry of the corpus: how its files are made, the command line they are given to, and what is expected."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Exit codes that an entry may expect; docs/command-line.md lists their meaning.
FINE = frozenset({0})
USAGE = frozenset({2})
INPUT = frozenset({3})
MODEL = frozenset({4})
LOSS = frozenset({5})
# Damage whose effect depends on the byte that it hits: delivered whole, with counted losses, or refused.
DAMAGED = FINE | INPUT | LOSS

CLIP, IDENTITY = (
    "{clip}",
    "{identity}",
)  # words that stand for a sound clip of 3 frames and for a model that changes nothing
RESULT = "out.mkv"


@dataclass(frozen=True)
class Entry:
    """A bad file with the command line that meets it.

    name    "family/what is wrong"
    words   the command line; it runs in the folder of the entry
    codes   the exit codes that are as expected
    make    writes the files of the entry into an empty folder
    frames  least and most frames of the result, if there is one
    """

    name: str
    words: tuple[str, ...]
    codes: frozenset[int]
    make: Callable[[Path], object]
    frames: tuple[int, int] | None = None


def file(name: str, data: bytes) -> Callable[[Path], object]:
    """Return a function that writes one file."""
    return lambda folder: (folder / name).write_bytes(data)


def files(**contents: bytes) -> Callable[[Path], object]:
    """Return a function that writes several files; `_dot_` in a name stands for a dot."""

    def make(folder: Path) -> None:
        for name, data in contents.items():
            (folder / name.replace("_dot_", ".")).write_bytes(data)

    return make


def nothing(_folder: Path) -> None:
    """Make no file: the words alone are bad."""


def translated(source: str, *more: str, model: str = IDENTITY, result: str = RESULT) -> tuple[str, ...]:
    """Return the words of a translation."""
    return "translate", source, result, "-m", model, "--steady", "off", *more
