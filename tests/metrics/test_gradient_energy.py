"""Gradient energy: gratings of one frequency, blur, contrast, drift."""

import cv2
import numpy as np
import pytest

from rotoscope.metrics.gradient_energy import OCTAVES, gradient_energy, relative_energy, sharpness_drift


def grating(period_px, size=128):
    wave = 0.5 + 0.25 * np.sin(2 * np.pi * np.arange(size) / period_px)
    return np.broadcast_to(wave[None, :, None], (size, size, 3)).astype(np.float32)


@pytest.mark.parametrize(("period_px", "octave"), [(3, 0), (7, 1), (14, 2), (28, 3)])
def test_a_grating_has_its_energy_in_the_octave_of_its_frequency(period_px, octave):
    energy = gradient_energy(grating(period_px))
    assert energy.argmax() == octave
    assert energy[octave] > 0.5 * energy.sum()


def test_a_plain_picture_has_no_gradient_and_equals_its_reference():
    plain = gradient_energy(np.full((32, 32, 3), 90, np.uint8))
    np.testing.assert_allclose(plain, np.zeros(OCTAVES), atol=1e-12)
    np.testing.assert_array_equal(relative_energy([np.zeros(4)], [np.zeros(4)]), np.ones(4))
    assert np.isinf(relative_energy([np.ones(4)], [np.zeros(4)])).all()


def test_energy_grows_with_the_square_of_contrast():
    noise = np.random.default_rng(0).random((64, 64, 3), np.float32)
    np.testing.assert_allclose(
        relative_energy([gradient_energy(noise / 2)] * 3, [gradient_energy(noise)] * 3), np.full(4, 0.25), rtol=1e-4
    )


def test_blur_loses_most_in_the_finest_octave():
    noise = np.random.default_rng(1).random((96, 96, 3), np.float32)
    relative = relative_energy([gradient_energy(cv2.GaussianBlur(noise, (0, 0), 1))], [gradient_energy(noise)])
    assert relative[0] < 0.2
    assert (np.diff(relative) > 0).all()


def test_a_picture_too_small_for_four_octaves_is_refused():
    with pytest.raises(ValueError, match="20x15; accepted: sides of at least 16"):
        gradient_energy(np.zeros((15, 20, 3), np.uint8))


def test_drift_is_the_change_of_slow_blur_and_zero_for_noise():
    assert sharpness_drift(np.linspace(1, 0.8, 300)) == pytest.approx(-0.15 / 0.975, rel=0.01)
    assert sharpness_drift(np.tile([0.9, 1.1], 150)) == pytest.approx(0, abs=0.01)
    assert sharpness_drift([0.7]) == 0
