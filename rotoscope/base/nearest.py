"""Find the known name that a misspelt one most probably means."""

import difflib
from collections.abc import Iterable

MIN_SIMILARITY = 0.75  # of difflib; below, as quiet and insert (0.5), or lut and layout (0.67), a suggestion misleads
MIN_PREFIX = 3  # letters


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is spelt most like this one or that alone begins with it; None if none is close.

    Leading hyphens and the difference of - and _ do not count.
    """
    plain = {_plain(each): each for each in known}
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=MIN_SIMILARITY)
    begins = [each for each in plain if each.startswith(_plain(name))] if len(_plain(name)) >= MIN_PREFIX else []
    found = close or (begins if len(begins) == 1 else [])
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    return name.lstrip("-").replace("-", "_").lower()
