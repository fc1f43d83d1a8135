"""Occlusion: a scene with a known answer, golden vectors, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import flow, quick, seeds, sizes

from rotoscope.kernels.occlusion import occlusion, occlusion_reference, occlusion_tests_reference
from rotoscope.kernels.warp import warp_reference


def run(device, flow_ab, flow_ba, falloff=0.5):
    confidence = device.put(np.full(flow_ab.shape[:2], -1, np.float32))
    mask = occlusion(device.put(flow_ab), device.put(flow_ba), falloff_per_px2=falloff, confidence=confidence)
    return device.get(mask), device.get(confidence)


def assert_mask(mask, flow_ab, flow_ba):
    """Compare exactly, except pixels whose test is so near its threshold that rounding decides."""
    excess, boundary = occlusion_tests_reference(flow_ab, flow_ba)
    expected, _ = occlusion_reference(flow_ab, flow_ba)
    with np.errstate(invalid="ignore"):
        scale = 1e-5 * (1 + np.nan_to_num((flow_ab.astype(float) ** 2).sum(-1), posinf=0))
        clear = ~((np.abs(excess) < np.maximum(1e-4, scale)) | (np.abs(boundary) < np.maximum(1e-4, scale)))
    np.testing.assert_array_equal(mask[clear].astype(bool), expected[clear])


def test_constant_motion_is_not_occluded(device):
    pan = np.full((10, 20, 2), 3, np.float32)
    mask, confidence = run(device, pan, -pan)
    assert not mask.any()
    np.testing.assert_array_equal(confidence, 1)


def test_moving_square_occludes_the_background_in_front_of_it(device):
    flow_ab, flow_ba = np.zeros((30, 40, 2), np.float32), np.zeros((30, 40, 2), np.float32)
    flow_ab[10:20, 10:20, 0] = 5
    flow_ba[10:20, 15:25, 0] = -5
    mask, confidence = run(device, flow_ab, flow_ba)
    assert mask[12:18, 20:25].all()  # background that the square will cover
    assert (confidence[12:18, 20:25] < 0.01).all()
    assert mask[12:18, 9].all()  # the edges of the square are motion boundaries
    assert not mask[12:18, 12:18].any()
    assert not mask[:8].any()


def test_golden_occlusion_and_warping_error(device, golden):
    vectors = golden("metric_occlusion_warperror")
    forward, backward = vectors["in/fw_flow"], vectors["in/bw_flow"]
    mask, _ = run(device, forward, backward)
    assert_mask(mask, forward, backward)
    reference, _ = occlusion_reference(forward, backward)
    np.testing.assert_array_equal(reference, vectors["out/occlusion"].astype(bool))
    warped, _ = warp_reference(np.ascontiguousarray(np.moveaxis(vectors["in/img2"], 2, 0)), forward)
    np.testing.assert_allclose(np.moveaxis(warped, 0, 2), vectors["out/warped_img2"], atol=1e-5)
    valid = ~reference
    error = ((np.moveaxis(warped, 0, 2) - vectors["in/img1"]).astype(float) ** 2)[valid].sum() / (3 * valid.sum())
    np.testing.assert_allclose(error, vectors["out/warp_error"][0], atol=1e-6)


def test_nan_is_occluded_without_confidence(device):
    flow_ab = np.zeros((5, 6, 2), np.float32)
    flow_ab[2, 3] = np.nan
    mask, confidence = run(device, flow_ab, np.zeros((5, 6, 2), np.float32))
    assert mask[2, 3] == 1
    assert confidence[2, 3] == 0


def test_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, dtype=st.sampled_from([np.float32, np.float16]), smooth=st.booleans())
    def check(size, seed, dtype, smooth):
        rng = np.random.default_rng(seed)
        if smooth:
            flow_ab = np.broadcast_to(rng.normal(0, 3, 2), (*size, 2)) + rng.normal(0, 0.05, (*size, 2))
            flow_ba = -flow_ab + rng.normal(0, 0.4, (*size, 2))
            flow_ab, flow_ba = flow_ab.astype(dtype), flow_ba.astype(dtype)
        else:
            flow_ab, flow_ba = flow(rng, size, dtype), flow(rng, size, dtype)
        with np.errstate(invalid="ignore", over="ignore"):
            mask, confidence = run(device, flow_ab, flow_ba)
            assert_mask(mask, flow_ab, flow_ba)
            expected = occlusion_reference(flow_ab, flow_ba)[1]
            np.testing.assert_allclose(confidence, expected, rtol=1e-4, atol=1e-5)

    check()


def test_refuses_wrong_arguments():
    still = np.zeros((4, 5, 2), np.float32)
    with pytest.raises(ValueError, match="flow_ba: float16"):
        occlusion(still, still.astype(np.float16))
    with pytest.raises(ValueError, match="falloff_per_px2=-1; accepted: 0 and more"):
        occlusion(still, still, falloff_per_px2=-1)
