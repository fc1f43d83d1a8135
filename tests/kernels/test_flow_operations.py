"""Compose, resize and invert flows: known answers, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import flow, quick, seeds, sizes

from rotoscope.kernels.compose_flow import compose_flow, compose_flow_reference
from rotoscope.kernels.invert_flow import HOLE_WEIGHT, invert_flow, invert_flow_reference
from rotoscope.kernels.resize_flow import resize_flow, resize_flow_reference

dtypes = st.sampled_from([np.float32, np.float16])


def invert(device, field):
    holes = device.put(np.full(field.shape[:2], 9, np.uint8))
    return device.get(invert_flow(device.put(field), holes=holes)), device.get(holes)


def test_composed_pans_add_up(device):
    a, b = np.full((6, 8, 2), (1.5, -2), np.float32), np.full((6, 8, 2), (0.25, 3), np.float32)
    result = device.get(compose_flow(device.put(a), device.put(b)))
    np.testing.assert_array_equal(result, np.broadcast_to(np.float32([1.75, 1]), (6, 8, 2)))


def test_a_smooth_flow_composed_with_its_inverse_is_zero(device):
    y, x = np.mgrid[:40, :50]
    field = np.stack([2 * np.sin(y / 12), 1.5 * np.cos(x / 15)], 2).astype(np.float32)
    inverse, holes = invert(device, field)
    round_trip = device.get(compose_flow(device.put(field), device.put(inverse)))
    assert not holes[4:-4, 4:-4].any()
    assert np.abs(round_trip[5:-5, 5:-5]).max() < 0.1


def test_inverse_of_an_integer_shift_has_holes_in_the_uncovered_columns(device):
    field = np.full((5, 7, 2), (2, 1), np.float32)
    inverse, holes = invert(device, field)
    expected = np.ones((5, 7), bool)
    expected[1:, 2:] = False
    np.testing.assert_array_equal(holes.astype(bool), expected)
    np.testing.assert_array_equal(inverse[1:, 2:], np.broadcast_to(np.float32([-2, -1]), (4, 5, 2)))
    assert not inverse[expected].any()


def test_resized_flow_is_in_pixels_of_the_new_size(device):
    field = np.full((10, 20, 2), (4, -3), np.float32)
    result = device.get(resize_flow(device.put(field), (5, 80)))
    np.testing.assert_allclose(result, np.broadcast_to(np.float32([16, -1.5]), (5, 80, 2)))


def test_a_part_of_a_flow_is_resized_without_a_copy(device):
    field = np.random.default_rng(5).normal(0, 5, (13, 17, 2)).astype(np.float32)
    part = device.put(field)[3:11, 2:13]
    expected = device.get(resize_flow(device.put(np.ascontiguousarray(field[3:11, 2:13])), (20, 9)))
    np.testing.assert_array_equal(device.get(resize_flow(part, (20, 9))), expected)
    with pytest.raises(ValueError, match=r"flow: float64 \(13, 17, 2\); accepted"):
        resize_flow(field.astype(float), (4, 4))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("size", [(8, 11), (20, 9), (1, 1)])
def test_a_network_s_flow_is_read_component_by_component(device, dtype, size):
    components = np.random.default_rng(6).normal(0, 5, (2, 10, 14)).astype(dtype)
    field = np.ascontiguousarray(np.moveaxis(components[:, :8, :11], 0, 2))
    expected = device.get(resize_flow(device.put(field), size))
    as_given = np.moveaxis(device.put(components)[:, :8, :11], 0, 2)
    np.testing.assert_allclose(device.get(resize_flow(as_given, size)), expected, rtol=1e-6, atol=1e-6)
    if size == (8, 11):
        np.testing.assert_array_equal(expected, field.astype(np.float32))


def test_resized_flow_is_opencv_s_bilinear(device):
    cv2 = pytest.importorskip("cv2")
    field = np.random.default_rng(1).normal(0, 5, (13, 17, 2)).astype(np.float32)
    expected = cv2.resize(field, (40, 29), interpolation=cv2.INTER_LINEAR) * np.float32([40 / 17, 29 / 13])
    np.testing.assert_allclose(device.get(resize_flow(device.put(field), (29, 40))), expected, atol=1e-4)


def test_compose_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, dtype=dtypes)
    def check(size, seed, dtype):
        rng = np.random.default_rng(seed)
        a, b = flow(rng, size, dtype), flow(rng, size, dtype, wild=False)
        result = device.get(compose_flow(device.put(a), device.put(b)))
        np.testing.assert_allclose(result, compose_flow_reference(a, b), rtol=1e-5, atol=1e-5)

    check()


def test_resize_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, target=sizes, seed=seeds, dtype=dtypes)
    def check(size, target, seed, dtype):
        field = flow(np.random.default_rng(seed), size, dtype, wild=False)
        result = device.get(resize_flow(device.put(field), target))
        np.testing.assert_allclose(result, resize_flow_reference(field, target), rtol=1e-4, atol=1e-4)

    check()


def test_invert_agrees_with_the_reference(device):
    @quick(device)
    @given(size=sizes, seed=seeds, dtype=dtypes)
    def check(size, seed, dtype):
        field = flow(np.random.default_rng(seed), size, dtype)
        result, holes = invert(device, field)
        expected, expected_holes = invert_flow_reference(field)
        assert ((holes == 1) == expected_holes).mean() > 0.99  # rounding may move a weight across the threshold
        both = (holes == 0) & ~expected_holes
        np.testing.assert_allclose(result[both], expected[both], rtol=1e-3, atol=1e-3)
        assert not result[holes == 1].any()

    check()
    assert HOLE_WEIGHT > 0


def test_refuse_wrong_arguments():
    field = np.zeros((4, 5, 2), np.float32)
    with pytest.raises(ValueError, match=r"size=\(0, 3\); accepted: at least \(1, 1\)"):
        resize_flow(field, (0, 3))
    with pytest.raises(ValueError, match="flow_bc: float32"):
        compose_flow(field, np.zeros((4, 6, 2), np.float32))
    with pytest.raises(ValueError, match="holes: bool"):
        invert_flow(field, holes=np.zeros((5, 4), bool))
