"""Warping error and temporal loss: known answers, published values, invariances."""

import numpy as np
import pytest
from golden_metric import golden_metric
from hypothesis import given, settings
from hypothesis import strategies as st

from rotoscope.kernels.occlusion import occlusion_tests_reference
from rotoscope.metrics.warping_error import (
    PRINTED,
    around_hole,
    constancy,
    temporal_loss,
    visible,
    warping_difference,
    warping_error,
)


def random_picture(seed, height=24, width=32):
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


def constant_flow(dx, dy, height=24, width=32):
    return np.broadcast_to(np.array([dx, dy], np.float32), (height, width, 2)).copy()


EVERYWHERE = np.ones((24, 32), bool)


def test_a_video_that_moves_with_its_source_has_no_warping_error():
    a = random_picture(0)
    b = np.roll(a, (3, -2), axis=(0, 1))
    inside = np.zeros((24, 32), bool)
    inside[:-3, 2:] = True  # without the rows and columns that np.roll wrapped around
    assert warping_error(a, b, constant_flow(-2, 3), inside) == 0
    assert warping_error(a, b, constant_flow(-2, 3), EVERYWHERE) > 0.01


def test_a_change_of_brightness_is_its_square():
    a = np.full((24, 32, 3), 0.25, np.float32)
    assert warping_error(a, a + 0.5, constant_flow(1.3, -0.7), EVERYWHERE) == pytest.approx(0.25)
    assert warping_difference(a, a + 0.5, constant_flow(0, 0)) == pytest.approx(np.full((24, 32), 0.25))
    assert temporal_loss(a, a + 0.5, constant_flow(0, 0), EVERYWHERE) == pytest.approx(0.5)


def test_without_a_valid_pixel_there_is_no_value():
    a = random_picture(1)
    assert np.isnan(warping_error(a, a, constant_flow(0, 0), ~EVERYWHERE))


def test_uint8_pictures_give_the_same_as_float_pictures_over_255():
    a, b = ((random_picture(seed) * 255).astype(np.uint8) for seed in (2, 3))
    flow = constant_flow(0.4, 1.2)
    assert warping_error(a, b, flow, EVERYWHERE) == warping_error(
        a.astype(np.float32) / np.float32(255), b.astype(np.float32) / np.float32(255), flow, EVERYWHERE
    )


def test_pictures_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        warping_error(random_picture(0), random_picture(0, 24, 30), constant_flow(0, 0), EVERYWHERE)
    with pytest.raises(ValueError, match=r"accepted: \(H,W,3\)"):
        warping_error(random_picture(0)[..., :2], random_picture(0)[..., :2], constant_flow(0, 0), EVERYWHERE)


def test_warping_error_and_mask_are_those_of_the_published_code():
    given_, wanted = golden_metric("metric_occlusion_warperror")
    flows = given_["fw_flow"], given_["bw_flow"]
    near_threshold = np.minimum(*map(np.abs, occlusion_tests_reference(*flows))) < 1e-4
    mask = visible(*flows)
    assert near_threshold.mean() < 0.01
    np.testing.assert_array_equal(mask[~near_threshold], (wanted["occlusion"] == 0)[~near_threshold])
    error = warping_error(given_["img1"], given_["img2"], flows[0], wanted["occlusion"] == 0)
    assert error == pytest.approx(wanted["warp_error"].item(), abs=1e-6)
    assert error == pytest.approx(wanted["warp_error_nanmean"].item(), abs=1e-6)
    assert error * PRINTED == pytest.approx(wanted["warp_error_paper"].item(), abs=1e-6)


@pytest.mark.parametrize(("ending", "as_printed"), [("", False), ("_paper", True)])
def test_temporal_loss_is_that_of_the_published_training_code(ending, as_printed):
    given_, wanted = golden_metric("loss_vcons_temporal")
    pictures = {name: array[0].transpose(1, 2, 0) for name, array in given_.items()}
    flow = np.ascontiguousarray(pictures["flow_cur_to_prev"])
    weight = constancy(pictures["I_cur"], pictures["I_prev"], flow, as_printed=as_printed)
    np.testing.assert_allclose(weight, wanted[f"mask{ending}"][0, 0], atol=1e-4)
    loss = temporal_loss(pictures["O_cur"], pictures["O_prev"], flow, weight)
    assert 100 * loss == pytest.approx(wanted[f"loss{ending}"].item(), abs=1e-4)


def test_inpainting_is_scored_where_the_flow_starts_or_ends_in_the_hole():
    before, after = np.zeros((2, 24, 32), bool)
    before[5:8, 5:8], after[5:8, 15:18] = True, True
    wanted = before.copy()
    wanted[5:8, 12:15] = True  # these land in the second hole
    np.testing.assert_array_equal(around_hole(before, after, constant_flow(3, 0)), wanted)
    assert around_hole(~after, after, constant_flow(0.5, 0))[6, 14]  # half of what is read lies in the hole


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 0.95), st.floats(-3, 3))
def test_mixing_both_frames_towards_each_other_lowers_the_error_by_the_square(seed, share, dx):
    """Any blur over time lowers E_warp: it means something only beside sharpness."""
    a, b = random_picture(seed), random_picture(seed + 1)
    still = constant_flow(0, 0)
    middle = (a + b) / 2
    mixed = [middle + (picture - middle) * share for picture in (a, b)]
    assert warping_error(*mixed, still, EVERYWHERE) == pytest.approx(
        share**2 * warping_error(a, b, still, EVERYWHERE), rel=1e-3
    )
    flow = constant_flow(dx, 0.25)
    swapped = a[..., ::-1], b[..., ::-1]
    assert warping_error(*swapped, flow, EVERYWHERE) == pytest.approx(warping_error(a, b, flow, EVERYWHERE), rel=1e-5)
