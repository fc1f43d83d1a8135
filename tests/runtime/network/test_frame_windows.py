"""Frames with their neighbours: which they are is known in advance."""

from fractions import Fraction

import numpy as np
import pytest

from rotoscope.base.frame import Frame, Picture
from rotoscope.base.manifest import Window
from rotoscope.runtime.network.frame_windows import windows

PICTURE = Picture((np.zeros((2, 2, 3), np.uint8),))


def frames(count, cuts=()):
    return [Frame(n, n, Fraction(1, 25), 1, PICTURE, cut=n in cuts) for n in range(count)]


def neighbours(count, offsets, edge="repeat", cuts=()):
    return [
        tuple(frame.index for frame in window)
        for window in windows(frames(count, cuts), Window(offsets=offsets, edge=edge))
    ]


def test_without_a_window_every_frame_is_alone():
    assert [tuple(frame.index for frame in window) for window in windows(frames(3), None)] == [(0,), (1,), (2,)]


def test_the_past_of_a_first_frame_repeats_it():
    assert neighbours(4, (-2, -1, 0)) == [(0, 0, 0), (0, 0, 1), (0, 1, 2), (1, 2, 3)]


def test_the_future_of_a_last_frame_repeats_it():
    assert neighbours(4, (0, 2)) == [(0, 2), (1, 3), (2, 3), (3, 3)]


def test_a_mirror_stands_at_both_ends():
    assert neighbours(5, (-2, 0, 2), "mirror") == [(2, 0, 2), (1, 1, 3), (0, 2, 4), (1, 3, 3), (2, 4, 2)]


def test_a_mirror_behind_a_short_scene_stays_inside_it():
    assert neighbours(2, (-6, -3, 0, 3, 6), "mirror") == [(0, 0, 0, 0, 0), (0, 0, 1, 0, 0)]


def test_no_neighbour_lies_beyond_a_cut():
    assert neighbours(5, (-1, 0, 1), cuts=(2,)) == [(0, 0, 1), (0, 1, 1), (2, 2, 3), (2, 3, 4), (3, 4, 4)]


@pytest.mark.parametrize(
    ("offsets", "edge", "ahead"), [((-3, 0), "repeat", 0), ((-1, 0, 2), "repeat", 2), ((-2, 0), "mirror", 2)]
)
def test_a_frame_waits_for_no_more_than_its_neighbours(offsets, edge, ahead):
    taken = []

    def source():
        for frame in frames(20):
            taken.append(frame.index)
            yield frame

    next(windows(source(), Window(offsets=offsets, edge=edge)))
    assert taken == list(range(ahead + 1))


@pytest.mark.parametrize("offsets", [(-1, 1), (0, -1), (-1, -1, 0)])
def test_a_window_holds_its_own_frame_and_goes_up(offsets):
    with pytest.raises(ValueError, match="offsets go up"):
        Window(offsets=offsets)
