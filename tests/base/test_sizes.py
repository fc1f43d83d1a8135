"""Where a picture goes in a network's input: arithmetic with a few invariants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotoscope.base.errors import UsageError
from rotoscope.base.manifest import FrameInput
from rotoscope.base.sizes import parse_size, place

SIDE = st.integers(1, 5000)
SIZE = st.tuples(SIDE, SIDE)


def free(multiple=1, minimum=1):
    return FrameInput(tensor="in", multiple=multiple, minimum=minimum)


def fixed(size):
    return FrameInput(tensor="in", width=size[0], height=size[1])


@given(SIZE, st.integers(1, 64), st.integers(1, 256), st.none() | SIZE)
def test_a_free_network_sees_the_whole_picture_padded_by_less_than_a_multiple(picture, multiple, minimum, working):
    text = None if working is None else f"{working[0]}x{working[1]}"
    placement = place(picture, free(multiple, minimum), working=text, fit="pad")
    assert placement.crop == (0, 0, *picture)
    assert placement.content == (working or picture)
    for content, network in zip(placement.content, placement.network, strict=True):
        assert network % multiple == 0
        assert max(content, minimum) <= network < max(content, minimum) + multiple
    assert placement.is_direct == (working is None or working == picture)


@given(SIZE, SIZE, st.sampled_from(["pad", "crop", "stretch"]))
def test_a_fixed_network_gets_its_size_whatever_the_picture(picture, network, fit):
    placement = place(picture, fixed(network), working=None, fit=fit)
    left, top, width, height = placement.crop
    assert placement.network == network
    assert left >= 0 and top >= 0 and left + width <= picture[0] and top + height <= picture[1]
    assert all(1 <= inner <= outer for inner, outer in zip(placement.content, network, strict=True))
    assert min(width, height) >= 1


@given(SIZE, SIZE)
def test_pad_keeps_the_whole_picture_and_its_aspect(picture, network):
    placement = place(picture, fixed(network), working=None, fit="pad")
    assert placement.crop == (0, 0, *picture)
    factor = min(network[0] / picture[0], network[1] / picture[1])
    for content, side in zip(placement.content, picture, strict=True):
        assert abs(content - side * factor) <= 0.5 or content == 1


@given(SIZE, SIZE)
def test_crop_fills_the_network_from_the_middle(picture, network):
    placement = place(picture, fixed(network), working=None, fit="crop")
    left, top, width, height = placement.crop
    assert placement.content == network
    assert abs((picture[0] - width) - 2 * left) <= 1 and abs((picture[1] - height) - 2 * top) <= 1
    assert width == picture[0] or height == picture[1]


@pytest.mark.parametrize(("text", "picture", "size"), [
    ("640x360", (1920, 1080), (640, 360)),
    ("360p", (1920, 1080), (640, 360)),
    ("360p", (1080, 1920), (360, 640)),
    ("480p", (854, 480), (854, 480)),
    ("480p", (1920, 1080), (854, 480)),  # 853.3, to even
    ("100p", (300, 300), (100, 100)),
    ("1080p", (640, 360), (1920, 1080)),
])  # fmt: skip
def test_sizes_are_written_in_two_ways(text, picture, size):
    assert parse_size(text, picture) == size


@pytest.mark.parametrize("text", ["", "640", "640x", "x360", "0x0", "640X360", "640x360p", "-1x5", "99999x1", "1.5p"])
def test_other_texts_are_refused_with_what_is_accepted(text):
    with pytest.raises(UsageError, match="size"):
        parse_size(text, (640, 360))


@given(SIZE, st.integers(1, 4000))
def test_the_shorter_side_is_what_was_asked_for(picture, side):
    try:
        found = parse_size(f"{side}p", picture)
    except UsageError:
        return  # the longer side would exceed what is possible
    assert min(found) in (side, 2 * round(side / 2)) or min(picture) == 1
    assert all(pixels > 0 for pixels in found)
