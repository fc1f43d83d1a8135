"""Still places, trust and sums: known answers, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import flow, quick, seeds, sizes

from rotoscope.kernels.still_flows import still_flows, still_flows_reference, still_scratch
from rotoscope.kernels.sums import sums, sums_reference, sums_scratch
from rotoscope.kernels.trust import ALIKE_LEVELS, trust, trust_reference

dtypes = st.sampled_from(["uint8", "float32"])


def textured(size, shift=(0.0, 0.0)):
    """A smooth luma pattern, 0 to 255, moved by `shift` (dx, dy) pixels."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    x, y = x - shift[0], y - shift[1]
    return (128 + 60 * np.sin(x / 3) * np.cos(y / 4) + 50 * np.sin((x + y) / 7)).astype(np.float32)


def stopped(device, a, b, there, back):
    results = still_flows(*map(device.put, (a, b, there, back)))
    return [device.get(result) for result in results]


def judged(device, a, b, there, back):
    return [device.get(result) for result in trust(*map(device.put, (a, b, there, back)))]


def test_flows_on_a_still_wall_are_stopped_and_true_motion_is_not(device):
    rng = np.random.default_rng(1)
    wall = textured((40, 60))
    noise = rng.normal(0, 1, (40, 60, 2)).astype(np.float32)
    there, back = stopped(device, wall, wall, noise, rng.normal(0, 1, (40, 60, 2)).astype(np.float32))
    assert not there.any() and not back.any()
    motion = np.full((40, 60, 2), (2.0, 1.0), np.float32)
    there, back = stopped(device, textured((40, 60), (-2, -1)), wall, motion, -motion)
    assert (there[8:-8, 8:-8] == 2).sum() >= there[8:-8, 8:-8].size // 2 * 0.99
    np.testing.assert_array_equal(there, -back)


def test_true_motion_is_trusted_inside_and_not_beyond_the_edge(device):
    motion = np.full((40, 60, 2), (3.0, 0.0), np.float32)
    sure, difference = judged(device, textured((40, 60), (-3, 0)), textured((40, 60)), motion, -motion)
    assert sure[12:-12, 12:-12].min() > 0.99
    assert not sure[:, -3:].any()
    assert difference[:, :-3].max() < 1e-3


def test_disagreeing_flows_are_trusted_as_far_as_the_pictures_are_alike(device):
    picture = textured((20, 30))
    there, back = np.zeros((20, 30, 2), np.float32), np.full((20, 30, 2), 4, np.float32)
    for levels, expected in ((0, 1), (ALIKE_LEVELS, np.exp(-1)), (3 * ALIKE_LEVELS, np.exp(-9))):
        sure, _ = judged(device, picture + np.float32(levels), picture, there, back)
        np.testing.assert_allclose(sure, expected, rtol=1e-3)
    sure, _ = judged(device, picture, picture, back, there)
    assert not sure[:, -4:].any() and not sure[-4:].any(), "outside of the picture nothing is trusted"


def test_disagreeing_flows_between_different_pictures_and_nan_are_not_trusted(device):
    picture = textured((20, 30))
    there = np.zeros((20, 30, 2), np.float32)
    back = np.full((20, 30, 2), 4, np.float32)
    there[5, 6] = np.nan
    there[7, 8] = np.inf
    sure, _ = judged(device, picture, picture + np.float32(20), there, back)
    assert sure.max() < 1e-6
    sure, _ = judged(device, picture, picture, there, np.zeros_like(back))
    assert sure[5, 6] == 0 and sure[7, 8] == 0
    assert (sure == 1).mean() > 0.5
    there, _ = stopped(device, picture, picture, there, back)
    assert not there.any(), "a still place stops NaN too"


def scene(seed, size, dtype, wild=True):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 255, (2, *size)).astype(np.float32)
    b = a + np.where(rng.random(size) < 0.5, 0, b - a) * rng.random()
    there, back = flow(rng, size, wild=wild), flow(rng, size, wild=wild)
    still_already = rng.random(size) < 0.5
    there[still_already], back[still_already] = 0, 0
    return a.astype(dtype), b.astype(dtype), there, back


def test_still_flows_agree_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, dtype=dtypes)
    def check(size, seed, dtype):
        a, b, there, back = scene(seed, size, dtype)
        expected_there, expected_back, margin = still_flows_reference(a, b, there, back)
        near = np.pad(margin < 1e-4, 12)
        doubtful = np.lib.stride_tricks.sliding_window_view(near, (25, 25)).any((2, 3))[..., None]
        results = stopped(device, a, b, there, back)
        for result, expected in zip(results, (expected_there, expected_back), strict=True):
            np.testing.assert_allclose(
                np.where(doubtful, 0, result), np.where(doubtful, 0, expected), rtol=1e-4, atol=1e-4
            )

    check()


def test_trust_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, dtype=dtypes)
    def check(size, seed, dtype):
        given_ = scene(seed, size, dtype)
        for result, expected in zip(judged(device, *given_), trust_reference(*given_), strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-4, atol=2e-4)

    check()


def test_arrays_of_the_caller_are_used(device):
    a, b, there, back = map(device.put, scene(3, (20, 30), "uint8", wild=False))
    expected = [device.get(result) for result in still_flows(a, b, there, back)]
    scratch = still_scratch((20, 30), a)
    results = still_flows(a, b, there, back, out_ab=there, out_ba=back, scratch=scratch)
    assert results[0] is there and results[1] is back
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(device.get(result), wanted)
    out, difference = device.put(np.zeros((20, 30), np.float32)), device.put(np.zeros((20, 30), np.float32))
    buffers = device.put(np.zeros((20, 30), np.float32)), device.put(np.zeros((20, 30), np.float32))
    made = trust(a, b, there, back, out=out, difference=difference, scratch=buffers)
    assert made[0] is out and made[1] is difference


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (130, 210)])
@pytest.mark.parametrize("count", [1, 3])
def test_sums(device, size, count):
    planes = np.random.default_rng(4).uniform(0, 255, (count, *size)).astype(np.float32)
    given_ = [device.put(plane) for plane in planes]
    out, scratch = device.put(np.zeros(count, np.float32)), sums_scratch(count, given_[0])
    assert sums(given_, out=out, scratch=scratch) is out
    np.testing.assert_allclose(device.get(out), sums_reference(list(planes)), rtol=1e-6)


def test_refuses_wrong_arguments():
    a, field = np.zeros((4, 6), np.float32), np.zeros((4, 6, 2), np.float32)
    with pytest.raises(ValueError, match="b: uint8"):
        trust(a, a.astype(np.uint8), field, field)
    with pytest.raises(ValueError, match="flow_ba: float32"):
        still_flows(a, a, field, field[:3])
    with pytest.raises(ValueError, match="flow_ab: float16"):
        still_flows(a, a, field.astype(np.float16), field)
    with pytest.raises(ValueError, match="accepted: 1 to 14"):
        sums([])
