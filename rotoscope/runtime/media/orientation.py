"""The display matrix of a stream or picture -> Orientation."""

import struct

import av
import av.filter
from av.buffer import Buffer

from rotoscope.base.frame import Orientation

# Kinds of side data (AVFrameSideDataType) that FFmpeg 8 has and PyAV 18 has no name for: LCEVC, view number, EXIF ...
_UNNAMED = range(29, 36)


def display_matrix(frame: av.VideoFrame) -> bytes | None:
    """The display matrix of a decoded frame, if it has one."""
    try:
        side_data = frame.side_data
    except ValueError:  # a kind without a name, such as the EXIF of a photograph, and PyAV lists none of them
        side_data = _without_unnamed(frame).side_data
    matrix = side_data.get("DISPLAYMATRIX")
    return bytes(matrix) if isinstance(matrix, Buffer) else None


def orientation_of(matrix: bytes | None) -> tuple[Orientation, str]:
    """Nearest turn or mirror of a 3x3 display matrix (nine little-endian int32, 16.16), and a note if it is not exact.

    The matrix maps a stored pixel (x, y) to (a*x + c*y, b*x + d*y). The rotation number that decoders report is not
    enough: a mirrored picture has the same number as one that is not.
    """
    if matrix is None:
        return Orientation(), ""
    a, b, _u, c, d, _v, _x, _y, _w = (value / 65536 for value in struct.unpack("<9i", matrix[:36]))
    straight, turned = abs(a) + abs(d), abs(b) + abs(c)
    if straight >= turned:
        found = Orientation(False, flip_x=a < 0, flip_y=d < 0)
    else:
        found = Orientation(True, flip_x=c < 0, flip_y=b < 0)
    exact = min(straight, turned) < 0.02 * max(straight, turned, 1e-9)
    return found, "" if exact else "turned by an odd angle; shown at the nearest right angle"


def _without_unnamed(frame: av.VideoFrame) -> av.VideoFrame:
    graph = av.filter.Graph()
    source = last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    for kind in _UNNAMED:
        following = graph.add("sidedata", f"mode=delete:type={kind}")
        last.link_to(following)
        last = following
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    source.push(frame)
    result = sink.pull()
    assert isinstance(result, av.VideoFrame)
    return result
