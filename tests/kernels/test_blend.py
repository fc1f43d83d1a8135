"""Blend: known answers, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import LAYOUTS, assert_close, flow, picture, quick, seeds, sizes

from rotoscope.kernels.blend import blend, blend_reference


def run(device, current, previous, field, strength, confidence=None, occluded=None, sampling="bilinear"):
    put = device.put
    masks = {
        "confidence": None if confidence is None else put(confidence),
        "occluded": None if occluded is None else put(occluded),
    }
    return device.get(blend(put(current), put(previous), put(field), strength=strength, sampling=sampling, **masks))


def test_zero_strength_occlusion_and_leaving_the_frame_give_the_new_picture(device):
    rng = np.random.default_rng(1)
    current, previous = picture(rng, "float32x4", (6, 7)), picture(rng, "float32x4", (6, 7))
    still, away = np.zeros((6, 7, 2), np.float32), np.full((6, 7, 2), -50, np.float32)
    np.testing.assert_array_equal(run(device, current, previous, still, 0.0), current)
    np.testing.assert_array_equal(run(device, current, previous, away, 1.0), current)
    hidden = np.ones((6, 7), np.uint8)
    np.testing.assert_array_equal(run(device, current, previous, still, 1.0, occluded=hidden), current)


def test_full_strength_gives_the_warped_previous_picture(device):
    rng = np.random.default_rng(2)
    current, previous = picture(rng, "uint8x3", (6, 7)), picture(rng, "uint8x3", (6, 7))
    np.testing.assert_array_equal(run(device, current, previous, np.zeros((6, 7, 2), np.float32), 1.0), previous)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_agrees_with_the_reference(device, layout):
    @quick(device)
    @given(size=sizes, seed=seeds, parts=st.integers(0, 3), sampling=st.sampled_from(["bilinear", "cubic"]))
    def check(size, seed, parts, sampling):
        rng = np.random.default_rng(seed)
        current, previous, field = picture(rng, layout, size), picture(rng, layout, size), flow(rng, size)
        confidence = rng.random(size, np.float32) if parts & 1 else None
        occluded = rng.random(size) > 0.6 if parts & 2 else None
        strength = float(rng.random())
        result = run(device, current, previous, field, strength, confidence, occluded, sampling)
        assert_close(result, blend_reference(current, previous, field, strength, confidence, occluded, sampling))

    check()


def test_out_may_be_the_new_picture(device):
    rng = np.random.default_rng(3)
    current, previous = picture(rng, "float32x4", (40, 50)), picture(rng, "float32x4", (40, 50))
    field = flow(rng, (40, 50), np.float16)
    target = device.put(current.copy())
    assert blend(target, device.put(previous), device.put(field), strength=0.5, out=target) is target
    assert_close(device.get(target), blend_reference(current, previous, field, 0.5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strength": 1.5}, "strength=1.5; accepted: 0 to 1"),
        ({"strength": float("nan")}, "accepted: 0 to 1"),
        ({"confidence": np.zeros((4, 5))}, "confidence: float64"),
        ({"occluded": np.zeros((4, 5), np.int32)}, "occluded: int32"),
        ({"previous": np.zeros((4, 6, 4), np.float32)}, "previous: "),
    ],
)
def test_refuses_wrong_arguments(change, message):
    flat, still = np.zeros((4, 5, 4), np.float32), np.zeros((4, 5, 2), np.float32)
    arguments = {"current": flat, "previous": flat, "flow": still, "strength": 0.5, **change}
    with pytest.raises(ValueError, match=message):
        blend(**arguments)
