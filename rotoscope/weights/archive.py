"""Zip archives from strangers: how large their table of entries is, before anything parses it."""

import os
import struct
from pathlib import Path

from rotoscope.base.errors import ModelRefused

MAX_BYTES = 8 << 30  # of a file of weights
MAX_ENTRIES = 100_000
MAX_DIRECTORY_BYTES = 16 << 20
_END, _END_BYTES = b"PK\x05\x06", 22
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20
_END_64, _END_64_BYTES = b"PK\x06\x06", 56


def check_size_of_directory(path: Path) -> None:
    """Raise ModelRefused unless an archive ends with the end record, without a comment, and has a table of usual size."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        length = min(size, _END_64_BYTES + _LOCATOR_BYTES + _END_BYTES)
        file.seek(size - length)
        tail = file.read(length)
    end = tail[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(_END) or end[-2:] != b"\0\0":
        raise ModelRefused(f"{path}: a zip archive that is cut or continued: download it again")
    entries, num_bytes = struct.unpack("<10xHI6x", end)
    locator = tail[-_END_BYTES - _LOCATOR_BYTES : -_END_BYTES]
    if locator.startswith(_LOCATOR):  # sizes of 64 bits, in the record before it
        end_64 = tail[: -_END_BYTES - _LOCATOR_BYTES]
        if len(end_64) == _END_64_BYTES and end_64.startswith(_END_64):
            entries, num_bytes = struct.unpack("<32xQQ8x", end_64)
    if entries > MAX_ENTRIES or num_bytes > MAX_DIRECTORY_BYTES:
        raise ModelRefused(f"{path}: an archive of {entries:,} entries; at most {MAX_ENTRIES:,} are accepted")
