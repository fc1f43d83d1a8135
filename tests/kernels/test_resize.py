"""Resize: OpenCV and known answers, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from kernel_devices import LAYOUTS, assert_close, picture, quick, seeds, sizes

from rotoscope.kernels.resize import axis_taps, resize, resize_matrix, resize_reference

METHODS = ("bilinear", "area", "bicubic", "nearest")


def run(device, image, size, method):
    return device.get(resize(device.put(image), size, method=method))


@pytest.mark.parametrize("method", METHODS)
def test_same_size_and_constant_pictures_stay(device, method):
    image = picture(np.random.default_rng(1), "uint8x3", (9, 12))
    np.testing.assert_array_equal(run(device, image, (9, 12), method), image)
    flat = np.full((9, 12, 4), 0.25, np.float32)
    np.testing.assert_allclose(run(device, flat, (31, 5), method), 0.25, rtol=1e-5)


def test_area_by_whole_factors_is_the_mean_of_blocks(device):
    image = picture(np.random.default_rng(2), "float32x4", (12, 20))
    expected = image.reshape(4, 3, 4, 5, 4).mean((1, 3))
    np.testing.assert_allclose(run(device, image, (4, 4), "area"), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "size"),
    [("bilinear", (31, 50)), ("bilinear", (90, 130)), ("bilinear", (20, 90)), ("bicubic", (31, 50)), ("bicubic", (90, 130)),
     ("area", (31, 50)), ("area", (13, 70)), ("area", (90, 130)), ("area", (1, 1)), ("bicubic", (1, 3))],
)  # fmt: skip
def test_agrees_with_opencv(device, method, size):
    cv2 = pytest.importorskip("cv2")
    code = {"bilinear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "bicubic": cv2.INTER_CUBIC}[method]
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:57, :83]
    smooth = 127 + 100 * np.sin(x / 9) * np.cos(y / 7)
    image = np.clip(smooth[..., None] + rng.normal(0, 20, (57, 83, 3)), 0, 255).astype(np.uint8)
    expected = cv2.resize(image, size[::-1], interpolation=code)
    assert np.abs(run(device, image, size, method).astype(int) - expected).max() <= 1
    pixels = rng.random((57, 83, 4), np.float32)
    expected = cv2.resize(pixels, size[::-1], interpolation=code)
    np.testing.assert_allclose(run(device, pixels, size, method), expected, atol=1 / 255)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_agrees_with_the_reference(device, layout, method):
    @quick(device)
    @given(size=sizes, target=sizes, seed=seeds)
    def check(size, target, seed):
        if layout == "planar" and size[1] == 4:
            return  # read as interleaved, as documented
        image = picture(np.random.default_rng(seed), layout, size)
        assert_close(run(device, image, target, method), resize_reference(image, target, method))

    check()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("size_in", "size_out"), [(1, 1), (1, 7), (7, 1), (2, 5), (10, 3), (3, 10), (64, 63), (5, 20)])
def test_taps_are_the_rows_of_the_matrix(method, size_in, size_out):
    first, weights = axis_taps(size_in, size_out, method)
    matrix = np.zeros((size_out, size_in))
    for output in range(size_out):
        for tap, weight in enumerate(weights[output]):
            matrix[output, first[output] + tap] += weight
    np.testing.assert_allclose(matrix, resize_matrix(size_in, size_out, method), atol=1e-6)


def test_refuses_wrong_arguments():
    image = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match="accepted: bilinear, area, bicubic"):
        resize(image, (2, 2), method="lanczos")
    with pytest.raises(ValueError, match=r"size=\(0, 2\)"):
        resize(image, (0, 2))
    with pytest.raises(ValueError, match="not contiguous"):
        resize(np.zeros((4, 10, 3), np.uint8)[:, ::2], (2, 2))
    with pytest.raises(ValueError, match="out: uint8"):
        resize(image, (2, 2), out=np.zeros((2, 3, 3), np.uint8))
