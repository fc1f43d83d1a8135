"""Resize one channel: OpenCV, a decoder's pitch, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import quick, seeds, sizes

from rotoscope.kernels.resize_grey import resize_grey, resize_grey_reference

DTYPES = {"uint8": 255, "uint16": 65535, "float32": 1}


def random_plane(rng, dtype, size):
    top = DTYPES[dtype]
    return rng.random(size, np.float32) if top == 1 else rng.integers(0, top + 1, size, dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_half_size_luma_is_opencv_s(device, dtype):
    cv2 = pytest.importorskip("cv2")
    plane = random_plane(np.random.default_rng(1), dtype, (54, 96))
    result = device.get(resize_grey(device.put(plane), (27, 48), method="area"))
    expected = cv2.resize(plane, (48, 27), interpolation=cv2.INTER_AREA)
    assert result.dtype == plane.dtype
    assert np.abs(result.astype(int) - expected).max() <= 1
    assert (result == expected).mean() > 0.8  # ties may round the other way


def test_a_surface_with_a_pitch_is_read_as_it_is(device):
    surface = random_plane(np.random.default_rng(2), "uint8", (18, 64))
    part = device.put(surface)[1:17, 2:50]
    expected = device.get(resize_grey(device.put(np.ascontiguousarray(surface[1:17, 2:50])), (8, 24), method="area"))
    np.testing.assert_array_equal(device.get(resize_grey(part, (8, 24), method="area")), expected)


def test_ten_bits_become_levels_of_eight_bits(device):
    plane = np.full((6, 8), 401, np.uint16)
    levels, codes = device.put(np.zeros((3, 4), np.float32)), device.put(np.zeros((3, 4), np.uint8))
    resize_grey(device.put(plane), (3, 4), method="area", gain=0.25, out=levels)
    resize_grey(device.put(plane), (3, 4), method="area", gain=0.25, out=codes)
    assert (device.get(levels) == 100.25).all()
    assert (device.get(codes) == 100).all()


@pytest.mark.parametrize("method", ["bilinear", "area", "bicubic"])
def test_agrees_with_the_reference(device, method):
    @quick(device)
    @given(
        size=sizes, target=sizes, seed=seeds, dtype=st.sampled_from(sorted(DTYPES)), to=st.sampled_from(sorted(DTYPES))
    )
    def check(size, target, seed, dtype, to):
        plane = random_plane(np.random.default_rng(seed), dtype, size)
        gain = DTYPES[to] / DTYPES[dtype]
        out = device.put(np.zeros(target, to))
        assert resize_grey(device.put(plane), target, method=method, gain=gain, out=out) is out
        expected = np.clip(
            resize_grey_reference(plane, target, method, gain), *((-9, 9) if to == "float32" else (0, DTYPES[to]))
        )
        # A code may round to its neighbour; the gain makes a step of it.
        step = (0 if dtype == "float32" else gain) + (0 if to == "float32" else 1) + 2e-5 * DTYPES[to]
        np.testing.assert_allclose(device.get(out).astype(float), expected, rtol=0, atol=step)

    check()


def test_refuses_wrong_arguments():
    plane = np.zeros((4, 6), np.uint8)
    with pytest.raises(ValueError, match="accepted: bilinear, area, bicubic"):
        resize_grey(plane, (2, 2), method="lanczos")
    with pytest.raises(ValueError, match=r"accepted: \(H,W\) uint8"):
        resize_grey(np.zeros((4, 6, 3), np.uint8), (2, 2))
    with pytest.raises(ValueError, match="rows that are contiguous"):
        resize_grey(plane[:, ::2], (2, 2))
    with pytest.raises(ValueError, match="out: uint8"):
        resize_grey(plane, (2, 2), out=np.zeros((2, 3), np.uint8))
