"""Flow by inverse search: known shifts, turns and zooms, large motion, odd and tiny sizes, the demo scene's true flow."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from rotoscope.base.frame import Picture
from rotoscope.demo import Scene, Sensor
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.estimator import FlowSourceBothWays, MotionEstimator
from rotoscope.runtime.motion.inverse_search import InverseSearchFlow, grey_pyramid, pyramid_sizes

MARGIN = 24  # pixels at the border, where the other picture may not show what this one does


def texture(height, width, seed=0):
    """Random brightness with detail of all sizes, (H,W) float32, 0 to 255."""
    rng = np.random.default_rng(seed)
    room = max(height, 32), max(width, 32)
    total = np.zeros(room, np.float32)
    for sigma in (1.5, 4, 12, 30):
        noise = cv2.GaussianBlur(rng.standard_normal(room).astype(np.float32), (0, 0), sigma)
        total += noise / noise.std()
    return np.ascontiguousarray(np.clip(128 + 25 * total, 0, 255)[:height, :width])


def moved(height, width, matrix, seed=0):
    """Two (H,W) uint8 pictures and their true flow: what the first shows at p is at matrix @ (p, 1) in the second."""
    room = 64
    canvas = texture(height + 2 * room, width + 2 * room, seed)
    shift = np.array([[1, 0, room], [0, 1, room], [0, 0, 1]], np.float64)
    whole = np.vstack([matrix, [0, 0, 1]])
    where = {"flags": cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP}
    first = cv2.warpAffine(canvas, shift[:2], (width, height), **where)
    second = cv2.warpAffine(canvas, (shift @ np.linalg.inv(whole))[:2], (width, height), **where)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    points = np.stack([x, y], axis=2)
    truth = points @ whole[:2, :2].T + whole[:2, 2] - points
    first, second = (np.clip(np.round(picture), 0, 255).astype(np.uint8) for picture in (first, second))
    return first, second, truth


def about_the_centre(height, width, angle_degrees=0.0, zoom=1.0):
    return cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_degrees, zoom)


def errors(flow, truth):
    """Distances to the true end points, away from the border."""
    return np.linalg.norm(flow - truth, axis=2)[MARGIN:-MARGIN, MARGIN:-MARGIN]


@pytest.mark.parametrize(("shift", "scale"), [((1, 0), 1.0), ((-7, 4), 0.5), ((0.5, -0.25), 1.0), ((3.3, 2.6), 0.5)])
def test_a_shift_is_found_both_ways_in_pixels_of_the_pictures(shift, scale):
    first, second, truth = moved(144, 192, np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64))
    there, back = InverseSearchFlow(scale).both_ways(first, second)
    assert there.shape == (144, 192, 2) and there.dtype == np.float32
    assert errors(there, truth).mean() < 0.1
    assert errors(back, -truth).mean() < 0.1


@pytest.mark.parametrize(("angle", "zoom"), [(3, 1), (-2, 1.04), (0, 0.95)])
def test_turning_and_zooming_is_found(angle, zoom):
    first, second, truth = moved(180, 240, about_the_centre(180, 240, angle, zoom))
    flow = InverseSearchFlow(1.0)(first, second)
    assert errors(flow, truth).mean() < 0.15


@pytest.mark.parametrize("shift", [(40, 0), (-40, 9), (12, 40)])
def test_motion_of_forty_pixels_is_found(shift):
    first, second, truth = moved(360, 640, np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64))
    far = InverseSearchFlow(0.5)(first, second) - truth
    inner = np.linalg.norm(far, axis=2)[48:-48, 48:-48]
    assert np.mean(inner) < 0.3


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (5, 7), (1, 300), (97, 131), (64, 3)])
def test_pictures_of_any_size_have_a_flow(size):
    first, second = (np.round(texture(*size, seed)).astype(np.uint8) for seed in (0, 1))
    for flow in InverseSearchFlow(0.5).both_ways(first, second):
        assert flow.shape == (*size, 2) and np.isfinite(flow).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (90, 121)])
def test_nothing_moves_between_equal_pictures_or_pictures_of_one_colour(size):
    picture = np.round(texture(*size)).astype(np.uint8)
    assert np.abs(InverseSearchFlow(1.0)(picture, picture)).max() < 1e-3
    assert not InverseSearchFlow(1.0)(np.full(size, 9, np.uint8), np.full(size, 9, np.uint8)).any()


@pytest.mark.parametrize("size", [(540, 960), (97, 131), (1, 1), (12, 400)])
def test_levels_halve_until_a_side_would_be_shorter_than_twelve_pixels(size):
    sizes = pyramid_sizes(*size)
    assert sizes == [level.shape for level in grey_pyramid(np.zeros(size, np.float32))]
    assert min(sizes[-1]) < 24 and (len(sizes) == 1 or min(sizes[-1]) >= 12)
    assert len(pyramid_sizes(540, 960)) == 6


def test_the_flow_of_the_demo_scene_is_as_near_as_that_of_dis():
    """With the noise of its sensor; the whole comparison is benchmarks/inverse_search.py."""
    scene, sensor = Scene(), Sensor()
    first, second = (sensor.capture(scene.picture(i), i) for i in (60, 61))
    truth, visible = scene.flow(60, 61), ~scene.occlusion(60, 61)
    ours, opencv = (
        np.linalg.norm(flow(first, second) - truth, axis=2)[visible].mean() for flow in (InverseSearchFlow(), DisFlow())
    )
    assert ours < 1.15 * opencv < 1


def test_colour_is_judged_by_its_luma():
    first, second, _ = moved(96, 128, np.array([[1, 0, 2], [0, 1, 1]], np.float64))
    estimate = InverseSearchFlow()
    in_colour = estimate(*(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) for picture in (first, second)))
    assert np.array_equal(estimate(first, second), in_colour)


def test_several_threads_may_ask_at_once_and_what_was_seen_before_changes_nothing():
    pairs = [moved(90 + 8 * (k % 2), 120, np.array([[1, 0, k], [0, 1, -k]], np.float64), seed=k)[:2] for k in range(4)]
    alone = [InverseSearchFlow()(*pair) for pair in pairs]
    estimate = InverseSearchFlow()
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda pair: estimate(*pair), pairs))
    assert all(np.array_equal(x, y) for x, y in zip(alone, together, strict=True))


def test_the_estimator_asks_once_for_both_directions(monkeypatch):
    first, second, _ = moved(96, 128, np.array([[1, 0, 3], [0, 1, 0]], np.float64))
    source = InverseSearchFlow(1.0)
    assert isinstance(source, FlowSourceBothWays) and not isinstance(DisFlow(), FlowSourceBothWays)
    monkeypatch.setattr(InverseSearchFlow, "__call__", lambda *_: pytest.fail("one direction was asked for"))
    estimator = MotionEstimator(source, scale=1.0)
    grey = [estimator.small(Picture((cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB),))) for picture in (first, second)]
    motion, _ = estimator(grey[1], grey[0], (96, 128))
    assert np.abs(np.median(motion.to_previous[MARGIN:-MARGIN, MARGIN:-MARGIN], axis=(0, 1)) - (-3, 0)).max() < 0.1


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="scale=0; accepted: above 0, at most 1"):
        InverseSearchFlow(scale=0)
    with pytest.raises(ValueError, match="two of one shape"):
        InverseSearchFlow()(np.zeros((64, 64), np.uint8), np.zeros((64, 65), np.uint8))
