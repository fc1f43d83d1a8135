"""The meter in the result line: what it says of known noise, and when it says nothing."""

import numpy as np
import pytest
from moving import moving_frames, whole

from rotoscope.base.times import StageTimes
from rotoscope.runtime.steady.flicker import FlickerMeter

NOISE = 0.02


def halved(frames):
    """Half of what differs from the source, which has no noise, is taken away."""
    for frame in frames:
        clean = frame.source.planes[0].astype(np.float32) / 255
        frame.result = frame.result.copy()
        frame.result[..., :3] = 0.5 * (frame.result[..., :3] + clean)
        yield frame


def measured(frames, stage=halved):
    meter = FlickerMeter(whole, StageTimes())
    assert sum(1 for _ in meter.around(stage)(frames)) == len(frames)
    return meter.measured


def test_white_noise_differs_by_twice_its_variance_and_half_of_it_by_a_quarter_of_that():
    found = measured(moving_frames(60, flicker=NOISE))
    assert found.frame_by_frame == pytest.approx(2 * NOISE**2, rel=0.05)
    assert found.shown == pytest.approx(found.frame_by_frame / 4, rel=0.05)
    assert found.sharpness < 1


def test_what_moves_is_compared_along_the_motion():
    frames = moving_frames(20, dx=2.0, dy=1.0)
    for frame in frames[1:]:
        frame.motion.trust[:, :2] = frame.motion.trust[:1] = 0  # what comes in
    found = measured(frames, stage=iter)
    assert found.frame_by_frame == found.shown < 2e-5  # the texture moves by whole pixels; nothing else changes
    assert found.sharpness == 1


@pytest.mark.parametrize(
    "frames", [moving_frames(5), moving_frames(14, cuts=(5,))[:10]], ids=["too few", "a cut between"]
)
def test_without_a_pair_nothing_is_said(frames):
    assert measured(frames) is None


def test_distrusted_places_do_not_count():
    frames = moving_frames(6, flicker=NOISE)
    for frame in frames[1:]:
        frame.result[:, 48:] += 0.3 * frame.index
        frame.motion.trust[:, 48:] = 0
    assert measured(frames, stage=iter).frame_by_frame == pytest.approx(2 * NOISE**2, rel=0.1)
