"""Text from files in messages: short, and without characters that a terminal obeys."""

MAX_NAME = 80  # characters of a name in a message
MAX_LINE_BYTES = 500  # of an error, in UTF-8


def printable(text: str) -> str:
    """Return a text with ? in place of each character that is not printable."""
    return "".join(c if c.isprintable() else "?" for c in text)


def shortened(name: str, limit: int = MAX_NAME) -> str:
    """Return a name of at most `limit` characters: its beginning and its end, with ... between them."""
    if len(name) <= limit:
        return name
    end = limit // 3
    return f"{name[: limit - end - 3]}...{name[-end:]}"


def one_line(text: str) -> str:
    """Return a text as one printable line of at most MAX_LINE_BYTES bytes; a longer one loses its middle."""
    line = printable(" ".join(text.split()))
    data = line.encode()
    if len(data) <= MAX_LINE_BYTES:
        return line
    half = (MAX_LINE_BYTES - 5) // 2
    return f"{data[:half].decode(errors='ignore')} ... {data[-half:].decode(errors='ignore')}"
