"""Interpolate: known answers, golden masks, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import LAYOUTS, assert_close, flow, picture, quick, seeds, sizes

from rotoscope.kernels.interpolate import interpolate, interpolate_mask_reference, interpolate_reference


def run(device, pictures, flows, weight, masks=None, sampling="bilinear"):
    put = device.put
    known = device.put(np.full(weight.shape, 9, np.uint8))
    options = {} if masks is None else {"mask_a": put(masks[0]), "mask_b": put(masks[1]), "known": known}
    arguments = [put(array) for array in (*pictures, *flows, weight)]
    return device.get(interpolate(*arguments, sampling=sampling, **options)), device.get(known)


def test_weight_chooses_between_the_pictures(device):
    rng = np.random.default_rng(1)
    pictures = [picture(rng, "float32x4", (5, 6)) for _ in range(2)]
    still = np.zeros((5, 6, 2), np.float32)
    for share in (0, 1):
        result, _ = run(device, pictures, (still, still), np.full((5, 6), share, np.float32))
        np.testing.assert_array_equal(result, pictures[share])


def test_golden_masked_interpolation(device, golden):
    vectors = golden("op_masked_interpolation")
    mask_a, mask_b, weight = (vectors[f"in/{name}"][0, 0] for name in ("mask_a", "mask_b", "weight"))
    flows = [np.ascontiguousarray(np.moveaxis(vectors[f"in/flow_to_{name}"][0], 0, 2)) for name in "ab"]
    soft, hard = interpolate_mask_reference(mask_a, mask_b, *flows, weight)
    np.testing.assert_allclose(soft, vectors["out/soft"][0, 0], atol=1e-5)
    np.testing.assert_array_equal(hard, vectors["out/hard"][0, 0])
    pictures = [mask_a[None], mask_b[None]]
    masks = [mask_a.astype(np.uint8), mask_b.astype(np.uint8)]
    result, known = run(device, pictures, flows, weight, masks)
    np.testing.assert_allclose(result[0], vectors["out/soft"][0, 0], atol=1e-5)
    np.testing.assert_array_equal(known, vectors["out/hard"][0, 0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_agrees_with_the_reference(device, layout):
    @quick(device)
    @given(size=sizes, seed=seeds, masked=st.booleans(), sampling=st.sampled_from(["bilinear", "cubic"]))
    def check(size, seed, masked, sampling):
        rng = np.random.default_rng(seed)
        pictures = [picture(rng, layout, size) for _ in range(2)]
        flows = [flow(rng, size) for _ in range(2)]
        weight = rng.random(size, np.float32)
        masks = [(rng.random(size) > 0.2) for _ in range(2)] if masked else None
        result, known = run(device, pictures, flows, weight, masks, sampling)
        assert_close(result, interpolate_reference(*pictures, *flows, weight, sampling))
        if masks is None:
            assert (known == 9).all()
        else:
            soft, hard = interpolate_mask_reference(*masks, *flows, weight)
            clear = np.abs(soft - (1 - 1e-6)) > 5e-7  # rounding to float32 may cross the threshold
            np.testing.assert_array_equal(known[clear].astype(bool), hard[clear])

    check()


def test_refuses_one_mask_without_the_others():
    flat, still = np.zeros((4, 5, 4), np.float32), np.zeros((4, 5, 2), np.float32)
    weight, mask = np.zeros((4, 5), np.float32), np.ones((4, 5), np.uint8)
    with pytest.raises(ValueError, match="give all three or none"):
        interpolate(flat, flat, still, still, weight, mask_a=mask, mask_b=mask)
    with pytest.raises(ValueError, match="flow_to_b: float16"):
        interpolate(flat, flat, still, still.astype(np.float16), weight)
