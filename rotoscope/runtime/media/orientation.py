"""Turn a display matrix into an Orientation."""

import struct

from rotoscope.base.frame import Orientation


def orientation_of(matrix: bytes | None) -> tuple[Orientation, str]:
    """Nearest turn or mirror of a 3x3 display matrix (nine little-endian int32, 16.16), and a note if it is not exact.

    The matrix maps a stored pixel (x, y) to (a*x + c*y, b*x + d*y). The rotation angle that decoders report is not enough:
    a mirrored picture has the same angle as one that is not mirrored.
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
