"""PSNR and SSIM: known answers, values of scikit-image and of the published code."""

import numpy as np
import pytest
from golden_metric import golden_metric
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from rotoscope.metrics.fidelity import psnr, ssim


def random_pair(seed, height=20, width=28):
    random = np.random.default_rng(seed)
    a = random.random((height, width, 3), np.float32)
    return a, np.clip(a + random.normal(0, 0.1, a.shape), 0, 1).astype(np.float32)


def test_a_step_of_one_tenth_is_twenty_decibels():
    a = np.full((8, 8, 3), 0.3, np.float32)
    assert psnr(a, a + np.float32(0.1)) == pytest.approx(20, abs=1e-4)
    assert psnr(a, a) == float("inf")
    assert ssim(a, a) == pytest.approx(1)


def test_values_are_those_of_the_published_code():
    given_, wanted = golden_metric("metric_ssim_psnr")
    a, b = given_["a"], given_["b"]
    assert psnr(a, b) == pytest.approx(wanted["psnr"].item(), abs=1e-5)
    assert ssim(a, b, data_range=2) == pytest.approx(wanted["ssim_reference"].item(), abs=1e-5)
    assert ssim(a, b) == pytest.approx(wanted["ssim_range1"].item(), abs=1e-5)
    assert ssim(a, b, window="gaussian") == pytest.approx(wanted["ssim_gaussian"].item(), abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1.0, 2.0]))
def test_ssim_equals_scikit_image_and_both_measures_are_symmetric(seed, data_range):
    a, b = random_pair(seed)
    wanted = structural_similarity(a.astype(np.float64), b.astype(np.float64), channel_axis=2, data_range=data_range)
    assert ssim(a, b, data_range=data_range) == pytest.approx(wanted, abs=1e-6)
    assert ssim(b, a, data_range=data_range) == pytest.approx(ssim(a, b, data_range=data_range), abs=1e-12)
    assert psnr(a, b) == psnr(b, a)


def test_pictures_smaller_than_the_window_are_refused():
    a = np.zeros((6, 9, 3), np.uint8)
    with pytest.raises(ValueError, match="9x6; accepted: sides of at least 7"):
        ssim(a, a)
