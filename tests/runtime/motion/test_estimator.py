"""Motion on frames: what is trusted, what stands still, where a scene begins."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from shared_data import SHARED, need_shared

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.stage import Chain, run_stage
from rotoscope.base.times import StageTimes
from rotoscope.runtime.motion.cuts import CutAtSizeChange
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.estimator import MotionEstimator, MotionStage
from rotoscope.runtime.motion.region import motion_in_region

CLIPS = SHARED / "data" / "videos" / "clips"
SEEN_CUTS = [30, 76, 137, 187, 242]  # by eye; both files hold the same footage


def texture(width, height, seed=0):
    noise = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32)
    return np.uint8(np.clip(128 + 400 * cv2.GaussianBlur(noise, (0, 0), 3), 0, 255))


def frames_of(lumas):
    return [Frame(t, t, Fraction(1, 25), 1, Picture((luma,))) for t, luma in enumerate(lumas)]


def moved(lumas, **options):
    return list(run_stage(motion_stage(**options), frames_of(lumas)))


def motion_stage(**options):
    stages = CutAtSizeChange(), MotionStage(MotionEstimator(DisFlow(scale=1.0), **options), StageTimes())
    return Chain(stages)


def drifting(num, dx=3, width=192, height=128):
    canvas = texture(width + dx * num, height)
    return [np.ascontiguousarray(canvas[:, dx * t : dx * t + width]) for t in range(num)]


@pytest.mark.parametrize("sees_colour", [False, True])
def test_motion_leads_to_the_frame_before_and_back(sees_colour):
    first, second = moved(drifting(2), sees_colour=sees_colour, both_ways=True)
    assert first.motion is None
    inner = np.s_[16:-16, 16:-16]
    assert np.abs(np.median(second.motion.to_previous[inner], axis=(0, 1)) - (3, 0)).max() < 0.2
    assert np.abs(np.median(second.motion.from_previous[inner], axis=(0, 1)) - (-3, 0)).max() < 0.2
    assert second.motion.trust[inner].mean() > 0.9 and second.motion.trust.shape == (128, 192)
    assert second.motion.trust_ahead[inner].mean() > 0.9
    _, one_way = moved(drifting(2), sees_colour=sees_colour)
    assert np.array_equal(one_way.motion.to_previous, second.motion.to_previous)
    assert one_way.motion.from_previous is None and one_way.motion.trust_ahead is None


def test_what_the_frame_before_does_not_show_is_not_trusted():
    before, now = drifting(2, dx=0)
    now = now.copy()
    now[40:80, 60:110] = 255 - now[40:80, 60:110][::-1]
    _, frame = moved([before, now])
    assert frame.motion.trust[44:76, 64:106].mean() < 0.2
    assert frame.motion.trust[100:, :50].mean() > 0.9
    _, frame = moved(drifting(2, dx=12), both_ways=True)
    assert frame.motion.trust[:, -8:].max() < 0.3  # has just come in
    assert frame.motion.trust_ahead[:, :8].max() < 0.3  # has just left


def test_an_empty_place_that_only_changes_its_light_stands_still():
    chance = np.random.default_rng(0)
    plain = [np.uint8(np.clip(120 + 3 * t + 2 * chance.standard_normal((128, 192)), 0, 255)) for t in range(2)]
    for picture in plain:
        picture[:, :64] = texture(64, 128)
    _, frame = moved(plain)
    assert np.abs(frame.motion.to_previous).mean() < 0.1


def test_a_cut_has_no_motion_and_fast_motion_is_no_cut():
    lumas = [*drifting(6, dx=10), *(texture(192, 128, seed=9),) * 3]
    frames = moved(lumas)
    assert [frame.index for frame in frames if frame.cut] == [6]
    assert [frame.index for frame in frames if frame.motion is None] == [0, 6]


@pytest.mark.parametrize("sizes", [((192, 128), (96, 64)), ((200, 128), (201, 128)), ((40, 30), (41, 30))])
def test_a_change_of_size_is_a_cut_however_small(sizes):
    """Pictures that are reduced to one working size must not be taken for pictures of one size."""
    frames = moved([texture(*size) for size in sizes for _ in range(2)])
    assert [frame.cut for frame in frames] == [False, False, True, False]
    assert [frame.motion is None for frame in frames] == [True, False, True, False]


def test_pictures_of_one_flat_colour_have_no_motion_and_no_cut():
    frames = moved([np.full((96, 128), 16, np.uint8)] * 4)
    assert not any(frame.cut for frame in frames)
    assert all(np.array_equal(frame.motion.to_previous, np.zeros((96, 128, 2))) for frame in frames[1:])


def test_motion_fits_a_part_of_the_picture_at_another_size():
    _, frame = moved(drifting(2))
    part = motion_in_region(frame.motion, (32, 16, 96, 64), (128, 192))
    assert part.to_previous.shape == (128, 192, 2) and part.trust.shape == (128, 192)
    assert np.abs(np.median(part.to_previous[20:-20, 20:-20], axis=(0, 1)) - (6, 0)).max() < 0.4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cuts"), [
    ("bikes.mp4", SEEN_CUTS), ("scene_cuts.mp4", SEEN_CUTS), ("demo.mp4", []), ("car-detection.mp4", []), ("walk.mkv", []),
    ("cockatoo.mp4", []), ("flower.mp4", []), ("stream-of-water.webm", []), ("carphone_pristine.mp4", []),
])  # fmt: skip
def test_cuts_of_real_clips(name, cuts):
    with rotoscope.read(need_shared(CLIPS / name)) as reader:
        found = [frame.index for frame in run_stage(motion_stage(), reader) if frame.cut]
    assert found == cuts
