"""Frames from Python in one picture file: pages of a TIFF, an animated WebP, one picture."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

import rotoscope
from rotoscope.base.frame import Frame, Picture


def frames(count):
    """Frames of different grey, shown for 40, 80, 120 ... ms."""
    start = 0
    for index in range(count):
        pixels = np.full((20, 32, 4), 0.2 * (index + 1), np.float32)
        length = 40 * (index + 1)
        picture = Picture((np.zeros((20, 32, 3), np.uint8),))
        yield Frame(index, start, Fraction(1, 1000), length, picture, result=Picture((pixels,)))
        start += length


@pytest.mark.parametrize("name", ["p.tif", "p.TIFF", "p.webp"])
@pytest.mark.parametrize("count", [1, 3])
def test_several_frames_in_one_file(name, count, tmp_path):
    assert rotoscope.write(tmp_path / name, frames(count), quality="lossless" if name == "p.webp" else None) == count
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with Image.open(tmp_path / name) as image:
        assert getattr(image, "n_frames", 1) == count
        for index in range(count):
            image.seek(index)
            values = np.asarray(image.convert("RGB"))
            assert abs(values.astype(int) - 51 * (index + 1)).max() <= 1
            if name == "p.webp" and count > 1:
                assert image.info["duration"] == 40 * (index + 1)


def test_several_frames_in_one_png_are_refused_with_what_works(tmp_path):
    with pytest.raises(rotoscope.RotoscopeError, match=r"p\.png.*p_%05d\.png"):
        rotoscope.write(tmp_path / "p.png", frames(2))
    assert not list(tmp_path.iterdir())
