"""Lattice share: patterns of a known period and strength, noise, a sign that changes, small and plain pictures."""

import numpy as np
import pytest

from rotoscope.metrics.lattice import lattice_share

SIDE = 362  # six tiles and the border


def noise(seed=0):
    return np.random.default_rng(seed).normal(0.5, 0.05, (SIDE, SIDE, 1)).repeat(3, axis=2)


def pattern(period):
    """One bright pixel in each cell, (H,W,1)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return ((y % period == 0) & (x % period == 0))[..., None].astype(float)


@pytest.mark.parametrize("period", range(2, 10))
def test_a_pattern_of_any_period_is_found_in_the_picture(period):
    assert lattice_share(noise()).picture < 0.002
    assert lattice_share(noise() + 0.2 * pattern(period)).picture > 0.05


def test_the_share_is_that_of_the_variance():
    """Fine detail of noise of variance v: v (1 + 4/16). Of stripes of +-a: a^2, for the neighbours in x cancel those in y."""
    stripes = np.where(np.arange(SIDE) % 2, 1.0, -1.0)[None, :, None]
    found = lattice_share(noise() + 0.02 * stripes)
    expected = 0.02**2 / (0.02**2 + 0.05**2 * 1.25)
    assert found.picture == pytest.approx(expected, rel=0.05)
    assert found.tiles == pytest.approx(expected, rel=0.05)


def test_a_pattern_whose_sign_changes_is_found_in_tiles():
    y, x = np.mgrid[:SIDE, :SIDE]
    sign = np.where((y // 60 + x // 60) % 2, 1.0, -1.0)[..., None]
    found = lattice_share(noise() + 0.2 * sign * pattern(4))
    assert found.picture < 0.005
    assert found.tiles > 0.05


def test_noise_and_periods_of_chance_have_no_share_in_tiles():
    assert abs(lattice_share(noise(1)).tiles) < 0.002


def test_contrast_and_dtype_do_not_matter():
    whole = lattice_share(noise() + 0.2 * pattern(4))
    half = lattice_share((noise() + 0.2 * pattern(4)) / 2)
    steps = lattice_share(np.clip(np.rint((noise() + 0.2 * pattern(4)) * 255), 0, 255).astype(np.uint8))
    assert half == pytest.approx(whole, rel=1e-4)
    assert steps == pytest.approx(whole, rel=0.01)


def test_a_small_and_a_plain_picture_have_no_share():
    assert np.isnan(lattice_share(noise()[:61])).all()
    assert np.isnan(lattice_share(np.full((80, 80, 3), 7, np.uint8))).all()
