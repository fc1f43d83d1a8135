"""Pictures of film and effects: OpenEXR, DPX, TIFF of 16 bits and floats, read exactly and written back."""

import io
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import tifffile
import tiny_clips

import rotoscope
from rotoscope.runtime.media.picture_codecs import encode_picture
from rotoscope.runtime.media.planar_rgb import linear_from_srgb, srgb_from_linear


def ramp(top):
    values = np.linspace(0, top, 64)
    return np.stack([np.tile(values, (48, 1)), np.full((48, 64), 0.18), np.full((48, 64), 0.02)], axis=-1)


def encoded(codec, pixel_format, planes, **options):
    """One picture of the given planes, by FFmpeg's encoder."""
    frame = tiny_clips.planes_frame(planes, pixel_format)
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt, context.time_base = 64, 48, pixel_format, Fraction(1, 25)
    context.options = options
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def exr(picture, dtype=np.float32, **options):
    return encoded("exr", "gbrpf32le", [picture[..., channel].astype(dtype) for channel in (1, 2, 0)], **options)


def dpx(codes, bits=10):
    return encoded("dpx", f"gbrp{bits}be", [codes[..., channel].astype(">u2") for channel in (1, 2, 0)])


def source_of(path):
    with rotoscope.read(str(path)) as source:
        (frame,) = source
    return frame.source, source


def float_planes(data):
    """(H,W,3) float32 of an EXR file."""
    with av.open(io.BytesIO(data)) as container:
        frame = next(container.decode(video=0))
    dtype = np.float16 if "16" in frame.format.name else np.float32
    planes = [np.frombuffer(memoryview(plane), dtype).reshape(48, -1)[:, :64] for plane in frame.planes]
    return np.stack([planes[2], planes[0], planes[1]], axis=-1).astype(np.float32)


@pytest.mark.parametrize("kind", ["half", "float"])
def test_exr_is_linear_light(kind, tmp_path):
    (tmp_path / "shot.exr").write_bytes(exr(ramp(1.5), format=kind))
    picture, source = source_of(tmp_path / "shot.exr")
    found = picture.planes[0] / 65535
    assert picture.depth == 16
    assert np.abs(found - srgb_from_linear(np.clip(ramp(1.5), 0, 1))).max() < 1e-3
    assert "linear light becomes sRGB for the network; values above 1 are clipped" in source.notes
    assert source.is_picture


@pytest.mark.parametrize("bits", [10, 12])
def test_dpx_keeps_its_code_values(bits, tmp_path):
    codes = np.rint(ramp(1) * (2**bits - 1)).astype(np.uint16)
    (tmp_path / "shot.dpx").write_bytes(dpx(codes, bits))
    picture, source = source_of(tmp_path / "shot.dpx")
    assert (picture.depth, source.info.depth) == (bits, bits)
    assert np.array_equal(picture.planes[0], codes)


def test_logarithmic_dpx_is_said(tmp_path):
    data = bytearray(dpx(np.rint(ramp(1) * 1023).astype(np.uint16)))
    data[801] = 3
    (tmp_path / "shot.dpx").write_bytes(data)
    _, source = source_of(tmp_path / "shot.dpx")
    assert "logarithmic film densities (DPX); code values are used as they are" in source.notes


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_tiff_of_sixteen_bits_and_floats(dtype, tmp_path):
    picture = np.rint(ramp(1) * 65535) if dtype is np.uint16 else ramp(1)
    tifffile.imwrite(tmp_path / "shot.tif", picture.astype(dtype), photometric="rgb")
    found, _ = source_of(tmp_path / "shot.tif")
    assert found.depth == 16
    assert np.abs(found.planes[0] / 65535 - ramp(1)).max() < 1e-4


def test_planar_rgb_of_video_keeps_its_code_values(tmp_path):
    codes = np.rint(ramp(1) * 1023).astype(np.uint16)
    frame = tiny_clips.planes_frame([codes[..., 1], codes[..., 2], codes[..., 0]], "gbrp10le")
    tiny_clips.write_clip(
        tmp_path / "clip.mkv", codec="ffv1", pixel_format="gbrp10le", frames=1, make=lambda index, *size: frame
    )
    picture, _ = source_of(tmp_path / "clip.mkv")
    assert picture.depth == 10
    assert np.array_equal(picture.planes[0], codes)


@pytest.mark.parametrize(
    ("ending", "most"), [(".exr", 2e-3), (".dpx", 1 / 1023), (".tif", 1 / 65535), (".png", 1 / 65535)]
)
def test_what_is_written_is_read_back(ending, most, tmp_path, identity):
    (tmp_path / "shot.exr").write_bytes(exr(ramp(1), format="float"))
    rotoscope.translate(tmp_path / "shot.exr", tmp_path / f"out{ending}", model=identity)
    before, _ = source_of(tmp_path / "shot.exr")
    after, _ = source_of(tmp_path / f"out{ending}")
    top = (1 << after.depth) - 1
    assert np.abs(after.planes[0] / top - before.planes[0] / 65535).max() < most + 1e-4


def test_exr_out_is_linear_again(tmp_path, identity):
    (tmp_path / "shot.exr").write_bytes(exr(ramp(1), format="float"))
    rotoscope.translate(tmp_path / "shot.exr", tmp_path / "out.exr", model=identity)
    assert np.abs(float_planes((tmp_path / "out.exr").read_bytes()) - ramp(1)).max() < 1e-3


def test_an_exr_sequence_keeps_its_numbers(here, identity):
    (here / "in").mkdir()
    (here / "out").mkdir()
    for number in (1001, 1002):
        (here / "in" / f"shot.{number}.exr").write_bytes(exr(ramp(1)))
    rotoscope.translate("in/shot.%04d.exr", "out/shot.%04d.exr", model=identity, steady="off")
    assert sorted(path.name for path in (here / "out").iterdir()) == ["shot.1001.exr", "shot.1002.exr"]


def test_a_tiff_of_eight_bits_stays_so(here, identity):
    cv2.imwrite("scan.tif", tiny_clips.pattern(0))
    assert rotoscope.translate("scan.tif", model=identity).target == "scan.identity.tif"
    assert cv2.imread("scan.identity.tif", cv2.IMREAD_UNCHANGED).dtype == np.uint8


def test_frames_of_python_are_written_as_exr(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=2)
    with rotoscope.Translator(identity, steady="off") as translator, rotoscope.read(str(clip)) as source:
        rotoscope.write(tmp_path / "f_%03d.exr", translator.stream(source))
    assert (tmp_path / "f_001.exr").exists()


def test_linear_and_srgb_are_inverse():
    values = np.linspace(0, 1, 1001)
    assert np.allclose(srgb_from_linear(linear_from_srgb(values)), values, atol=1e-6)
    assert srgb_from_linear(np.array(0.18)) == pytest.approx(0.4613, abs=1e-4)


@pytest.mark.parametrize("ending", [".exr", ".dpx"])
def test_odd_sizes(ending):
    assert encode_picture(ending, np.zeros((33, 35, 3), np.uint16))
