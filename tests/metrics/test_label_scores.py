"""FCN scores of pictures and their label maps: counts by hand, through files."""

import cv2
import numpy as np
import pytest

from rotoscope.base.errors import InputRefused
from rotoscope.metrics.label_scores import by_colour, by_segmenter, label_maps, label_scores

COLOURS = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)  # of the classes 0, 1, 2


def strongest_channel(picture):
    """A segmenter whose scores are the channels: red is class 0, green 1, blue 2."""
    return picture.transpose(2, 0, 1).astype(np.float32)


def write_maps(folder, *maps):
    folder.mkdir()
    for index, values in enumerate(maps):
        cv2.imwrite(str(folder / f"{index}.png"), np.array(values, np.uint8))


def test_counts_of_all_pictures_are_added_and_void_pixels_are_left_out(tmp_path):
    truths = [[[0, 0], [1, 255]], [[0, 2], [1, 1]]]
    found = [[[0, 1], [1, 0]], [[0, 2], [1, 1]]]
    write_maps(tmp_path / "maps", *truths)
    scores = label_scores(
        [COLOURS[np.array(each)] for each in found], str(tmp_path / "maps"), by_segmenter(strongest_channel)
    )
    # class 0: 2 of 3 right; class 1: 3 of 3, and one pixel of class 0 was taken for it; class 2: 1 of 1
    assert scores.per_pixel == pytest.approx(6 / 7)
    assert scores.per_class == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert scores.iou == pytest.approx((2 / 3 + 3 / 4 + 1) / 3)


def test_pictures_are_enlarged_to_the_size_of_the_maps_before_the_segmenter_sees_them(tmp_path):
    write_maps(tmp_path / "maps", np.repeat([[0, 1]], 4, axis=0).repeat(4, axis=1))
    seen = []

    def segmenter(picture):
        seen.append(picture.shape)
        return strongest_channel(cv2.resize(picture, (4, 2), interpolation=cv2.INTER_AREA))  # scores of half the size

    scores = label_scores([COLOURS[np.array([[0, 1], [0, 1]])]], str(tmp_path / "maps"), by_segmenter(segmenter))
    assert seen == [(4, 8, 3)] and scores.per_pixel == pytest.approx(1)


@pytest.mark.parametrize(("count", "said"), [(1, "ends after 1 map"), (3, "has a map that no picture belongs to")])
def test_another_number_of_maps_is_refused(tmp_path, count, said):
    write_maps(tmp_path / "maps", *[[[0, 1], [1, 0]]] * count)
    with pytest.raises(InputRefused, match=said):
        label_scores([np.zeros((2, 2, 3), np.uint8)] * 2, str(tmp_path / "maps"), by_segmenter(strongest_channel))


def test_maps_without_a_class_and_maps_in_colour_are_refused(tmp_path):
    write_maps(tmp_path / "void", [[255, 255]])
    picture = np.zeros((1, 2, 3), np.uint8)
    with pytest.raises(InputRefused, match=r"no pixel of the classes 0\.\.2"):
        label_scores([picture], str(tmp_path / "void"), by_segmenter(strongest_channel))
    (tmp_path / "colour").mkdir()
    cv2.imwrite(str(tmp_path / "colour" / "0.png"), picture)
    with pytest.raises(InputRefused, match="one channel"):
        next(label_maps(str(tmp_path / "colour")))


def test_label_pictures_have_the_classes_of_the_nearest_colours(tmp_path):
    truths = [[[0, 0], [1, 255]], [[0, 2], [1, 1]]]
    found = [[[0, 1], [1, 0]], [[0, 2], [1, 1]]]
    write_maps(tmp_path / "maps", *truths)
    noise = np.random.default_rng(0).integers(-40, 40, (2, 2, 2, 3))
    pictures = [
        np.uint8(np.clip(COLOURS[np.array(each)] + change, 0, 255)) for each, change in zip(found, noise, strict=True)
    ]
    scores = label_scores(pictures, str(tmp_path / "maps"), by_colour(COLOURS.tolist()))
    assert scores.per_pixel == pytest.approx(6 / 7)
    assert scores.iou == pytest.approx((2 / 3 + 3 / 4 + 1) / 3)


def test_a_label_picture_of_another_size_makes_no_third_class_at_borders(tmp_path):
    colours = [(0, 0, 0), (254, 254, 254), (127, 127, 127)]  # the third is the mixture of the others
    write_maps(tmp_path / "maps", np.repeat([[0, 1]], 6, axis=0).repeat(6, axis=1))
    picture = np.uint8(colours)[np.array([[0, 1], [0, 1]])]
    scores = label_scores([picture], str(tmp_path / "maps"), by_colour(colours))
    assert scores.per_pixel == pytest.approx(1)
