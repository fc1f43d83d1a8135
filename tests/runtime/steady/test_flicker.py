"""The meter in the result line: what it says of known noise, and when it says nothing."""

import numpy as np
import pytest
from moving import four, moving_frames, painted, whole

from rotoscope.base.stage import Chain, run_stage
from rotoscope.base.times import StageTimes
from rotoscope.runtime.steady.flicker import FlickerMeter

NOISE = 0.02


class Halve:
    """Removes half of the difference to the source, which has no noise."""

    look_ahead, spans_cuts = 0, True

    def reset(self):
        pass

    def step(self, frame):
        clean = frame.source.planes[0].astype(np.float32) / 255
        return [painted(frame, four(0.5 * (frame.pixels()[..., :3] + clean)))]

    def flush(self):
        return []


def measured(frames, *stages):
    meter = FlickerMeter(whole, StageTimes())
    chain = Chain((meter.entering, *stages, meter.leaving))
    assert sum(1 for _ in run_stage(chain, frames)) == len(frames)
    return meter.measured


def test_white_noise_differs_by_twice_its_variance_and_half_of_it_by_a_quarter_of_that():
    found = measured(moving_frames(60, flicker=NOISE), Halve())
    assert found.frame_by_frame == pytest.approx(2 * NOISE**2, rel=0.05)
    assert found.shown == pytest.approx(found.frame_by_frame / 4, rel=0.05)
    assert found.sharpness < 1


def test_what_moves_is_compared_along_the_motion():
    frames = moving_frames(20, dx=2.0, dy=1.0)
    for frame in frames[1:]:
        frame.motion.trust[:, :2] = frame.motion.trust[:1] = 0  # what comes in
    found = measured(frames)
    assert found.frame_by_frame == found.shown < 2e-5  # the texture moves by whole pixels; nothing else changes
    assert found.sharpness == 1


@pytest.mark.parametrize(
    "frames", [moving_frames(5), moving_frames(14, cuts=(5,))[:10]], ids=["too few", "a cut between"]
)
def test_without_a_pair_nothing_is_said(frames):
    assert measured(frames, Halve()) is None


def test_distrusted_places_do_not_count():
    frames = moving_frames(6, flicker=NOISE)
    for t, frame in enumerate(frames[1:], start=1):
        brighter = frame.pixels().copy()
        brighter[:, 48:] += 0.3 * t
        frame.motion.trust[:, 48:] = 0
        frames[t] = painted(frame, brighter)
    assert measured(frames).frame_by_frame == pytest.approx(2 * NOISE**2, rel=0.1)


def test_a_missing_frame_is_not_compared_across_the_gap():
    """Index 5 could not be decoded: frame 17 must not be compared with frame 4, of another scene."""
    frames = [frame for frame in moving_frames(18) if frame.index != 5]
    frames = [painted(frame, frame.pixels() + np.float32(0.3 * (frame.index > 8))) for frame in frames]
    kept = [frame for frame in frames if frame.index != 16]
    assert measured(kept) is None
    assert measured(frames).frame_by_frame < 1e-6
