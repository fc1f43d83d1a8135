"""Read the side data of a decoded frame without crashing.

`av.VideoFrame.side_data` of PyAV 18.1 is not safe: every entry wraps FFmpeg's own `metadata` dictionary and frees it a second
time when Python collects the entry. FFmpeg fills that dictionary for ICC profiles (the profile's name), so a PNG with a colour
profile ends the process. Reading also raises ValueError for kinds that PyAV has no name for, such as EXIF, and it makes a
reference cycle that keeps the whole frame. So the original frame's side data is never read. FFmpeg's own filters look at it:
`sidedata=mode=select` passes frames that hold a kind, `sidedata=mode=delete` removes a kind.
"""

import av
import av.filter
from av.buffer import Buffer

from rotoscope.runtime.media.nvdec import is_surface

DISPLAY_MATRIX = "DISPLAYMATRIX"
HDR_KINDS = {"MASTERING_DISPLAY_METADATA": "mastering display", "CONTENT_LIGHT_LEVEL": "content light level"}

_DISPLAY_MATRIX_NUMBER = 6  # AV_FRAME_DATA_DISPLAYMATRIX
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
    if not has_side_data(frame, DISPLAY_MATRIX):
        return None
    corner = f"{min(_CORNER, frame.width)}:{min(_CORNER, frame.height)}:0:0"
    others = [kind for kind in range(_NUM_KINDS) if kind != _DISPLAY_MATRIX_NUMBER]
    small = _filtered(
        frame, [("crop", corner), ("copy", ""), *(("sidedata", f"mode=delete:type={kind}") for kind in others)]
    )
    # All other kinds are gone, and FFmpeg gives a display matrix no dictionary: this read frees nothing twice.
    matrix = None if small is None else small.side_data.get("DISPLAYMATRIX")
    return bytes(matrix) if isinstance(matrix, Buffer) else None


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
