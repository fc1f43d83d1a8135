"""Flicker sums: what the runtime measures today, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from kernel_devices import flow, quick, seeds, sizes

from rotoscope.kernels.flicker_sums import TRUSTED, flicker_sums, flicker_sums_reference


def pair(rng, size, wild=True):
    picture, past = np.zeros((2, *size, 4), np.float32)
    picture[..., :3], past[..., :3] = rng.random((2, *size, 3))
    return picture, past, flow(rng, size, wild=wild), rng.random(size, np.float32)


def test_the_sums_are_those_of_the_runtime(device):
    cv2 = pytest.importorskip("cv2")
    from rotoscope.kernels.warp import warp
    from rotoscope.runtime.steady import flicker

    assert flicker.TRUSTED == TRUSTED
    picture, past, field, sure = pair(np.random.default_rng(1), (37, 53), wild=False)
    trusted = (sure > TRUSTED).view(np.uint8)
    change = cv2.norm(warp(past, field), picture, cv2.NORM_L2SQR, trusted)
    energy = cv2.norm(picture[1:], picture[:-1], cv2.NORM_L2SQR)
    energy += cv2.norm(picture[:, 1:], picture[:, :-1], cv2.NORM_L2SQR)
    result = device.get(flicker_sums(*map(device.put, (picture, past, field, sure))))
    np.testing.assert_allclose(result, [change, energy, cv2.countNonZero(trusted)], rtol=1e-5)


def test_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds)
    def check(size, seed):
        given_ = pair(np.random.default_rng(seed), size)
        result = device.get(flicker_sums(*map(device.put, given_)))
        np.testing.assert_allclose(result, flicker_sums_reference(*given_), rtol=1e-5, atol=1e-6)

    check()


def test_refuses_wrong_arguments():
    picture, past, field, sure = pair(np.random.default_rng(2), (4, 6), wild=False)
    with pytest.raises(ValueError, match="past: float32"):
        flicker_sums(picture, past[:3], field, sure)
    with pytest.raises(ValueError, match="flow: float16"):
        flicker_sums(picture, past, field.astype(np.float16), sure)
