"""Messages between a run and its sending processes.

To the process: one line of JSON (`Setup`), then messages: HEADER and the bytes that it announces.
From the process: lines of JSON: {"open": true} when the server has accepted the stream, {"losses": {...}} of sound, and
{"failed": reason}.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction

from rotoscope.base.frame import Colour
from rotoscope.runtime.media.encoder import VideoFormat

HEADER = struct.Struct("<cqqq")  # kind, time in seconds (numerator and denominator), bytes that follow
PICTURE, SOUND, END = b"P", b"S", b"E"  # planes Y, Cb, Cr; (N,2) float32; nothing

# Limits after which the process ends itself.
CONNECT_SECONDS = 5.0
WRITE_SECONDS = 5.0
CLOSE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Setup:
    """First message to a sender; fractions as text, `colour` as the four fields of a Colour."""

    address: str
    muxer: str
    muxer_options: dict[str, str]
    codec: str
    pixel_format: str
    options: dict[str, str]
    threads: int
    width: int
    height: int
    rate: str
    time_base: str
    colour: tuple[str, bool, int, int]
    has_sound: bool
    bit_rate: int
    key_frame_seconds: int

    @property
    def video(self) -> VideoFormat:
        """The pictures, for the encoder."""
        return VideoFormat(
            width=self.width, height=self.height, time_base=Fraction(self.time_base), rate=Fraction(self.rate),
            sample_aspect=Fraction(1), colour=Colour(*self.colour), chroma="420", depth=8,
        )  # fmt: skip
