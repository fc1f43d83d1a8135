"""Read the side data of a decoded frame without crashing.

`av.VideoFrame.side_data` of PyAV 18.1 is not safe: every entry wraps FFmpeg's own `metadata` dictionary and frees it a second
time when Python collects the entry. FFmpeg fills that dictionary for ICC profiles (the profile's name), so a PNG with a colour
profile ends the process. Reading also raises ValueError for kinds that PyAV has no name for, such as EXIF, and it makes a
reference cycle that keeps the whole frame. So the original frame's side data is never read. FFmpeg's own filters look at it:
`sidedata=mode=select` passes frames that hold a kind, `sidedata=mode=delete` removes a kind.
"""

import struct

import av
import av.filter
from av.buffer import Buffer

from rotoscope.base.frame import HdrMetadata
from rotoscope.runtime.media.nvdec import is_surface

DISPLAY_MATRIX = "DISPLAYMATRIX"
MASTERING, LIGHT = "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"

_NUMBERS = {DISPLAY_MATRIX: 6, MASTERING: 11, LIGHT: 14}  # AVFrameSideDataType
_NUM_KINDS = 64  # FFmpeg 8 numbers 36 kinds (AVFrameSideDataType); numbers without a kind cost nothing
_CORNER = 16  # pixels; the copy that is read keeps no large picture alive


def has_side_data(frame: av.VideoFrame, kind: str) -> bool:
    """Whether a frame holds side data of a kind, by FFmpeg's name without AV_FRAME_DATA_.

    False for a surface of a GPU, which these filters do not take: its file was opened on the CPU before.
    """
    if is_surface(frame):
        return False
    return _filtered(frame, [("sidedata", f"mode=select:type={kind}")]) is not None


def display_matrix(frame: av.VideoFrame) -> bytes | None:
    """The display matrix of a decoded frame, nine little-endian int32; None if it has none."""
    return _bytes_of(frame, DISPLAY_MATRIX)


def hdr_metadata(frame: av.VideoFrame) -> HdrMetadata | None:
    """The mastering display and content light of a decoded frame; None if it has neither."""
    display, light = _bytes_of(frame, MASTERING), _bytes_of(frame, LIGHT)
    if display is None and light is None:
        return None
    primaries = luminance = None
    if display is not None:  # AVMasteringDisplayMetadata: ten rationals, two flags
        numbers = struct.unpack("=22i", display[:88])
        values = [above / below if below else 0.0 for above, below in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
        has_primaries, has_luminance = numbers[20:]
        pairs = tuple((values[index], values[index + 1]) for index in range(0, 8, 2))
        primaries = pairs if has_primaries else None
        luminance = (values[8], values[9]) if has_luminance else None
    brightest = struct.unpack("=2I", light[:8]) if light is not None else None
    return HdrMetadata(primaries, luminance, brightest)


def _bytes_of(frame: av.VideoFrame, kind: str) -> bytes | None:
    """The bytes of one of the kinds that have no dictionary of FFmpeg's; None if the frame has none."""
    if not has_side_data(frame, kind):
        return None
    corner = f"{min(_CORNER, frame.width)}:{min(_CORNER, frame.height)}:0:0"
    others = [number for number in range(_NUM_KINDS) if number != _NUMBERS[kind]]
    small = _filtered(
        frame, [("crop", corner), ("copy", ""), *(("sidedata", f"mode=delete:type={number}") for number in others)]
    )
    # All other kinds are gone, and FFmpeg gives these no dictionary: this read frees nothing twice.
    found = None if small is None else small.side_data.get(kind)
    return bytes(found) if isinstance(found, Buffer) else None


def _filtered(frame: av.VideoFrame, filters: list[tuple[str, str]]) -> av.VideoFrame | None:
    """The frame after a chain of filters (name, arguments); None if a filter drops it."""
    graph = av.filter.Graph()
    source = last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    for name, arguments in [*filters, ("buffersink", "")]:
        following = graph.add(name, arguments or None)
        last.link_to(following)
        last = following
    graph.configure()
    source.push(frame)
    try:
        result = last.pull()
    except (BlockingIOError, EOFError):
        return None
    assert isinstance(result, av.VideoFrame)
    return result
