"""Ramp: its weights, its delay, what begins a scene, and changes of strength."""

from itertools import pairwise

import numpy as np
import pytest
from moving import changed_runs, four, moving_frames, painted, results_of, texture, whole

from rotoscope.base.stage import Chain, run_stage
from rotoscope.base.times import StageTimes
from rotoscope.metrics.gradient_energy import gradient_energy, relative_energy
from rotoscope.metrics.response import frames_until
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.estimator import MotionEstimator, MotionStage
from rotoscope.runtime.steady.blend import Blend
from rotoscope.runtime.steady.ramp import Ramp

SMALL = (14, 12)  # too small for `Detail`, so that results are the plain means


def ramp(strength=0.75, late=1):
    return Ramp(strength, late, whole, StageTimes())


def variation(results):
    """Mean square of what changes from frame to frame, the first ten not counted."""
    return np.mean([np.square(b - a).mean() for a, b in pairwise(results[10:])])


@pytest.mark.parametrize("late", [0, 1, 3])
def test_a_still_picture_shows_the_weighted_mean_that_was_promised(late):
    frames = moving_frames(12, SMALL, flicker=0.1)
    plain = np.stack([frame.pixels()[..., :3] for frame in frames])
    results = results_of(ramp(late=late), moving_frames(12, SMALL, flicker=0.1))
    s = 0.95 * 0.75
    for t, result in enumerate(results):
        weights = [s ** (t - u) if u <= t else max(0.0, 1 - (u - t) / (late + 1)) for u in range(12)]
        expected = np.tensordot(np.array(weights) / sum(weights), plain, 1)
        np.testing.assert_allclose(result, expected, atol=2e-6)


def test_looking_ahead_is_steadier_than_blend_and_as_sharp():
    def frames():
        # Another texture of the same kind in every frame.
        return [
            painted(frame, four(0.6 * frame.pixels()[..., :3] + 0.4 * texture(96, 64, seed=100 + frame.index)))
            for frame in moving_frames(30)
        ]

    plain = [frame.pixels()[..., :3].copy() for frame in frames()]
    ahead, blended = results_of(ramp(), frames()), results_of(Blend(0.75, whole, StageTimes()), frames())
    assert variation(ahead) < 0.8 * variation(blended)
    energy = [[gradient_energy(picture) for picture in video[10:]] for video in (ahead, plain)]
    assert np.abs(relative_energy(*energy) - 1).max() < 0.1


@pytest.mark.parametrize("late", [0, 1, 3])
def test_a_frame_leaves_so_many_frames_late_and_the_end_gives_the_rest(late):
    stage, frames = ramp(late=late), moving_frames(8, flicker=0.02)
    stage.reset()
    assert stage.look_ahead == late
    left = [[frame.index for frame in stage.step(frame)] for frame in frames]
    assert left == [[]] * late + [[t] for t in range(8 - late)]
    assert [frame.index for frame in stage.flush()] == list(range(8 - late, 8))
    assert stage.flush() == []


def test_strength_0_changes_nothing():
    plain = [frame.pixels()[..., :3].copy() for frame in moving_frames(6, flicker=0.05)]
    assert np.allclose(results_of(ramp(0.0), moving_frames(6, flicker=0.05)), plain, atol=1e-6)


def test_strength_may_change_between_two_frames():
    stage, shown = ramp(0.75), []
    stage.reset()
    frames = moving_frames(10, flicker=0.05)
    for t, frame in enumerate(frames):
        stage.strength = 0.0 if t > 4 else 0.75
        shown += stage.step(frame)
    shown += stage.flush()
    # Frame 4 is shown when frame 5 comes, with the strength of then.
    for t in range(5, 10):
        assert np.allclose(shown[t].pixels(), frames[t].pixels(), atol=1e-6)
    assert not np.allclose(shown[3].pixels(), frames[3].pixels(), atol=1e-3)


def test_nothing_is_mixed_over_a_cut_or_a_change_of_size():
    both = results_of(ramp(late=2), moving_frames(12, flicker=0.02, cuts=(6,)))
    first = results_of(ramp(late=2), moving_frames(12, flicker=0.02, cuts=(6,))[:6])
    assert all(np.array_equal(a, b) for a, b in zip(both, first, strict=False))
    mixed = [*moving_frames(3), *moving_frames(3, size=(64, 48))]
    assert [result.shape for result in results_of(ramp(late=2), mixed)] == [(64, 96, 3)] * 3 + [(48, 64, 3)] * 3
    assert [frame.index for frame in run_stage(ramp(late=2), mixed)] == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 33)])
def test_pictures_of_any_size_are_steadied(size):
    results = results_of(ramp(), moving_frames(6, size, flicker=0.05))
    assert results[5].shape == (size[1], size[0], 3) and np.isfinite(results[5]).all()


@pytest.mark.parametrize("late", [1, 3])
def test_a_sudden_change_of_one_place_is_there_within_three_frames_and_not_before(late):
    def steady(frames):
        motion = MotionStage(MotionEstimator(DisFlow(scale=1.0), both_ways=True), StageTimes())
        return results_of(Chain((motion, ramp(late=late))), frames)

    assert frames_until(changed_runs(steady)) <= 2
    assert max(changed_runs(steady, since=0)[:8]) < 0.1
