"""Colour in, colour out and interleave: known answers, round trips, then every device against the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_devices import quick, seeds

from rotoscope.kernels.color_in import color_in, color_in_reference
from rotoscope.kernels.color_out import BAYER, color_out, color_out_reference
from rotoscope.kernels.colour import CENTRE, LEFT, LUMA_COEFFICIENTS
from rotoscope.kernels.interleave import interleave, interleave_reference

KINDS = ("420", "422", "444", "nv12", "p010", "10bit", "grey", "rgb24", "rgb48", "float")
heights_and_widths = st.one_of(
    st.sampled_from([(1, 1), (1, 6), (5, 1), (2, 2), (3, 2)]), st.tuples(st.integers(1, 70), st.integers(1, 80))
)


def random_planes(rng, kind, size):
    """Return (planes, depth): random code values over the whole range, also outside the limited range."""
    height, width = size
    half = (-(-height // 2), -(-width // 2))
    if kind == "float":
        return (rng.random((height, width, 4), np.float32),), 8
    if kind in ("rgb24", "rgb48"):
        dtype, depth = (np.uint8, 8) if kind == "rgb24" else (np.uint16, 16)
        return (rng.integers(0, 2**depth, (height, width, 3), dtype),), depth
    dtype, depth = {"p010": (np.uint16, 16), "10bit": (np.uint16, 10)}.get(kind, (np.uint8, 8))
    shapes = {
        "422": [(height, half[1])] * 2,
        "444": [size] * 2,
        "nv12": [(*half, 2)],
        "p010": [(*half, 2)],
        "grey": [],
    }.get(kind, [half] * 2)
    return tuple(rng.integers(0, 2**depth, shape, dtype) for shape in (size, *shapes)), depth


def run_in(device, planes, out, **options):
    target = device.put(out)
    assert color_in([device.put(plane) for plane in planes], target, **options) is target
    return device.get(target)


def run_out(device, picture, like, **options):
    """Return planes of the shapes of `like`, also with interleaved chroma."""
    targets = [device.put(np.zeros_like(plane)) for plane in like]
    color_out(device.put(picture), targets, **options)
    return [device.get(target) for target in targets]


def padded(picture, size, pad):
    height, width = picture.shape[:2]
    mode = {"reflect": "reflect", "edge": "edge"}[pad]
    widths = ((0, size[0] - height), (0, size[1] - width), (0, 0))
    for axis in (0, 1):  # a line of one value cannot be reflected: the value is repeated
        only = [(0, 0)] * 3
        only[axis] = widths[axis]
        picture = np.pad(picture, only, "edge" if picture.shape[axis] == 1 else mode)
    return picture


@pytest.mark.parametrize("matrix", ["601", "709", "2020"])
@pytest.mark.parametrize("full_range", [False, True])
def test_known_colours(device, matrix, full_range):
    """Black, white, and pure blue from the definition of Y'CbCr."""
    kb = LUMA_COEFFICIENTS[matrix][1]
    low, span = (0, 255) if full_range else (16, 219)
    blue_y = round(low + span * kb)
    blue_cb, blue_cr = (
        128 + (127.5 if full_range else 112),
        128 - (255 if full_range else 224) * kb / (2 * (1 - LUMA_COEFFICIENTS[matrix][0])),
    )
    y = np.array([[low, low + span, blue_y]], np.uint8)
    cb = np.array([[128, 128, min(round(blue_cb), 255)]], np.uint8)
    cr = np.array([[128, 128, round(blue_cr)]], np.uint8)
    out = run_in(device, (y, cb, cr), np.empty((1, 3, 4), np.float32), matrix=matrix, full_range=full_range)
    np.testing.assert_allclose(out[0, :, :3], [[0, 0, 0], [1, 1, 1], [0, 0, 1]], atol=0.012)
    assert not out[..., 3].any()


@pytest.mark.parametrize("siting", [LEFT, CENTRE, (0.0, 0.0), (1.0, 0.5)])
@pytest.mark.parametrize("kind", ["420", "nv12"])
def test_round_trip_of_subsampled_video_is_exact(device, kind, siting):
    rng = np.random.default_rng(1)
    planes, _ = random_planes(rng, kind, (32, 48))
    planes = tuple(np.clip(plane, 16, 235) for plane in planes)
    picture = run_in(device, planes, np.empty((32, 48, 4), np.float32), siting=siting)
    for result, plane in zip(run_out(device, picture, planes, siting=siting), planes, strict=True):
        np.testing.assert_array_equal(result, plane)


@pytest.mark.parametrize("kind", KINDS)
def test_color_in_agrees_with_the_reference(device, kind):
    @quick(device)
    @given(
        size=heights_and_widths, more=st.tuples(st.integers(0, 9), st.integers(0, 9)), seed=seeds, full_range=st.booleans(),
        matrix=st.sampled_from(["601", "709", "2020"]), bgr=st.booleans(), pad=st.sampled_from(["reflect", "edge"]),
        form=st.sampled_from(["float32", "float16", "interleaved"]), siting=st.sampled_from([LEFT, CENTRE, (0.0, 0.0)]),
    )  # fmt: skip
    def check(size, more, seed, full_range, matrix, bgr, pad, form, siting):
        rng = np.random.default_rng(seed)
        planes, depth = random_planes(rng, kind, size)
        coding = {"matrix": matrix, "full_range": full_range, "depth": depth, "siting": siting}
        scale, offset = rng.uniform(0.5, 3, 3), rng.uniform(-1, 1, 3)
        expected = color_in_reference(planes, **coding)
        expected = (expected[..., ::-1] if bgr else expected) * scale + offset
        if form == "interleaved":
            out = np.full((*size, 4), 9, np.float32)
        else:
            expected = np.moveaxis(padded(expected, (size[0] + more[0], size[1] + more[1]), pad), 2, 0)
            if expected.shape[2] == 4:
                return  # (3,H,4) is read as a picture of three rows
            out = np.full(expected.shape, 9, form)
        result = run_in(device, planes, out, scale=scale, offset=offset, bgr=bgr, pad=pad, **coding)
        if form == "interleaved":
            assert not result[..., 3].any()
            result = result[..., :3]
        limit = 2e-3 if form == "float16" else 1e-5
        np.testing.assert_allclose(result, expected, rtol=limit, atol=limit)

    check()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("float",)])
def test_color_out_agrees_with_the_reference(device, kind):
    @quick(device)
    @given(
        size=heights_and_widths, more=st.integers(0, 5), seed=seeds, full_range=st.booleans(),
        matrix=st.sampled_from(["601", "709", "2020"]), siting=st.sampled_from([LEFT, CENTRE, (0.0, 0.0)]),
    )  # fmt: skip
    def check(size, more, seed, full_range, matrix, siting):
        rng = np.random.default_rng(seed)
        planes, depth = random_planes(rng, kind, size)
        picture = rng.uniform(-0.2, 1.2, (size[0] + more, size[1] + more, 4)).astype(np.float32)
        coding = {"matrix": matrix, "full_range": full_range, "depth": depth, "siting": siting}
        exact = color_out_reference(picture, [plane.shape for plane in planes], **coding)
        limit = 0.5 + 2e-7 * 2**depth + 1e-4
        for result, expected in zip(run_out(device, picture, planes, **coding), exact, strict=True):
            np.testing.assert_allclose(result.astype(float), expected, rtol=0, atol=limit)

    check()


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
@pytest.mark.parametrize("kind", ["420", "nv12", "rgb24", "float"])
def test_inputs_with_channels_last_and_of_bytes_are_written_directly(device, kind, dtype):
    planes, depth = random_planes(np.random.default_rng(5), kind, (9, 14))
    options = {"depth": depth, "scale": (300, 255, 200), "offset": (-20, 0, 5), "bgr": True}
    expected = run_in(device, planes, np.zeros((3, 11, 17), np.float32), **options)
    place = device.put(np.zeros((11, 17, 3), dtype))
    color_in([device.put(plane) for plane in planes], np.moveaxis(place, 2, 0), **options)
    result = np.moveaxis(device.get(place), 2, 0)
    if dtype == np.uint8:
        np.testing.assert_array_equal(result, np.clip(np.rint(expected), 0, 255))
        assert {0, 255} <= set(np.unique(result))
    else:
        np.testing.assert_array_equal(result, expected.astype(dtype))


def with_pitch(plane, more=5):
    """The same plane in a larger array: rows `more` pixels farther apart, as in a decoder's surface."""
    height, width, *rest = plane.shape
    surface = np.full((height, width + more, *rest), 173, plane.dtype)
    surface[:, :width] = plane
    return surface[:, :width]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (7, 9), (32, 48)])
def test_pitch_changes_nothing(device, kind, size):
    rng = np.random.default_rng(4)
    planes, depth = random_planes(rng, kind, size)
    pitched = tuple(map(with_pitch, planes))
    for shape in ((*size, 4), (3, size[0] + 2, size[1] + 3)):
        expected = run_in(device, planes, np.zeros(shape, np.float32), depth=depth)
        np.testing.assert_array_equal(run_in(device, pitched, np.zeros(shape, np.float32), depth=depth), expected)
    if kind == "float":
        return
    picture = rng.uniform(-0.2, 1.2, (*size, 4)).astype(np.float32)
    expected = run_out(device, picture, planes, depth=depth)
    targets = [device.put(with_pitch(np.zeros_like(plane))) for plane in planes]
    color_out(device.put(picture), targets, depth=depth)
    for target, plane in zip(targets, expected, strict=True):
        np.testing.assert_array_equal(device.get(target), plane)


def test_planes_with_a_pitch_are_not_copied():
    """Both a view for reading and one for writing reach the kernel as they are; between the rows nothing is written."""
    surface = np.full((8, 20), 77, np.uint8)
    chroma = np.full((4, 10, 2), 77, np.uint8)
    color_out(np.full((8, 12, 4), 0.5, np.float32), [surface[:, :12], chroma[:, :6]])
    assert (surface[:, 12:] == 77).all() and (chroma[:, 6:] == 77).all()
    assert (surface[:, :12] == 126).all() and (chroma[:, :6] == 128).all()


@pytest.mark.parametrize("dither", [False, True])
def test_luma_chroma_and_interleaved_chroma_agree_exactly(device, dither):
    """One pass writes what the grey kernel and planar chroma give."""
    rng = np.random.default_rng(6)
    for size in ((1, 1), (2, 3), (35, 50)):
        picture = rng.uniform(-0.2, 1.2, (*size, 4)).astype(np.float32)
        half = (-(-size[0] // 2), -(-size[1] // 2))
        for dtype, depth in ((np.uint8, 8), (np.uint16, 10), (np.uint16, 16)):
            luma, both = np.zeros(size, dtype), np.zeros((*half, 2), dtype)
            nv12 = run_out(device, picture, [luma, both], depth=depth, dither=dither)
            planar = run_out(device, picture, [luma, both[..., 0], both[..., 1]], depth=depth, dither=dither)
            (grey,) = run_out(device, picture, [luma], depth=depth, dither=dither)
            np.testing.assert_array_equal(nv12[0], grey)
            np.testing.assert_array_equal(planar[0], grey)
            np.testing.assert_array_equal(nv12[1], np.stack(planar[1:], axis=2))


@pytest.mark.parametrize("kind", ["420", "nv12", "grey", "rgb24"])
def test_clip_is_clipping_before_the_matrix(device, kind):
    rng = np.random.default_rng(8)
    planes, depth = random_planes(rng, kind, (9, 14))
    picture = rng.uniform(-1, 2, (9, 14, 4)).astype(np.float32)
    coding = {"full_range": True, "depth": depth}
    expected = run_out(device, np.clip(picture, 0, 1), planes, **coding)
    for result, plane in zip(run_out(device, picture, planes, clip=True, **coding), expected, strict=True):
        np.testing.assert_array_equal(result, plane)


def test_dither_keeps_the_mean_and_uses_both_neighbouring_codes(device):
    picture = np.full((16, 16, 4), 100.3 / 255, np.float32)
    (result,) = run_out(device, picture, [np.zeros((16, 16, 3), np.uint8)], dither=True)
    assert set(np.unique(result)) == {100, 101}
    assert abs(result.mean() - 100.3) < 1 / 64
    (expected,) = (np.floor(100.3 + np.tile(BAYER, (2, 2))[..., None] + 0.5),)
    np.testing.assert_array_equal(result, np.broadcast_to(expected, (16, 16, 3)))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_interleave_agrees_with_the_reference_and_counts_nan_and_infinity(device, dtype):
    @quick(device)
    @given(size=heights_and_widths, more=st.integers(0, 5), seed=seeds, bgr=st.booleans())
    def check(size, more, seed, bgr):
        rng = np.random.default_rng(seed)
        planar = rng.uniform(-2, 2, (3, size[0] + more, size[1] + more)).astype(dtype)
        broken = rng.random(planar.shape) < 0.05
        planar[broken] = rng.choice([np.nan, np.inf, -np.inf], planar.shape)[broken]
        scale, offset = rng.uniform(0.2, 1, 3), rng.uniform(0, 0.5, 3)
        out = device.put(np.full((*size, 4), 9, np.float32))
        bad = interleave(device.put(planar), out, scale=scale, offset=offset, bgr=bgr)
        expected, expected_bad = interleave_reference(planar, size, scale=scale, offset=offset, bgr=bgr)
        assert int(bad if device.name == "cpu" else device.get(bad)[0]) == expected_bad
        result = device.get(out)
        fine = np.isfinite(expected)
        np.testing.assert_allclose(result[..., :3][fine], expected[fine], atol=1e-5)
        assert not result[..., 3].any()

    check()


def test_interleave_adds_to_the_counter_of_the_caller_and_does_not_read_it(device):
    planar = np.zeros((3, 4, 5), np.float32)
    planar[1, 2, 3] = np.nan
    planar[2, 0, 0] = np.inf
    counter, out = device.put(np.full(1, 7, np.uint32)), device.put(np.zeros((4, 5, 4), np.float32))
    assert interleave(device.put(planar), out, counter=counter) is counter
    assert interleave(device.put(planar), out, counter=counter) is counter
    assert device.get(counter).tolist() == [11]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_interleave_reads_pixels_of_a_network_that_gives_channels_last(device, dtype):
    rng = np.random.default_rng(3)
    pixels = rng.uniform(0, 1, (5, 7, 3)).astype(dtype)
    out = device.put(np.zeros((5, 6, 4), np.float32))
    interleave(np.moveaxis(device.put(pixels), 2, 0), out)
    np.testing.assert_array_equal(device.get(out)[..., :3], pixels[:, :6].astype(np.float32))


@pytest.mark.parametrize(
    ("planes", "out", "options", "message"),
    [
        ([np.zeros((4, 6), np.uint8)[:, ::2]], np.empty((3, 4, 3), np.float32), {}, "rows that are contiguous"),
        ([np.zeros((4, 6), np.uint8)[::-1]], np.empty((3, 4, 6), np.float32), {}, "from the top down"),
        ([np.zeros((4, 6), np.uint8)], np.empty((4, 12, 4), np.float32)[:, ::2], {}, "C-contiguous"),
        ([np.zeros((4, 6), np.uint8), np.zeros((2, 3), np.uint8), np.zeros((2, 5), np.uint8)[:, :3]],
         np.empty((3, 4, 6), np.float32), {}, "equal pitches"),
        ([np.zeros((4, 6), np.uint8)], np.empty((3, 3, 6), np.float32), {}, "smaller than the picture"),
        ([np.zeros((4, 6), np.uint8)], np.empty((4, 6, 4), np.float16), {}, "accepted: float32, float16 or uint8"),
        ([np.zeros((4, 6), np.uint8)], np.empty((3, 4, 6), np.float64), {}, "accepted: float32, float16 or uint8"),
        ([np.zeros((4, 6), np.int32)], np.empty((3, 4, 6), np.float32), {}, "accepted: uint8 or uint16"),
        ([np.zeros((4, 6), np.uint8)], np.empty((3, 4, 6), np.float32), {"pad": "zero"}, "accepted: 'reflect', 'edge'"),
        ([np.zeros((4, 6), np.uint8), *[np.zeros((1, 3), np.uint8)] * 2], np.empty((3, 4, 6), np.float32), {}, "belong"),
    ],
)  # fmt: skip
def test_color_in_refuses_wrong_arguments(planes, out, options, message):
    with pytest.raises(ValueError, match=message):
        color_in(planes, out, **options)


def test_color_out_refuses_wrong_arguments():
    picture, plane = np.zeros((4, 6, 4), np.float32), np.zeros((4, 6), np.uint8)
    with pytest.raises(ValueError, match="accepted: C-contiguous float32"):
        color_out(picture[:, ::2], [plane])
    with pytest.raises(ValueError, match="smaller than the planes"):
        color_out(picture[:2], [plane])
    with pytest.raises(ValueError, match="rows that are contiguous"):
        color_out(picture, [np.zeros((4, 12), np.uint8)[:, ::2]])
    with pytest.raises(ValueError, match="do not hold 10-bit"):
        color_out(picture, [plane], depth=10)


def test_interleave_refuses_wrong_arguments():
    with pytest.raises(ValueError, match="planar of float64"):
        interleave(np.zeros((3, 4, 6)), np.zeros((4, 6, 4), np.float32))
    with pytest.raises(ValueError, match="counter: int64"):
        interleave(np.zeros((3, 4, 6), np.float32), np.zeros((4, 6, 4), np.float32), counter=np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="is larger than"):
        interleave(np.zeros((3, 4, 6), np.float32), np.zeros((5, 6, 4), np.float32))


def test_a_picture_of_four_columns_is_not_mistaken_for_four_channels():
    rgb = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)
    planar = color_in([rgb], np.empty((3, 6, 4), np.float32))
    interleaved = color_in([rgb], np.empty((6, 4, 4), np.float32))
    np.testing.assert_array_equal(np.moveaxis(planar, 0, 2), interleaved[..., :3])
