"""Comparison at equal octave energies and equal distance, agreement of flows, and the energy of colours."""

import cv2
import numpy as np
import pytest

from rotoscope.metrics.colour_energy import colour_energy
from rotoscope.metrics.equal_octaves import equalising_gains, gain_at, relative_gain, with_octave_gains
from rotoscope.metrics.gradient_energy import gradient_energy
from rotoscope.metrics.warping_error import agreeing


def strokes(seed, size=(128, 160), count=60):
    """Thin strokes of any direction on grey, (H,W,3) float32 in [0,1]."""
    rng = np.random.default_rng(seed)
    picture = np.full((*size, 3), 0.5, np.float32)
    for _ in range(count):
        x, y, angle = rng.uniform(0, size[1]), rng.uniform(0, size[0]), rng.uniform(0, np.pi)
        dx, dy = 12 * np.cos(angle), 12 * np.sin(angle)
        colour = (float(rng.choice([0.1, 0.9])),) * 3
        cv2.line(picture, (int(x - dx), int(y - dy)), (int(x + dx), int(y + dy)), colour, 3, cv2.LINE_AA)
    return picture


def test_gains_of_one_change_nothing():
    picture = strokes(0)
    np.testing.assert_allclose(with_octave_gains(picture, np.ones(4)), picture, atol=1e-6)


def test_a_mean_over_time_gets_the_octave_energies_of_its_frames_back():
    frames = [strokes(seed) for seed in range(4)]
    mean = np.mean(frames, axis=0, dtype=np.float32)
    wanted = np.mean([gradient_energy(picture) for picture in frames], axis=0)
    gains = equalising_gains([mean], wanted)
    np.testing.assert_allclose(gradient_energy(with_octave_gains(mean, gains)) / wanted, 1, atol=0.05)
    assert gains.min() > 1.5


def test_fronts_are_compared_at_equal_distance():
    control = [(0.1, 2.0), (0.2, 4.0), (0.3, 8.0)]
    assert gain_at(0.15, control) == pytest.approx(2**1.5)
    assert np.isnan(gain_at(0.31, control))
    better = [(distance + 0.05, 1.5 * gain_at(distance + 0.05, control)) for distance in (0.1, 0.15, 0.2)]
    assert relative_gain(better, control) == pytest.approx(1.5)
    assert np.isnan(relative_gain([(0.5, 9.0), (0.6, 9.0)], control))


def test_flows_agree_within_half_a_pixel():
    flow = np.zeros((2, 3, 2), np.float32)
    other = flow.copy()
    other[0, 0] = 0.3, 0.3
    other[1, 2] = 0.4, 0.4
    assert agreeing(flow, other).tolist() == [[True, True, True], [True, True, False]]


def test_half_the_saturation_is_a_quarter_of_the_colour_energy():
    picture = strokes(0) * np.float32([1.0, 0.6, 0.3])
    dull = (picture + picture.mean(axis=2, keepdims=True)) / 2
    np.testing.assert_allclose(colour_energy(dull) / colour_energy(picture), 0.25, rtol=1e-3)
    assert colour_energy(strokes(0)).max() < 1e-12
