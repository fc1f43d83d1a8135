"""HyperCon: what is inserted, who votes, what is never looked at."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import tiny_clips
import tiny_models
from moving import changed_runs, four, moving_frames, painted, texture, whole

from rotoscope.base.stage import run_stage
from rotoscope.base.times import StageTimes
from rotoscope.kernels.warp import warp
from rotoscope.metrics.gradient_energy import gradient_energy, relative_energy
from rotoscope.metrics.response import frames_until
from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
from rotoscope.runtime.models.model_file import open_model
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.estimator import MotionEstimator, MotionStage
from rotoscope.runtime.network.pair import InterpolationModel
from rotoscope.runtime.steady.hypercon import HyperCon, Neighbourhood
from rotoscope.runtime.steady.insert import InsertFrames

INNER = np.s_[14:-14, 14:-14]


def inserted(frames, num, network=None):
    return list(run_stage(InsertFrames(num, StageTimes(), network), frames))


def translated(frames, num, function):
    """All frames, inserted ones too, with `function(picture (H,W,3) in [0,1], count)` as result."""
    for count, frame in enumerate(inserted(frames, num)):
        planes = frame.source.planes[0]
        picture = planes[..., :3].astype(np.float32) / (255 if planes.dtype == np.uint8 else 1)
        yield painted(frame, four(function(picture, count)))


def test_inserted_frames_lie_evenly_in_time_and_along_the_motion():
    frames = inserted(moving_frames(3, dx=4.0), 3)
    assert [frame.inserted for frame in frames] == [False, True, True, True] * 2 + [False]
    still = moving_frames(2, dx=1.0)  # what lies a quarter of four pixels on is what one pixel a frame shows
    expected = still[1].source.planes[0].astype(np.float32) / 255
    assert np.abs(frames[1].source.planes[0][..., :3] - expected)[INNER].max() < 0.02


def test_a_point_of_an_inserted_mask_is_a_hole_if_any_of_it_comes_from_one():
    frames = [replace(frame, mask=np.zeros((64, 96), bool)) for frame in moving_frames(2, dx=4.0)]
    frames[0].mask[20:30, 20:30] = True
    middle = inserted(frames, 1)[1]
    expected = np.zeros((64, 96), bool)
    expected[20:30, 22:32] = True  # half of the way
    assert np.array_equal(middle.mask, expected)


@pytest.fixture
def network(tmp_path):
    """An interpolator that mixes by the time, and says that what it shows lay 2 pixels to the left in the first."""
    path = tiny_models.interpolator(tmp_path / "between.onnx", flow=(-2.0, 0.0))
    return InterpolationModel(open_model(path), OnnxRuntimeEngine(path))


def test_a_network_makes_what_is_inserted(network):
    frames = moving_frames(3, dx=4.0)
    a, b = (frame.source.planes[0].astype(np.float32) / 255 for frame in frames[:2])
    made = inserted(frames, 3, network)
    assert [frame.inserted for frame in made] == [False, True, True, True] * 2 + [False]
    for step in (1, 2, 3):
        expected = a + step / 4 * (b - a)
        np.testing.assert_allclose(made[step].source.planes[0][..., :3], expected, atol=1e-5)
        assert made[step].motion is None


def test_masks_move_along_the_flows_of_the_network(network):
    frames = [replace(frame, mask=np.zeros((64, 96), bool)) for frame in moving_frames(2, dx=4.0)]
    frames[0].mask[20:30, 20:30] = True
    middle = inserted(frames, 1, network)[1]
    expected = np.zeros((64, 96), bool)
    expected[20:30, 22:32] = True  # 2 pixels to the left of it is the hole of the first
    assert np.array_equal(middle.mask, expected)


def test_a_network_is_named_on_the_command_line(here, identity, rotoscope_main):
    tiny_clips.write_clip(here / "clip.mp4", frames=4)
    tiny_models.interpolator(here / "between.onnx", flow=(0.0, 0.0))
    words = ["translate", "clip.mp4", "out.mp4", "-m", identity, "--interpolator", "onnx:between.onnx"]
    code, _, err = rotoscope_main(*words, "--steady", "hypercon", "--insert", "1", "--dilation", "1")
    assert code == 0
    assert "steady hypercon, 1 inserted by between, mean of 5" in err


@pytest.mark.parametrize(("words", "reason"), [
    (["onnx:between.onnx"], "--interpolator onnx:between.onnx: blend inserts no frames; accepted: --steady hypercon"),
    (["onnx:between.onnx", "--steady", "off"], "off inserts no frames"),
    (["slomo", "--steady", "hypercon"], "--interpolator slomo; accepted: flow, or onnx:FILE with a model of kind interpolate"),
    (["onnx:identity.onnx", "--steady", "hypercon"], "of kind translate; this needs one of kind interpolate"),
    (["onnx:none.onnx", "--steady", "hypercon"], "--interpolator onnx:none.onnx: no such file"),
])  # fmt: skip
def test_networks_that_do_not_fit_are_refused_in_one_line(words, reason, here, identity, rotoscope_main):
    tiny_clips.write_clip(here / "clip.mp4", frames=2)
    tiny_models.interpolator(here / "between.onnx", flow=(0.0, 0.0))
    tiny_models.identity(here / "identity.onnx")
    code, _, err = rotoscope_main("translate", "clip.mp4", "out.mp4", "-m", identity, "--interpolator", *words)
    assert code in (2, 4)
    assert reason in err
    assert len(err.splitlines()) == 1


def test_nothing_is_inserted_across_a_cut():
    frames = inserted(moving_frames(6, cuts=(3,)), 2)
    assert [frame.inserted for frame in frames].count(True) == 2 * 4


@pytest.mark.parametrize("pool", ["mean", "median"])
@pytest.mark.parametrize(("insert", "window", "dilation"), [(3, 2, 2), (0, 2, 1), (1, 1, 3), (2, 3, 1), (3, 2, 5)])
def test_pooling_equals_the_published_formula(insert, window, dilation, pool):
    """Every neighbour at its place of the interpolated video, by the flow that is known here, pooled by NumPy."""
    size, dx, num = (96, 64), 1.5, 9
    around = Neighbourhood(insert=insert, window=window, dilation=dilation, pool=pool)
    chance = np.random.default_rng(0)
    noise = [0.1 * chance.standard_normal((64, 96, 3)).astype(np.float32) for _ in range(num * (insert + 1))]
    frames = list(translated(moving_frames(num, size, dx), insert, lambda picture, count: picture + noise[count]))
    fine = [frame.pixels() for frame in frames]
    shown = list(run_stage(HyperCon(around, whole, StageTimes()), frames))
    assert [frame.index for frame in shown] == list(range(num))
    for place, frame in enumerate(shown):
        center = place * (insert + 1)
        stack = []
        for k in range(-window, window + 1):
            other = center + k * dilation
            if 0 <= other < len(fine):
                flow = np.zeros((64, 96, 2), np.float32)
                flow[..., 0] = dx * k * dilation / (insert + 1)
                stack.append(warp(fine[other], flow))
        expected = np.mean(stack, axis=0) if pool == "mean" else np.median(stack, axis=0)
        assert np.abs(frame.pixels() - expected)[INNER].max() < 1e-5


@pytest.mark.parametrize(
    ("insert", "window", "dilation", "runs"), [(3, 2, 2, 2), (1, 3, 2, 1), (5, 2, 4, 3), (3, 2, 1, 4)]
)
def test_idle_frames_are_not_inserted_and_nothing_changes(insert, window, dilation, runs):
    def pooled(around):
        frames = translated(moving_frames(7, dx=1.5), around.insert, lambda picture, _count: picture**2)
        return [frame.pixels() for frame in run_stage(HyperCon(around, whole, StageTimes()), frames)]

    asked = Neighbourhood(insert=insert, window=window, dilation=dilation)
    assert asked.needed().steps == runs and asked.needed().reach == asked.reach
    for a, b in zip(pooled(asked), pooled(asked.needed()), strict=True):
        assert np.abs(a - b).max() < 1e-6


def test_a_distrusted_neighbour_does_not_vote():
    frames = moving_frames(3)
    frames[1].motion.trust[:] = 0
    frames[1].motion.trust_ahead[:] = 0
    around = Neighbourhood(insert=0, window=1, dilation=1)
    shown = list(
        run_stage(HyperCon(around, whole, StageTimes()), translated(frames, 0, lambda p, count: p * 0 + count))
    )
    assert [float(frame.pixels()[0, 0, 0]) for frame in shown] == pytest.approx([0, 1.5, 1.5])


def test_a_weighted_neighbour_counts_by_its_distance_and_its_trust():
    frames = moving_frames(3)
    frames[1].motion.trust_ahead[:] = 0.5  # and `trust`, which is the same array
    around = Neighbourhood(insert=0, window=2, dilation=1, pool="weighted", strength=0.6)
    shown = list(
        run_stage(HyperCon(around, whole, StageTimes()), translated(frames, 0, lambda p, count: p * 0 + count))
    )
    near, far = 0.5 * 0.6, 0.5 * 0.6**2  # from the first frame, past its half trusted neighbour
    assert float(shown[0].pixels()[0, 0, 0]) == pytest.approx((near * 1 + far * 2) / (1 + near + far))
    assert float(shown[2].pixels()[0, 0, 0]) == pytest.approx((2 + 0.6 * 1 + 0.5 * 0.36 * 0) / (1 + 0.6 + 0.5 * 0.36))


def test_weighted_at_strength_0_changes_nothing():
    around = Neighbourhood(insert=0, window=2, dilation=1, pool="weighted", strength=0.0)
    shown = list(run_stage(HyperCon(around, whole, StageTimes()), moving_frames(4, flicker=0.05)))
    plain = moving_frames(4, flicker=0.05)
    assert all(np.allclose(a.pixels(), b.pixels(), atol=1e-6) for a, b in zip(shown, plain, strict=True))


def weighted(frames, strength=0.75, window=3):
    around = Neighbourhood(insert=0, window=window, dilation=1, pool="weighted", strength=strength)
    return [frame.pixels()[..., :3].copy() for frame in run_stage(HyperCon(around, whole, StageTimes()), frames)]


def test_weighted_keeps_the_detail_that_frame_by_frame_has():
    def frames():
        # Another texture of the same kind in every frame.
        return [
            painted(frame, four(0.6 * frame.pixels()[..., :3] + 0.4 * texture(96, 64, seed=100 + frame.index)))
            for frame in moving_frames(30, dx=0.4)[:20]
        ]

    plain, results = [frame.pixels()[..., :3] for frame in frames()], weighted(frames())
    energies = [[gradient_energy(picture) for picture in pictures[6:]] for pictures in (results, plain)]
    assert np.abs(relative_energy(*energies) - 1).max() < 0.1
    change = [np.mean([np.square(b - a).mean() for a, b in pairwise(video[6:])]) for video in (results, plain)]
    assert change[0] < 0.5 * change[1]


@pytest.mark.parametrize("around", [
    Neighbourhood(insert=0, window=3, dilation=1, pool="weighted"),
    Neighbourhood(insert=0, window=1, dilation=1, pool="mean"),
], ids=lambda around: around.pool)  # fmt: skip
def test_a_sudden_change_of_one_place_is_there_within_three_frames_and_not_before(around):
    def steady(frames):
        estimator = MotionEstimator(DisFlow(scale=1.0), both_ways=True)
        moving = run_stage(MotionStage(estimator, StageTimes()), frames)
        return [frame.pixels()[..., :3].copy() for frame in run_stage(HyperCon(around, whole, StageTimes()), moving)]

    assert frames_until(changed_runs(steady)) <= 2
    early = changed_runs(steady, since=4)[:4]
    assert np.abs(early).max() < 0.1


def test_no_neighbour_lies_beyond_a_cut():
    around = Neighbourhood(insert=1, window=2, dilation=2)
    frames = translated(moving_frames(8, cuts=(4,)), 1, lambda p, count: p * 0 + (0 if count < 7 else 1))
    shown = list(run_stage(HyperCon(around, whole, StageTimes()), frames))
    assert [float(frame.pixels()[..., :3].mean()) for frame in shown] == [0] * 4 + [1] * 4


def test_what_is_kept_is_bounded_by_the_window():
    around = Neighbourhood(insert=1, window=2, dilation=2)
    stage = HyperCon(around, whole, StageTimes())
    sizes = [len(stage._kept) for _ in run_stage(stage, translated(moving_frames(60), 1, lambda p, _count: p))]
    assert max(sizes[:-3]) <= 2 * around.reach + 1
