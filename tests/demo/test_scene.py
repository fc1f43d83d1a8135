import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from rotoscope.demo.camera import Pose
from rotoscope.demo.layers import STILL_LIFE
from rotoscope.demo.scene import Scene

CAT = 2
STANDING = tuple(replace(layer, motion=None) for layer in STILL_LIFE)


@pytest.fixture(scope="module")
def scene():
    return Scene(320, 180, num_frames=60)


def warp(picture, flow):
    """Align a picture to the grid of the flow, without the scene's own sampling."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    return cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def test_picture_is_float_rgb_in_range(scene):
    picture = scene.picture(0)
    assert picture.shape == (180, 320, 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1 + 1e-5
    assert picture.std() > 0.1


def test_same_arguments_give_the_same_pictures_and_another_seed_does_not(scene):
    again = Scene(320, 180, num_frames=60)
    np.testing.assert_array_equal(scene.picture(7), again.picture(7))
    np.testing.assert_array_equal(scene.flow(7, 8), again.flow(7, 8))
    assert np.abs(scene.picture(7) - Scene(320, 180, 60, seed=1).picture(7)).mean() > 0.01


def test_a_longer_scene_begins_like_a_shorter_one(scene):
    np.testing.assert_array_equal(scene.picture(7), Scene(320, 180, num_frames=8).picture(7))


@pytest.mark.parametrize("size", [(640, 360), (97, 55), (64, 128), (256, 64)])
def test_every_size_is_covered(size):
    scene = Scene(*size, num_frames=2)
    assert scene.picture(1).shape == (size[1], size[0], 3)
    assert scene.picture(1).std(axis=(0, 1)).min() > 0.05
    assert scene.flow(0, 1).shape == (size[1], size[0], 2)


def test_pan_shifts_every_layer_by_its_parallax():
    scene = Scene(640, 360, 2, camera=lambda s: Pose(x=90 * s, y=-60 * s), layers=STANDING)  # 3 and -2 pixels a frame
    owner, flow = scene.owner(0), scene.flow(0, 1)
    assert set(np.unique(owner)) == {0, 1, 2, 3}
    for k, layer in enumerate(STANDING):
        expected = np.broadcast_to((3 * layer.parallax, -2 * layer.parallax), flow[owner == k].shape)
        np.testing.assert_allclose(flow[owner == k], expected, atol=1e-4)


def test_whole_pixel_pan_moves_the_picture_exactly():
    backdrop = (replace(STILL_LIFE[0], parallax=1.0),)
    scene = Scene(640, 360, 2, camera=lambda s: Pose(x=90 * s, y=-60 * s), layers=backdrop)
    np.testing.assert_allclose(scene.picture(1)[:-2, 3:], scene.picture(0)[2:, :-3], atol=2e-3)
    hidden = np.zeros((360, 640), bool)
    hidden[:2] = hidden[:, -3:] = True
    np.testing.assert_array_equal(scene.occlusion(0, 1), hidden)


def test_roll_turns_about_the_middle():
    scene = Scene(640, 360, 2, camera=lambda s: Pose(roll=0.3 * s), layers=STANDING[:1])
    angle = 0.3 / 30
    y, x = np.mgrid[:360, :640] - np.array([179.5, 319.5])[:, None, None]
    turned = np.stack([x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)], axis=2)
    np.testing.assert_allclose(scene.flow(0, 1), turned - np.stack([x, y], axis=2), atol=1e-4)


def test_flow_scales_with_the_picture():
    small, large = Scene(320, 180, 2), Scene(640, 360, 2)
    at_small, at_large = small.flow(0, 1)[100, 40], large.flow(0, 1)[200:202, 80:82].mean(axis=(0, 1))
    assert small.owner(0)[100, 40] == large.owner(0)[200, 80] == CAT
    np.testing.assert_allclose(2 * at_small, at_large, atol=1e-4)


def test_nothing_moves_to_the_same_frame(scene):
    np.testing.assert_allclose(scene.flow(5, 5), 0, atol=1e-5)
    assert not scene.occlusion(5, 5).any()


@pytest.mark.parametrize(("t", "to"), [(10, 11), (11, 10), (30, 31), (30, 40)])
def test_warped_frame_reproduces_the_frame(t, to):
    """Without occluded pixels, the mean difference is below 1 of 255 code values, and below 8 for 99 % of the pixels."""
    scene = Scene(num_frames=60)
    here, there = scene.picture(t), scene.picture(to)
    error = np.abs(warp(there, scene.flow(t, to)) - here).mean(axis=2)
    seen = ~scene.occlusion(t, to)
    assert error[seen].mean() < 1 / 255
    assert np.quantile(error[seen], 0.99) < 8 / 255
    assert error[seen].mean() < 0.4 * np.abs(there - here).mean()
    assert error[~seen].mean() > 2 * error[seen].mean()


def test_forward_and_backward_flow_cancel(scene):
    there, back = scene.flow(20, 25), scene.flow(25, 20)
    owner_where_it_lands = warp(scene.owner(25).astype(np.float32), there)
    inside_a_layer = owner_where_it_lands == scene.owner(20)
    seen = ~scene.occlusion(20, 25) & inside_a_layer
    round_trip = np.abs(there + warp(back, there))[seen]
    assert seen.mean() > 0.95
    assert round_trip.max() < 1e-3


def test_a_pixel_seen_in_both_frames_belongs_to_one_layer(scene):
    """Ownership and occlusion are computed separately; they may differ only where an edge lies between pixels."""
    t, to = 20, 30
    y, x = np.mgrid[:180, :320]
    landing = np.rint(np.stack([x, y], axis=2) + scene.flow(t, to)).astype(int)
    seen = ~scene.occlusion(t, to)
    lands_on = scene.owner(to)[landing[seen][:, 1], landing[seen][:, 0]]
    assert (lands_on != scene.owner(t)[seen]).mean() < 0.005


def test_occlusion_is_a_small_part_and_grows_with_distance(scene):
    near, far = scene.occlusion(10, 11).mean(), scene.occlusion(10, 20).mean()
    assert 0.001 < near < 0.05
    assert near < far < 0.2


def test_frames_outside_the_scene_are_refused(scene):
    for wrong in (-1, 60):
        with pytest.raises(IndexError, match="frames 0 to 59"):
            scene.picture(wrong)
    with pytest.raises(ValueError, match="at least 1"):
        Scene(0, 360)
