"""All eight display matrices, and what they do to planes and to the place of chroma."""

import struct

import independent
import numpy as np
import pytest

from rotoscope.base.frame import Orientation, Picture
from rotoscope.runtime.media.orientation import orientation_of

# (a, b, c, d) of the matrix -> what is seen at the top left, top right, bottom left, bottom right of [[1, 2], [3, 4]]
EIGHT = {
    (1, 0, 0, 1): (1, 2, 3, 4),
    (-1, 0, 0, -1): (4, 3, 2, 1),
    (-1, 0, 0, 1): (2, 1, 4, 3),
    (1, 0, 0, -1): (3, 4, 1, 2),
    (0, 1, -1, 0): (3, 1, 4, 2),
    (0, -1, 1, 0): (2, 4, 1, 3),
    (0, 1, 1, 0): (1, 3, 2, 4),
    (0, -1, -1, 0): (4, 2, 3, 1),
}


def matrix(a, b, c, d):
    one = 1 << 16
    return struct.pack("<9i", *(round(value * one) for value in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)


@pytest.mark.parametrize("coefficients", EIGHT)
def test_each_display_matrix_turns_the_picture_as_it_says(coefficients):
    orientation, note = orientation_of(matrix(*coefficients))
    assert tuple(orientation.apply(np.array([[1, 2], [3, 4]])).ravel()) == EIGHT[coefficients]
    assert note == ""


@pytest.mark.parametrize("coefficients", EIGHT)
def test_it_agrees_with_the_matrix_applied_pixel_by_pixel(coefficients):
    picture = np.random.default_rng(0).integers(0, 255, (4, 7, 3)).astype(float)
    orientation, _ = orientation_of(matrix(*coefficients))
    np.testing.assert_array_equal(orientation.apply(picture), independent.oriented(picture, matrix(*coefficients)))


def test_the_eight_are_all_different():
    assert len({orientation_of(matrix(*coefficients))[0] for coefficients in EIGHT}) == 8


def test_without_a_matrix_nothing_happens():
    assert orientation_of(None) == (Orientation(), "")
    assert Orientation().is_identity


def test_an_odd_angle_goes_to_the_nearest_right_angle_and_says_so():
    cosine, sine = np.cos(np.radians(80)), np.sin(np.radians(80))
    orientation, note = orientation_of(matrix(cosine, sine, -sine, cosine))
    assert orientation == orientation_of(matrix(0, 1, -1, 0))[0]
    assert "odd angle" in note


@pytest.mark.parametrize(("orientation", "siting"), [
    (Orientation(), (0.0, 0.5)),
    (Orientation(flip_x=True), (1.0, 0.5)),
    (Orientation(flip_y=True), (0.0, 0.5)),
    (Orientation(transpose=True), (0.5, 0.0)),
    (Orientation(transpose=True, flip_y=True), (0.5, 1.0)),
])  # fmt: skip
def test_left_sited_chroma_moves_with_the_picture(orientation, siting):
    planes = (np.zeros((4, 6), np.uint8), np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint8))
    assert orientation.apply_to_picture(Picture(planes, siting=(0.0, 0.5))).siting == siting
