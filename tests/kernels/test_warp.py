"""Warp: known answers, golden vectors, torch, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import LAYOUTS, assert_close, flow, picture, quick, seeds, sizes

from rotoscope.kernels.blend import blend, blend_reference
from rotoscope.kernels.warp import warp, warp_reference


def run(device, image, field, sampling="bilinear"):
    inside = device.put(np.full(field.shape[:2], 7, np.uint8))
    result = warp(device.put(image), device.put(field), sampling=sampling, inside=inside)
    return device.get(result), device.get(inside)


@pytest.mark.parametrize("sampling", ["bilinear", "cubic"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_identity_flow_changes_nothing(device, layout, sampling):
    image = picture(np.random.default_rng(1), layout, (13, 37))
    result, inside = run(device, image, np.zeros((13, 37, 2), np.float32), sampling)
    np.testing.assert_array_equal(result, image)
    assert inside.all()


@pytest.mark.parametrize("sampling", ["bilinear", "cubic"])
def test_integer_shift_moves_pixels_and_clamps_to_the_border(device, sampling):
    image = picture(np.random.default_rng(2), "float32x4", (9, 11))
    field = np.zeros((9, 11, 2), np.float32)
    field[...] = (2, -1)  # two columns to the right, one row up
    result, inside = run(device, image, field, sampling)
    np.testing.assert_array_equal(result[1:, :-2], image[:-1, 2:])
    np.testing.assert_array_equal(result[0, :-2], image[0, 2:])
    np.testing.assert_array_equal(result[1:, -1], image[:-1, -1])
    expected = np.zeros((9, 11), bool)
    expected[1:, :-2] = True
    np.testing.assert_array_equal(inside.astype(bool), expected)


@pytest.mark.parametrize("sampling", ["bilinear", "cubic"])
def test_constant_picture_stays_constant(device, sampling):
    field = flow(np.random.default_rng(3), (20, 30))
    result, _ = run(device, np.full((20, 30, 4), 0.25, np.float32), field, sampling)
    np.testing.assert_allclose(result, 0.25, rtol=1e-6)


def test_linear_ramp_is_sampled_exactly(device):
    y, x = np.mgrid[:16, :24].astype(np.float32)
    image = np.stack([x, y, x + y, x - y], 2)
    field = np.random.default_rng(4).uniform(-3, 3, (16, 24, 2)).astype(np.float32)
    result, _ = run(device, image, field)
    to_x, to_y = np.clip(x + field[..., 0], 0, 23), np.clip(y + field[..., 1], 0, 15)
    np.testing.assert_allclose(result, np.stack([to_x, to_y, to_x + to_y, to_x - to_y], 2), atol=1e-5)


def test_cubic_never_leaves_the_range_of_its_nearest_pixels(device):
    rng = np.random.default_rng(5)
    image = (rng.random((30, 40, 4)) > 0.5).astype(np.float32)
    result, _ = run(device, image, rng.uniform(-2, 2, (30, 40, 2)).astype(np.float32), "cubic")
    assert result.min() >= 0
    assert result.max() <= 1


def test_cubic_keeps_more_detail_than_bilinear_over_many_warps(device):
    _, x = np.mgrid[:24, :64].astype(np.float32)
    image = np.repeat((0.5 + 0.5 * np.sin(x))[..., None], 4, 2)
    swings = {}
    for sampling in ("bilinear", "cubic"):
        result = image
        for step in range(6):
            field = np.zeros((24, 64, 2), np.float32)
            field[..., 0] = 0.5 if step % 2 else -0.5
            result, _ = run(device, result, field, sampling)
        swings[sampling] = np.ptp(result[:, 16:48])
    assert swings["cubic"] > 1.5 * swings["bilinear"]


def test_golden_resample2d(device, golden):
    vectors = golden("op_resample2d")
    for image, field, expected in zip(vectors["in/image"], vectors["in/flow"], vectors["out/y"], strict=True):
        result, _ = run(device, image, np.ascontiguousarray(np.moveaxis(field, 0, 2)))
        np.testing.assert_allclose(result, expected, atol=1e-4)


def test_reference_agrees_with_torch_grid_sample():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    image, field = rng.random((3, 21, 33), np.float32), rng.normal(0, 6, (21, 33, 2)).astype(np.float32)
    y, x = np.mgrid[:21, :33]
    grid = np.stack([(x + field[..., 0]) * 2 / 32 - 1, (y + field[..., 1]) * 2 / 20 - 1], -1).astype(np.float32)
    expected = torch.nn.functional.grid_sample(
        torch.from_numpy(image)[None], torch.from_numpy(grid)[None], align_corners=True, padding_mode="border"
    )
    result, _ = warp_reference(image, field)
    np.testing.assert_allclose(result, expected[0].numpy(), atol=1e-4)


@pytest.mark.parametrize("sampling", ["bilinear", "cubic"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_agrees_with_the_reference(device, layout, sampling):
    @quick(device)
    @given(size=sizes, seed=seeds, dtype=st.sampled_from([np.float32, np.float16]))
    def check(size, seed, dtype):
        rng = np.random.default_rng(seed)
        image, field = picture(rng, layout, size), flow(rng, size, dtype)
        result, inside = run(device, image, field, sampling)
        expected, expected_inside = warp_reference(image, field, sampling)
        assert_close(result, expected)
        np.testing.assert_array_equal(inside.astype(bool), expected_inside)

    check()


def test_wide_picture_keeps_the_fraction_of_the_flow(device):
    """At column 5000 a float32 position has 11 bits left for its fraction; the flow's own fraction has 23."""
    rng = np.random.default_rng(7)
    image, field = rng.random((2, 5001, 4), np.float32), rng.uniform(-1, 1, (2, 5001, 2)).astype(np.float32)
    result, _ = run(device, image, field)
    np.testing.assert_allclose(result, warp_reference(image, field)[0], atol=1e-6)


def test_writes_to_out_without_inside(device):
    rng = np.random.default_rng(8)
    image, field = picture(rng, "float32x4", (5, 6)), flow(rng, (5, 6))
    out = device.put(np.zeros_like(image))
    assert warp(device.put(image), device.put(field), out=out) is out
    assert_close(device.get(out), warp_reference(image, field)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picture": np.zeros((4, 5, 3), np.float32)}, r"picture: float32 \(4, 5, 3\); accepted: .* H=4, W=5"),
        ({"picture": np.zeros((4, 10, 4), np.float32)[:, ::2]}, "not contiguous"),
        ({"picture": np.zeros((4, 5, 4), np.float64)}, "picture: float64"),
        ({"flow": np.zeros((4, 6, 2), np.float32)}, "picture: .* H=4, W=6"),
        ({"flow": np.zeros((4, 5, 2), np.float64)}, r"flow: float64 \(4, 5, 2\); accepted"),
        ({"flow": np.zeros((2, 4, 5), np.float32)}, "flow: float32"),
        ({"out": np.zeros((4, 5, 3), np.uint8)}, "out: uint8"),
        ({"inside": np.zeros((5, 4), np.uint8)}, "inside: uint8"),
        ({"sampling": "nearest"}, "accepted: bilinear, cubic"),
    ],
)
def test_refuses_wrong_arguments(change, message):
    arguments = {"picture": np.zeros((4, 5, 4), np.float32), "flow": np.zeros((4, 5, 2), np.float32), **change}
    with pytest.raises(ValueError, match=message):
        warp(**arguments)


def test_refuses_other_arrays_and_says_how_to_wrap_them():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"\['numpy', 'torch'\]; accepted: .*from_dlpack"):
        warp(torch.zeros(4, 5, 4), np.zeros((4, 5, 2), np.float32))


@pytest.mark.parametrize("offset", [0, 1])
def test_large_pictures_are_written_past_the_caches_whatever_their_alignment(offset):
    rng = np.random.default_rng(9)
    size = (520, 530)
    image, field = picture(rng, "float32x4", size), flow(rng, size)
    room = np.full(image.size + 8, 9, np.float32)
    start = -room.ctypes.data // 4 % 4 + offset  # a multiple of 16 bytes, or 4 bytes beside it
    out = room[start : start + image.size].reshape(image.shape)
    assert_close(warp(image, field, out=out), warp_reference(image, field)[0])
    assert_close(
        blend(image, image[::-1].copy(), field, strength=0.5, out=out),
        blend_reference(image, image[::-1].copy(), field, 0.5),
    )
    assert (room[:start] == 9).all()
    assert (room[start + image.size :] == 9).all()
