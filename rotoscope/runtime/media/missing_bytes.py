"""Whether bytes of a file are missing, by the sizes in it: read once, after the last frame.

Matroska, WebM   the elements of the segment lie one behind the other; a segment or cluster of unknown size, as in a file
                 that was written to a pipe, tells nothing from there on
AVI              the size of the first RIFF list
FLV              `filesize` of the script tag, which some writers leave out
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_VOID, _CRC = 0xEC, 0xBF
_CLUSTER, _CUES, _TAGS, _CHAPTERS, _ATTACHMENTS = 0x1F43B675, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469
_SEEK_HEAD, _INFO, _TRACKS = 0x114D9B74, 0x1549A966, 0x1654AE6B
_IN_FILE = {_EBML, _SEGMENT, _VOID, _CRC}
_IN_SEGMENT = {
    _VOID, _CRC, _CLUSTER, _CUES, _TAGS, _CHAPTERS, _ATTACHMENTS, _SEEK_HEAD, _INFO, _TRACKS,
}  # fmt: skip
_FLV_HEAD_BYTES = 1 << 16


def bytes_missing(path: Path, container: str) -> bool:
    """Whether the file ends early or has a hole, as far as it says; False for containers that are not listed above.

    container  FFmpeg's name of the demuxer
    """
    check = {"matroska,webm": _is_matroska_broken, "avi": _is_avi_short, "flv": _is_flv_short}.get(container)
    if check is None:
        return False
    with path.open("rb") as file:
        return check(file, os.fstat(file.fileno()).st_size)


def _is_matroska_broken(file: BinaryIO, num_bytes: int) -> bool:
    known, position = _IN_FILE, 0
    while position < num_bytes:
        file.seek(position)
        kind, size, begin = _element(file.read(12))
        if kind not in known:
            return known is _IN_SEGMENT  # what follows the segment is not ours to judge
        if kind == _SEGMENT:
            if size is not None and position + begin + size > num_bytes:
                return True
            known, position = _IN_SEGMENT, position + begin
            end = None if size is None else position + size
        elif size is None:
            return False
        else:
            position += begin + size
            if known is _IN_SEGMENT and end is not None and position >= end:
                return position > end
    return position > num_bytes


def _element(head: bytes) -> tuple[int, int | None, int]:
    """(identifier, size, bytes of both) of an EBML element; size None is unknown, identifier 0 no element."""
    id_length = 9 - head[0].bit_length() if head else 9
    rest = head[id_length:]
    size_length = 9 - rest[0].bit_length() if rest else 9
    if id_length > 4 or size_length > 8 or len(rest) < size_length:
        return 0, None, 0
    top = (1 << 7 * size_length) - 1
    size = int.from_bytes(rest[:size_length], "big") & top
    return int.from_bytes(head[:id_length], "big"), None if size == top else size, id_length + size_length


def _is_avi_short(file: BinaryIO, num_bytes: int) -> bool:
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF":
        return False
    size: int = struct.unpack("<I", head[4:8])[0]
    return num_bytes < 8 + size  # a recorder that was killed leaves a size of 0


def _is_flv_short(file: BinaryIO, num_bytes: int) -> bool:
    head = file.read(_FLV_HEAD_BYTES)
    key = b"\x00\x08filesize\x00"  # a name of 8 bytes, then the mark of a double
    at = head.find(key)
    raw = head[at + len(key) : at + len(key) + 8]
    if at < 0 or len(raw) < 8:
        return False
    size: float = struct.unpack(">d", raw)[0]
    return num_bytes < size < 2**53
