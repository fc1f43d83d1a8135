"""TOML files that a stranger may have written: the options in a folder, the configuration of a run."""

import tomllib
from pathlib import Path
from typing import Any

from rotoscope.base.errors import UsageError
from rotoscope.base.files import why_unusable

MAX_BYTES = 1 << 20


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a file; raise UsageError if it is no regular file of TOML, or holds numbers beyond 64 bits."""
    if reason := why_unusable(path, MAX_BYTES):
        raise UsageError(f"{path}: {reason}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        _check_numbers(content)
        return content
    except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise UsageError(f"{path}: not TOML ({error})") from error
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply; accepted: tables of options, [translate] for example") from None


def _check_numbers(content: object) -> None:
    """Raise ValueError for a whole number that does not fit into 64 bits; Python cannot even print one of 5,000 digits."""
    waiting = [content]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, int) and item.bit_length() > 64:
            raise ValueError(f"a whole number of {item.bit_length()} bits; accepted: at most 64")
