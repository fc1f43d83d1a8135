"""Mark the PNG and JPEG files that Rotoscope writes, so that a command line can tell a result from somebody's picture."""

import struct
import zlib
from pathlib import Path

NAME = b"Rotoscope"
_PNG, _HEADER_BYTES = b"\x89PNG\r\n\x1a\n", 33  # signature and IHDR, which is always the first chunk
_TEXT = b"tEXt" + b"Software\0" + NAME
_PNG_MARK = struct.pack(">I", len(_TEXT) - 4) + _TEXT + struct.pack(">I", zlib.crc32(_TEXT))
_JPEG, _JFIF = b"\xff\xd8", b"\xff\xe0"
_JPEG_MARK = b"\xff\xfe" + struct.pack(">H", len(NAME) + 2) + NAME


def marked(data: bytes) -> bytes:
    """A PNG or JPEG file with the mark in its header: a text "Software", or a comment; other bytes are returned unchanged."""
    place = _place_of_mark(data)
    return data if place is None else data[:place] + (_PNG_MARK if data.startswith(_PNG) else _JPEG_MARK) + data[place:]


def is_own_picture(path: Path) -> bool:
    """Whether a file carries the mark; False if it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(1024)
    except OSError:
        return False
    place = _place_of_mark(data)
    return place is not None and data.startswith((_PNG_MARK, _JPEG_MARK), place)


def _place_of_mark(data: bytes) -> int | None:
    """Where the mark stands: after the header of a PNG, after the JFIF segment of a JPEG. None for other files."""
    if data.startswith(_PNG) and data[12:16] == b"IHDR":
        return _HEADER_BYTES
    if data.startswith(_JPEG):
        return 4 + int.from_bytes(data[4:6], "big") if data[2:4] == _JFIF else 2
    return None
