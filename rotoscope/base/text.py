"""Text from files in messages: short, and without characters that a terminal obeys."""

MAX_NAME = 80  # characters of a name in a message
MAX_LINE_BYTES = 560  # of a line on the terminal, in UTF-8: a name or value from a file may be a megabyte


def printable(text: str) -> str:
    """Return a text with ? in place of each character that is not printable, without its middle if it is very long."""
    line = "".join(c if c.isprintable() else "?" for c in text).encode(errors="replace")
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
