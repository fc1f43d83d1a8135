"""Whether bytes of a file are missing, by the sizes in it: read once, after the last frame.

Matroska, WebM   the elements of the segment lie one behind the other; a segment or cluster of unknown size, as in a file
                 that was written to a pipe, tells nothing from there on
AVI              the size of the first RIFF list
FLV              `filesize` of the script tag, which some writers leave out
ASF              the size in the file properties, which a live broadcast leaves out
MXF              the place of the footer, which the header names once the file is complete
MPEG-TS, -PS     whether the last packets are whole; how many there were, these files do not say
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
_ASF_HEAD_BYTES, _MXF_HEAD_BYTES = 1 << 16, 1 << 17
_ASF_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
_MXF_PARTITION = bytes.fromhex("060E2B34020501010D010201")
_TAIL_BYTES = 4 << 20  # of MPEG streams: the last packet of each stream begins in it
_TS_BYTES, _TS_SYNC = 188, 0x47
_PES_START, _PACK_START = b"\0\0\1", b"\0\0\1\xba"


def bytes_missing(path: Path, container: str) -> bool:
    """Whether the file ends early or has a hole, as far as it says; False for containers that are not listed above.

    container  FFmpeg's name of the demuxer
    """
    check = _CHECKS.get(container)
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


def asf_seconds(path: Path) -> float | None:
    """Seconds that the header of an ASF file states; FFmpeg drops them where bytes are missing."""
    with path.open("rb") as file:
        properties = _asf_properties(file)
    if properties is None:
        return None
    _size, duration, preroll_ms = properties
    return max(0.0, duration / 1e7 - preroll_ms / 1e3)


def _asf_properties(file: BinaryIO) -> tuple[int, int, int] | None:
    """(bytes of the file, duration with the preroll in 100 ns, preroll in ms); None for a broadcast, which has none."""
    head = file.read(_ASF_HEAD_BYTES)
    at = head.find(_ASF_PROPERTIES)
    values = head[at + 24 : at + 92]
    if at < 0 or len(values) < 68:
        return None
    size, duration, preroll, flags = struct.unpack("<16xQ16xQ8xQI", values)
    return None if flags & 1 else (size, duration, preroll)


def _is_asf_short(file: BinaryIO, num_bytes: int) -> bool:
    properties = _asf_properties(file)
    return properties is not None and num_bytes < properties[0]


def _is_mxf_short(file: BinaryIO, num_bytes: int) -> bool:
    head = file.read(_MXF_HEAD_BYTES)
    at = head.find(_MXF_PARTITION)
    if at < 0:
        return False
    length = head[at + 16 : at + 17]
    begin = at + 17 + (length[0] & 0x7F if length and length[0] & 0x80 else 0)
    pack = head[begin : begin + 32]
    if len(pack) < 32:
        return False
    footer = int.from_bytes(pack[24:32], "big")  # counted from the first partition
    return footer > 0 and num_bytes < at + footer + len(_MXF_PARTITION)


def _is_transport_stream_cut(file: BinaryIO, num_bytes: int) -> bool:
    """Whether the last packet of the file, or the last unit of a stream that states its length, is not whole."""
    for each, skipped in ((_TS_BYTES, 0), (192, 4), (204, 0)):
        file.seek(0)
        if file.read(3 * each)[skipped::each] == bytes([_TS_SYNC] * 3):
            break
    else:
        return False
    if num_bytes % each:
        return True
    first = max(0, num_bytes // each - _TAIL_BYTES // each)
    file.seek(first * each)
    tail = file.read()
    missing: dict[int, int] = {}  # bytes that the last unit of each stream still lacks
    for at in range(skipped, len(tail) - _TS_BYTES + 1, each):
        head = int.from_bytes(tail[at : at + 4], "big")
        if head >> 24 != _TS_SYNC or not head & 0x10:  # no packet, or one without content
            continue
        begin = at + 4 + (1 + tail[at + 4] if head & 0x20 else 0)
        content = tail[begin : at + _TS_BYTES]
        stream = head >> 8 & 0x1FFF
        if head & 0x400000 and content[:3] == _PES_START:
            length = int.from_bytes(content[4:6], "big")
            missing[stream] = length and length + 6
        if stream in missing:
            missing[stream] = max(0, missing[stream] - len(content))
    return any(missing.values())


def _is_program_stream_cut(file: BinaryIO, num_bytes: int) -> bool:
    """Whether the last packet is not whole; packets are followed from the last header of a pack."""
    file.seek(max(0, num_bytes - _TAIL_BYTES))
    tail = file.read()
    at = tail.rfind(_PACK_START)
    if at < 0:
        return False
    at += 14 + (tail[at + 13] & 7) if tail[at + 4 : at + 5] >= b"\x40" and at + 14 <= len(tail) else 12
    while at + 6 <= len(tail) and tail[at : at + 3] == _PES_START:
        if tail[at + 3] == 0xB9:  # the end
            return False
        at += 6 + int.from_bytes(tail[at + 4 : at + 6], "big")
    return at != len(tail) and (at > len(tail) or _PES_START.startswith(tail[at : at + 3]))


_CHECKS = {
    "matroska,webm": _is_matroska_broken, "avi": _is_avi_short, "flv": _is_flv_short, "asf": _is_asf_short,
    "mxf": _is_mxf_short, "mpegts": _is_transport_stream_cut, "mpeg": _is_program_stream_cut,
}  # fmt: skip
