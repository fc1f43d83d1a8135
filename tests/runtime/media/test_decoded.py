"""Every kind of decoded picture becomes the RGB that its code values stand for, and label pictures stay numbers."""

from fractions import Fraction

import av
import cv2
import independent
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.base.frame import Frame, Orientation
from rotoscope.runtime.media.decoded import chroma_of, depth_of, picture_of

# Four flat quarters as 8-bit Y'CbCr codes: two reds, a grey, a blue.
QUARTERS = np.array([[81, 90, 200], [60, 110, 150], [126, 128, 128], [70, 170, 110]])
SIZE = (64, 48)

# pixel format -> bits that reach the network
YCC = {
    "yuv420p": 8, "yuv422p": 8, "yuv444p": 8, "yuv411p": 8, "yuv440p": 8, "nv12": 8, "yuv420p10le": 10, "yuv422p10le": 10,
    "yuv444p10le": 10, "yuv420p12le": 12, "yuv444p16le": 16, "yuv420p9le": 16, "yuv422p14le": 16,
}  # fmt: skip


def quarters(shape, values):
    """An array whose four quarters hold four values."""
    height, width = shape
    result = np.empty((height, width, *np.shape(values[0])), np.uint16)
    for index, value in enumerate(values):
        rows, columns = slice(height // 2) if index < 2 else slice(height // 2, None), slice(width // 2)
        result[rows, columns if index % 2 == 0 else slice(width // 2, None)] = value
    return result


def centres(picture):
    """The values in the middle of each quarter."""
    height, width = picture.shape[:2]
    return np.array([picture[y, x, :3] for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)])


def coded_frame(pixel_format, codes):
    """A frame of these codes (given at 8 bits), at the format's own depth."""
    frame = av.VideoFrame(*SIZE, pixel_format)
    bits = frame.format.components[0].bits
    shift = 6 if pixel_format == "p010le" else 0  # its ten bits stand at the top of sixteen
    codes = codes.astype(np.uint16) << (bits - 8 + shift)
    planes = []
    for index, plane in enumerate(frame.planes):
        both = pixel_format in ("nv12", "p010le") and index == 1
        values = quarters((plane.height, plane.width), codes[:, 1:3] if both else codes[:, index])
        planes.append(values.astype(np.uint8 if bits == 8 else np.uint16))
    return tiny_clips.planes_frame(planes, pixel_format)


def write_codes(path, pixel_format, codes, *, full_range=False):
    """One frame of these codes, losslessly."""

    def prepare(_container, stream):
        stream.codec_context.color_range = 2 if full_range else 1

    packed = pixel_format == "nv12"
    return tiny_clips.write_clip(
        path.with_suffix(".nut" if packed else ".mkv"),
        frames=1,
        size=SIZE,
        codec="rawvideo" if packed else "ffv1",
        pixel_format=pixel_format,
        make=lambda *_: coded_frame(pixel_format, codes),
        prepare=prepare,
    )


def expected_rgb(codes, *, full_range=False):
    """RGB in [0,1] of BT.601 codes."""
    codes = codes.astype(float)
    span_y, span_c, black = (255, 255, 0) if full_range else (219, 224, 16)
    y, cb, cr = (codes[:, 0] - black) / span_y, (codes[:, 1] - 128) / span_c, (codes[:, 2] - 128) / span_c
    return np.stack([y + 1.402 * cr, y - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587, y + 1.772 * cb], axis=1)


def seen(path, identity):
    """The first frame after an identity network, (H,W,4) float32."""
    with rotoscope.Translator(identity) as translator, rotoscope.read(path) as reader:
        return next(translator.stream(reader)).pixels()


@pytest.mark.parametrize("pixel_format", YCC)
def test_ycc_of_every_layout_and_depth(pixel_format, identity, tmp_path):
    path = write_codes(tmp_path / "clip", pixel_format, QUARTERS)
    np.testing.assert_allclose(centres(seen(path, identity)), expected_rgb(QUARTERS), atol=0.003)
    with rotoscope.read(path) as reader:
        assert next(iter(reader)).source.depth == YCC[pixel_format]


def test_p010_as_hardware_decoders_deliver_it(identity):
    picture = picture_of(coded_frame("p010le", QUARTERS), Orientation(), is_jpeg=False)
    frame = Frame(0, 0, Fraction(1, 25), 1, picture)
    with rotoscope.Translator(identity) as translator:
        result = next(translator.stream([frame])).pixels()
    np.testing.assert_allclose(centres(result), expected_rgb(QUARTERS), atol=0.003)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p10le"])
def test_full_range_is_honoured(pixel_format, identity, tmp_path):
    path = write_codes(tmp_path / "clip", pixel_format, QUARTERS, full_range=True)
    full = QUARTERS * 4 if "10" in pixel_format else QUARTERS
    # At ten bits full range ends at 1023, not at 4 * 255.
    expected = (
        expected_rgb(full / 1023 * 255, full_range=True)
        if "10" in pixel_format
        else expected_rgb(QUARTERS, full_range=True)
    )
    np.testing.assert_allclose(centres(seen(path, identity)), expected, atol=0.003)


@pytest.mark.parametrize("pixel_format", ["gray", "gray10le", "gray12le", "gray14le", "gray16le"])
def test_grey_is_grey_rgb(pixel_format, identity, tmp_path):
    path = write_codes(tmp_path / "clip", pixel_format, QUARTERS[:, :1], full_range=True)
    bits = av.VideoFormat(pixel_format).components[0].bits
    expected = np.repeat(QUARTERS[:, :1] * 2 ** (bits - 8) / (2**bits - 1), 3, axis=1)
    np.testing.assert_allclose(centres(seen(path, identity)), expected, atol=0.002)


# pixel format -> planes of 8-bit RGB values, at the format's own depth
RGB = {
    "bgr0": lambda rgb: [np.insert(rgb[..., ::-1], 3, 0, axis=2).astype(np.uint8)],
    "bgra": lambda rgb: [np.insert(rgb[..., ::-1], 3, 255, axis=2).astype(np.uint8)],
    "gbrp10le": lambda rgb: [np.round(rgb[..., c] * (1023 / 255)).astype(np.uint16) for c in (1, 2, 0)],
    "rgb48le": lambda rgb: [rgb.astype(np.uint16) * 257],
}


@pytest.mark.parametrize("pixel_format", RGB)
def test_rgb_passes_unchanged(pixel_format, identity, tmp_path):
    rgb = np.array([[250, 10, 20], [0, 255, 128], [90, 90, 90], [3, 60, 200]])
    planes = RGB[pixel_format](quarters(SIZE[::-1], rgb))
    path = tiny_clips.write_clip(
        tmp_path / "clip.mkv", frames=1, codec="ffv1", pixel_format=pixel_format,
        make=lambda *_: tiny_clips.planes_frame(planes, pixel_format),
    )  # fmt: skip
    np.testing.assert_allclose(centres(seen(path, identity)) * 255, rgb, atol=0.2)


def test_alpha_is_laid_over_black_and_said(identity, tmp_path):
    rgba = np.zeros((48, 64, 4), np.uint8)
    rgba[...] = (200, 100, 50, 128)
    rgba[:, :32, 3] = 255
    rgba[:, 60:, 3] = 0
    cv2.imwrite(str(tmp_path / "a.png"), cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))
    result = seen(tmp_path / "a.png", identity) * 255
    np.testing.assert_allclose(result[20, [10, 40, 62], :3], [[200, 100, 50], [100, 50, 25], [0, 0, 0]], atol=0.6)
    with rotoscope.read(tmp_path / "a.png") as reader:
        assert reader.notes == ["transparency is laid over black"]


def test_an_alpha_movie_says_what_becomes_of_its_alpha(videos):
    with rotoscope.read(videos / "alpha" / "bmx_320x180_alpha_qtrle.mov") as reader:
        assert "transparency is laid over black" in reader.notes
    with rotoscope.read(videos / "alpha" / "bmx_426x240_alpha_vp9.webm") as reader:
        assert any("transparency is dropped" in note for note in reader.notes)


def test_untagged_video_is_709_from_720_lines_up_and_601_below(tmp_path):
    for height, matrix in ((718, "601"), (720, "709")):
        path = tiny_clips.write_clip(tmp_path / f"{height}.mp4", frames=1, size=(64, height))
        with rotoscope.read(path) as reader:
            assert (reader.info.colour.matrix, reader.info.colour.full_range) == (matrix, False)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_label_pictures_are_read_unconverted(dtype, tmp_path):
    labels = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (30, 41)).astype(dtype)
    cv2.imwrite(str(tmp_path / "labels.png"), labels)
    with rotoscope.read(tmp_path / "labels.png", unconverted=True) as reader:
        np.testing.assert_array_equal(next(iter(reader)).source.planes[0], labels)


def test_palette_pictures_give_their_indices_unconverted_and_their_colours_otherwise(tmp_path, identity):
    Image = pytest.importorskip("PIL.Image")
    indices = (np.arange(48 * 64) % 4).reshape(48, 64).astype(np.uint8)
    picture = Image.fromarray(indices, mode="P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 30, 60, 90])
    picture.save(tmp_path / "palette.png")
    with rotoscope.read(tmp_path / "palette.png", unconverted=True) as reader:
        np.testing.assert_array_equal(next(iter(reader)).source.planes[0], indices)
    shown = seen(tmp_path / "palette.png", identity)[..., :3] * 255
    np.testing.assert_allclose(shown, np.asarray(picture.convert("RGB")), atol=0.01)


def test_sixteen_bit_png_keeps_its_bits(shared, identity, tmp_path):
    source = shared / "data" / "images" / "nasty" / "gradient_16bit.png"
    rotoscope.translate(source, tmp_path / "out.png", model=identity)
    before, after = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (source, tmp_path / "out.png"))
    assert after.dtype == np.uint16
    assert np.abs(before.astype(int) - after).max() <= 1


@pytest.mark.parametrize("name", ["rgba.png", "rgba.webp", "grayscale.png", "cmyk.jpg"])
def test_odd_pictures_look_like_what_another_library_reads(name, shared, identity):
    path = shared / "data" / "images" / "nasty" / name
    other = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if other.ndim == 2:
        other = np.repeat(other[..., None], 3, axis=2)
    if other.shape[2] == 4:
        other = np.round(other[..., :3].astype(float) * other[..., 3:] / 255)
    assert independent.psnr(seen(path, identity)[..., :3] * 255, other[..., ::-1].astype(float)) >= (
        30 if name == "cmyk.jpg" else 45
    )


def test_a_broken_picture_is_refused(shared):
    with pytest.raises(rotoscope.InputRefused):
        rotoscope.read(shared / "data" / "images" / "nasty" / "corrupt.jpg")


def test_jpeg_chroma_sits_in_the_middle(tmp_path, identity):
    """A sharp vertical edge of colour: sited left it would move by half a pixel."""
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, :32], picture[:, 32:] = (120, 120, 120), (160, 100, 120)
    cv2.imwrite(str(tmp_path / "edge.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    with rotoscope.read(tmp_path / "edge.jpg") as reader:
        assert next(iter(reader)).source.siting == (0.5, 0.5)
    result = seen(tmp_path / "edge.jpg", identity)[16, :, :3] * 255
    assert np.abs(result - picture[16]).max() <= 12
    np.testing.assert_allclose(
        result[31] - picture[16, 31], picture[16, 32] - result[32], atol=2
    )  # symmetric about the edge


@pytest.mark.parametrize(("name", "chroma", "depth"), [
    ("yuv420p", "420", 8), ("nv12", "420", 8), ("p010le", "420", 10), ("yuva420p", "420", 8),
    ("yuv422p", "422", 8), ("nv16", "422", 8), ("p210le", "422", 10), ("uyvy422", "422", 8), ("y210le", "422", 10),
    ("yuv444p", "444", 8), ("nv24", "444", 8), ("p410le", "444", 10), ("yuv411p", "444", 8), ("yuv440p", "444", 8),
    ("gray", "gray", 8), ("gray10le", "gray", 10), ("ya8", "gray", 8),
    ("rgb24", "rgb", 8), ("gbrp10le", "rgb", 10), ("pal8", "rgb", 8), ("bgr0", "rgb", 8),
])  # fmt: skip
def test_chroma_and_depth_of_a_pixel_format(name, chroma, depth):
    assert (chroma_of(name), depth_of(name)) == (chroma, depth)
