"""Colours of classes, written as six hexadecimal digits each."""

import re
from collections.abc import Sequence

from rotoscope.base.errors import UsageError


def parse_palette(texts: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """Parse ("804080", ...) to ((128, 64, 128), ...); raises UsageError for a text that is not six hexadecimal digits."""
    for text in texts:
        if not re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
            raise UsageError(f"--palette {text}; accepted: six hexadecimal digits, such as 804080")
    colours = (bytes.fromhex(text.removeprefix("#")) for text in texts)
    return tuple((colour[0], colour[1], colour[2]) for colour in colours)
