"""Patch consistency: a patch that moved is found again, as the published code finds it."""

import numpy as np
import pytest
from golden_metric import golden_metric

from rotoscope.metrics.patch_consistency import PatchSearch, mean_psnr

MIDDLE = 1  # a seed whose first patch of a 48x48 picture lies in its middle


def best_by_loops(current, following, patch, reach, seed=1234):
    """The published search as plain loops."""
    height, width = current.shape[:2]
    random = np.random.default_rng(seed)
    top, left = random.integers(height - patch), random.integers(width - patch)
    found = []
    for y in range(max(top - reach, 0), min(top + reach, height - patch + 1)):
        for x in range(max(left - reach, 0), min(left + reach, width - patch + 1)):
            difference = current[top : top + patch, left : left + patch] - following[y : y + patch, x : x + patch]
            found.append(-10 * np.log10(np.mean(difference**2)))
    return max(found)


def test_values_are_those_of_the_published_code():
    given, wanted = golden_metric("metric_patch_consistency")
    frames = given["frames"]
    by_psnr, by_ssim = (PatchSearch(patch_px=12, reach_px=5) for _ in range(2))
    psnrs = [by_psnr.best_psnr(frames[t], frames[t + 1]) for t in range(3)]
    ssims = [by_ssim.best_ssim(frames[t], frames[t + 1]) for t in range(3)]
    np.testing.assert_allclose(psnrs, wanted["best_psnr"], atol=1e-4)
    np.testing.assert_allclose(ssims, wanted["best_ssim"], atol=1e-4)
    assert mean_psnr(psnrs) == pytest.approx(wanted["psnr"].item(), abs=1e-4)
    assert np.mean(ssims) == pytest.approx(wanted["ssim"].item(), abs=1e-4)


def test_the_default_patch_and_reach_are_the_published_ones():
    random = np.random.default_rng(3)
    current, following = random.random((2, 64, 80, 3))
    assert PatchSearch().best_psnr(current, following) == pytest.approx(
        best_by_loops(current, following, 50, 20), abs=1e-4
    )


@pytest.mark.parametrize(("shift", "is_within"), [((-5, 4), True), ((4, -5), True), ((0, -6), False)])
def test_a_patch_is_found_where_it_moved_within_reach(shift, is_within):
    current = np.random.default_rng(4).integers(0, 256, (48, 48, 3), np.uint8)
    following = np.roll(current, shift, axis=(0, 1))
    assert (PatchSearch(12, 5, seed=MIDDLE).best_psnr(current, following) == float("inf")) == is_within
    assert (PatchSearch(12, 5, seed=MIDDLE).best_ssim(current, following) > 0.999) == is_within


def test_equal_patches_count_as_the_best_finite_value():
    assert mean_psnr([20.0, float("inf"), 30.0]) == pytest.approx(80 / 3)
    assert mean_psnr([float("inf")] * 2) == float("inf")


def test_pictures_not_larger_than_the_patch_are_refused():
    picture = np.zeros((60, 50, 3), np.uint8)
    with pytest.raises(ValueError, match="50x60; accepted: sides above the patch's 50 pixels"):
        PatchSearch().best_psnr(picture, picture)
