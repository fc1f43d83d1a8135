"""Several videos as tiles of one, so that a page shows them in step."""

import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Frame, Picture
from rotoscope.base.options import OutputOptions
from rotoscope.runtime.pipeline.write import write_frames

TILES_ACROSS = 3
MILLISECOND = Fraction(1, 1000)  # time base of webm
# VP9 plays in all current browsers, also those built without H.264; these are libvpx's fastest settings.
ENCODER = ("b=0", "deadline=realtime", "cpu-used=8", "row-mt=1")

TimedPictures = tuple[float, Sequence[NDArray[np.uint8]]]
"""Seconds, and one picture (H,W,3) of each video at that time"""


def tiled_webm(timed: Iterator[TimedPictures], *, quality: int) -> bytes:
    """Encode pictures side by side, TILES_ACROSS in a row; unused tiles are black.

    quality  `crf` of VP9: 0 (best) to 63
    """

    def frames() -> Iterator[Frame]:
        for index, (seconds, pictures) in enumerate(timed):
            picture = Picture((tiled(pictures),))
            yield Frame(index, round(seconds / MILLISECOND), MILLISECOND, 0, picture, picture)

    with tempfile.TemporaryDirectory() as folder:
        webm = Path(folder) / "page.webm"
        write_frames(webm, frames(), OutputOptions(codec="libvpx-vp9", encoder_options=(f"crf={quality}", *ENCODER)))
        return webm.read_bytes()


def tiled(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Arrange (H,W,3) uint8 pictures in rows: one (H',W',4) float32 picture in [0,1]."""
    height, width = pictures[0].shape[:2]
    made = np.zeros((-(-len(pictures) // TILES_ACROSS) * height, TILES_ACROSS * width, 4), np.float32)
    for index, picture in enumerate(pictures):
        top, left = index // TILES_ACROSS * height, index % TILES_ACROSS * width
        np.divide(picture, np.float32(255), out=made[top : top + height, left : left + width, :3])
    return made
