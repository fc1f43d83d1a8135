"""Warping error and patch consistency around a hole: changes outside it do not count."""

import cv2
import numpy as np
import pytest

from rotoscope.base.errors import InputRefused
from rotoscope.metrics.evaluation import evaluate_frames
from rotoscope.metrics.holes import hole_masks
from rotoscope.metrics.matched import MatchedFrame
from rotoscope.metrics.patch_consistency import PatchSearch

SIZE = (40, 48)


def still(_index, current, _following):
    return np.zeros((*SIZE, 2), np.float32), np.ones(SIZE, bool)


def frames(inside, outside, hole, count=4):
    """A grey video that blinks by `inside` in the hole and by `outside` elsewhere, in steps of 255."""
    steps = np.where(hole[..., None], inside, outside)
    source = np.zeros((*SIZE, 3), np.uint8)
    blinking = [(100 + steps * (index % 2)).repeat(3, axis=2).astype(np.uint8) for index in range(count)]
    return [MatchedFrame(index / 25, source, picture, picture) for index, picture in enumerate(blinking)]


def square():
    hole = np.zeros(SIZE, bool)
    hole[10:20, 12:30] = True
    return hole


def test_the_error_around_the_hole_is_that_of_its_pixels():
    hole = square()
    numbers = evaluate_frames(frames(20, 60, hole), still, holes=iter([hole] * 4)).summary()
    assert numbers["result"]["E_warp around the hole"] == pytest.approx((20 / 255) ** 2, rel=1e-4)
    assert numbers["frame by frame"]["E_warp around the hole"] == pytest.approx((20 / 255) ** 2, rel=1e-4)
    assert numbers["result"]["E_warp"] > (20 / 255) ** 2
    assert "E_warp around the hole" not in evaluate_frames(frames(20, 60, hole), still).summary()["result"]


def test_a_hole_that_moves_counts_where_it_is_in_either_frame():
    hole = square()
    shifted = np.roll(hole, 18, axis=1)
    found = evaluate_frames(frames(20, 0, hole, 2), still, holes=iter([hole, shifted]))
    assert found.summary()["result"]["E_warp around the hole"] == pytest.approx((20 / 255) ** 2 / 2, rel=1e-4)


def test_frames_without_a_hole_are_left_out():
    hole = square()
    found = evaluate_frames(frames(20, 60, hole, 3), still, holes=iter([hole, hole, np.zeros(SIZE, bool)]))
    # The second pair still touches the hole of its first frame.
    assert found.result.around_hole == pytest.approx([(20 / 255) ** 2] * 2, rel=1e-4)
    found = evaluate_frames(frames(20, 60, hole, 3), still, holes=iter([np.zeros(SIZE, bool)] * 3))
    assert np.isnan(found.summary()["result"]["E_warp around the hole"])


def test_a_patch_at_a_hole_begins_half_a_patch_before_its_centre():
    search = PatchSearch(patch_px=10, reach_px=1)
    current = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    following = np.zeros_like(current)
    following[9:19, 15:25] = current[9:19, 15:25]  # centre of `square`: row 14.5, column 20.5
    assert search.best_psnr(current, following, square()) == np.inf
    corner = np.zeros(SIZE, bool)
    corner[0, 0] = True
    following[:10, :10] = current[:10, :10]
    assert search.best_psnr(current, following, corner) == np.inf


def test_one_picture_is_the_hole_of_all_frames_and_another_size_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), square().astype(np.uint8) * 255)
    masks = hole_masks(str(tmp_path / "mask.png"))
    for _ in range(3):
        np.testing.assert_array_equal(next(masks), square())
    with pytest.raises(InputRefused, match="a mask of 48x40 for a frame of 20x30"):
        small = [
            MatchedFrame(0.0, *[np.zeros((30, 20, 3), np.uint8)] * 2, None),
        ] * 2
        evaluate_frames(small, still, holes=masks)
