"""The pictures of a live run as encoders are told about them: size, rate, and colour with all four tags."""

from dataclasses import replace
from fractions import Fraction

from rotoscope.base.frame import Colour
from rotoscope.base.live import LiveFormat
from rotoscope.runtime.media.colour_tags import UNSPECIFIED
from rotoscope.runtime.media.encoder import VideoFormat

PIXEL_FORMAT = "yuv420p"  # of the pictures that a live run gives to its sinks

# Matrix -> primaries and transfer (ITU-T H.273) of pictures whose source does not say.
USUAL = {"709": (1, 1), "601": (6, 6), "2020": (9, 14)}


def video_format(live: LiveFormat, time_base: Fraction) -> VideoFormat:
    """Format for an encoder, with the clock of its container in seconds per tick."""
    return VideoFormat(
        width=live.width, height=live.height, time_base=time_base, rate=live.rate, sample_aspect=Fraction(1),
        colour=tagged(live.colour), chroma="420", depth=8,
    )  # fmt: skip


def tagged(colour: Colour) -> Colour:
    """The colour with the usual primaries and transfer of its matrix, where they are not specified."""
    primaries, transfer = USUAL.get(colour.matrix, (UNSPECIFIED, UNSPECIFIED))
    return replace(
        colour,
        primaries=primaries if colour.primaries == UNSPECIFIED else colour.primaries,
        transfer=transfer if colour.transfer == UNSPECIFIED else colour.transfer,
    )
