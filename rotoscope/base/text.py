"""Text from files in messages, pages, drawings and reports: short, and without characters that a terminal or a reader obeys."""

import json
import math
from collections.abc import Mapping
from html import escape
from typing import Any

MAX_NAME = 80  # characters of a name in a message
MAX_LINE_BYTES = 560  # of a line on the terminal, in UTF-8: a name or value from a file may be a megabyte


def visible(text: str) -> str:
    """Return a text with ? in place of each character that is not printable, such as a newline, an escape or half a pair."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def printable(text: str) -> str:
    """Return a text with ? in place of each character that is not printable, without its middle if it is very long."""
    line = visible(text).encode(errors="replace")
    if len(line) > MAX_LINE_BYTES:
        line = line[: MAX_LINE_BYTES // 2] + b" ... " + line[-(MAX_LINE_BYTES // 2 - 5) :]
    return line.decode(errors="ignore")  # the cut may split a character


def shortened(name: str, limit: int = MAX_NAME) -> str:
    """Return a name of at most `limit` characters: its beginning and its end, with ... between them."""
    if len(name) <= limit:
        return name
    end = limit // 3
    return f"{name[: limit - end - 3]}...{name[-end:]}"


def one_line(text: str) -> str:
    """Return a text as one printable line of at most MAX_LINE_BYTES bytes."""
    return printable(" ".join(text.split()))


def markup(text: str) -> str:
    """Return a text for HTML and XML, inside elements and quoted attributes: printable, without markup of its own."""
    return escape(printable(text))


def json_text(content: Any, *, indent: int | None = 1) -> str:
    """Return JSON of printable ASCII; NaN and infinity, for which JSON has no word, become null."""
    return json.dumps(_finite(content), indent=indent, allow_nan=False).replace("\x7f", "\\u007f")


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
