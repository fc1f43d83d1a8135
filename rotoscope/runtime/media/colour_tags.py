"""Convert FFmpeg's colour numbers (ITU-T H.273) to `Colour` and back, with defaults for untagged streams."""

from rotoscope.base.frame import Colour

UNSPECIFIED = 2
FULL, LIMITED = 2, 1  # AVColorRange

_MATRICES = {1: "709", 4: "fcc", 5: "601", 6: "601", 7: "240m", 9: "2020", 10: "2020"}
_SPACES = {"709": 1, "fcc": 4, "601": 6, "240m": 7, "2020": 9}
HD_HEIGHT = 720  # from this height on an untagged stream is taken as 709, below as 601


def colour_of(*, space: int, range_: int, primaries: int, transfer: int, height: int, full_by_format: bool) -> Colour:
    """The Colour of a stream from its tags; untagged is 709 from HD_HEIGHT lines up, else 601, and limited range."""
    matrix = _MATRICES.get(space, "709" if height >= HD_HEIGHT else "601")
    return Colour(matrix, full_range=range_ == FULL or full_by_format, primaries=primaries, transfer=transfer)


def space_of(colour: Colour) -> int:
    """AVColorSpace of the matrix."""
    return _SPACES[colour.matrix]


def range_of(colour: Colour) -> int:
    """AVColorRange."""
    return FULL if colour.full_range else LIMITED
