"""Key frames: how often the generator runs, and what stands in between."""

from dataclasses import replace

import numpy as np
from moving import moving_frames, whole

from rotoscope.base.stage import run_stage
from rotoscope.base.times import StageTimes
from rotoscope.runtime.steady.keyframes import Carry, ChooseKeys


def keys(frames, every):
    return [frame.index for frame in run_stage(ChooseKeys(every), frames) if not frame.carried]


def test_every_nth_frame_is_translated():
    assert keys(moving_frames(10), 4) == [0, 4, 8]
    assert keys(moving_frames(4), 1) == [0, 1, 2, 3]


def test_a_cut_and_an_occlusion_bring_a_key_early_and_the_count_begins_again():
    assert keys(moving_frames(12, cuts=(6,)), 4) == [0, 4, 6, 10]
    frames = moving_frames(10)
    frames[2].motion.trust[:, :48] = 0
    assert keys(frames, 4) == [0, 2, 6]


def test_small_occlusions_add_up():
    frames = moving_frames(10)
    for frame in frames[1:]:
        frame.motion.trust[:, :15] = (
            0  # a sixth of the picture with every frame: less than 0.7 is left after the second
        )
    assert keys(frames, 8)[:2] == [0, 2] or keys(frames, 8)[:2] == [0, 3]


def test_a_carried_frame_is_the_key_moved():
    frames = list(run_stage(ChooseKeys(4), moving_frames(8, dx=1.0, dy=0.5)))
    expected = [frame.pixels() for frame in frames]
    keys_only = [replace(frame, result=None) if frame.carried else frame for frame in frames]
    shown = list(run_stage(Carry(whole, StageTimes()), keys_only))
    inner = np.s_[8:-8, 8:-8]
    errors = [np.abs(a.pixels() - b)[inner].mean() for a, b in zip(shown, expected, strict=True)]
    assert errors[0] == errors[4] == 0 and max(errors) < 0.01
