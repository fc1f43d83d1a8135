"""Blend: flicker goes, detail and changes stay, nothing is carried over a cut."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from moving import changed_runs, even_motion, four, moving_frames, painted, results_of, texture, whole

from rotoscope.base.stage import Chain
from rotoscope.base.times import StageTimes
from rotoscope.metrics.gradient_energy import gradient_energy, relative_energy
from rotoscope.metrics.response import frames_until
from rotoscope.runtime.motion.dis import DisFlow
from rotoscope.runtime.motion.estimator import MotionEstimator, MotionStage
from rotoscope.runtime.steady.blend import MOST, Blend


def steadied(frames, strength=0.75):
    """The results after blending, (H,W,3)."""
    return results_of(Blend(strength, whole, StageTimes()), frames)


def variation(results):
    """Mean square of what changes from frame to frame, the first ten not counted."""
    return np.mean([np.square(b - a).mean() for a, b in pairwise(results[10:])])


def test_noise_on_a_still_picture_is_averaged_away_as_the_recursion_promises():
    plain = [frame.pixels()[..., :3].copy() for frame in moving_frames(40, flicker=0.02)]
    results = steadied(moving_frames(40, flicker=0.02))
    # White noise through (1-w) / (1 - w z^-1): its differences shrink by (1-w)^2 / (1+w); detail given back costs some.
    weight = MOST * 0.75
    promised = (1 + weight) / (1 - weight) ** 2
    assert promised / 2.5 < variation(plain) / variation(results) < promised * 1.1


def test_strength_0_changes_nothing():
    frames = moving_frames(5, flicker=0.05)
    plain = [frame.pixels()[..., :3].copy() for frame in frames]
    assert np.allclose(steadied(frames, 0.0), plain, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (15, 40), (16, 16), (17, 33)])
def test_pictures_of_any_size_are_steadied(size):
    plain = [frame.pixels()[..., :3].copy() for frame in moving_frames(6, size, flicker=0.05)]
    results = steadied(moving_frames(6, size, flicker=0.05))
    assert results[5].shape == plain[5].shape and np.isfinite(results[5]).all()
    assert not np.allclose(results[5], plain[5], atol=1e-3)


def test_history_follows_the_motion_and_stays_as_sharp_after_300_frames():
    frames = moving_frames(300, dx=0.37, dy=-0.21)
    # The window jumps back every 20 frames, as if it had gone on.
    for t in range(20, 300, 20):
        frames[t] = replace(frames[t], motion=even_motion((96, 64), -0.37 * 19, 0.21 * 19))
    plain = [frame.pixels()[..., :3].copy() for frame in frames]
    results = steadied(frames, 1.0)
    sharp = [relative_energy([gradient_energy(a)], [gradient_energy(b)]) for a, b in zip(results, plain, strict=True)]
    first, last = np.mean(sharp[20:60], axis=0), np.mean(sharp[-40:], axis=0)
    assert (last / first).min() > 0.95
    assert np.abs(last - 1).max() < 0.1
    inner = np.s_[12:-12, 12:-12]
    assert np.abs(results[-1][inner] - plain[-1][inner]).mean() < 0.02


def test_a_cut_and_a_change_of_size_start_anew():
    frames = moving_frames(12, flicker=0.02, cuts=(6,))
    plain = [frame.pixels()[..., :3].copy() for frame in frames]
    results = steadied(frames)
    assert np.array_equal(results[6], plain[6]) and not np.array_equal(results[5], plain[5])
    mixed = [*moving_frames(2), *moving_frames(2, size=(64, 48))]
    assert [result.shape for result in steadied(mixed)] == [(64, 96, 3)] * 2 + [(48, 64, 3)] * 2


def test_detail_is_what_frame_by_frame_has():
    def frames():
        # Another texture of the same kind in every frame.
        return [
            painted(frame, four(0.6 * frame.pixels()[..., :3] + 0.4 * texture(96, 64, seed=100 + frame.index)))
            for frame in moving_frames(40)
        ]

    plain = [gradient_energy(frame.pixels()[..., :3]) for frame in frames()][10:]
    averaged_only = [gradient_energy(0.6 * frame.pixels()[..., :3] + 0.2) for frame in moving_frames(40)][10:]
    results = [gradient_energy(picture) for picture in steadied(frames())][10:]
    assert relative_energy(averaged_only, plain).max() < 0.8
    assert np.abs(relative_energy(results, plain) - 1).max() < 0.1


@pytest.mark.parametrize("strength", [0.75, 1.0])
def test_a_sudden_change_of_one_place_is_there_within_three_frames(strength):
    def steady(frames):
        motion = MotionStage(MotionEstimator(DisFlow(scale=1.0)), StageTimes())
        return results_of(Chain((motion, Blend(strength, whole, StageTimes()))), frames)

    assert frames_until(changed_runs(steady)) <= 2
