"""The number that a picture carries is found again after noise, scaling, inversion and lossy coding, or not at all."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotoscope.runtime.media.frame_code import NUMBERS, FrameCode, code_bottom, read_code, write_code
from rotoscope.runtime.media.synthetic import SyntheticSource

numbers = st.integers(0, NUMBERS - 1)
codes = st.builds(FrameCode, numbers, st.booleans(), st.booleans())


def coded(code, size=(128, 72), level=90):
    width, height = size
    luma = np.full((height, width), level, np.uint8)
    write_code(luma, code)
    return luma


@given(codes, st.tuples(st.integers(64, 700), st.integers(64, 500)))
def test_a_code_is_read_at_every_size(code, size):
    assert read_code(coded(code, size)) == code


@given(codes, st.integers(0, 1000))
def test_a_code_survives_noise(code, seed):
    luma = coded(code)
    noise = np.random.default_rng(seed).normal(0, 20, luma.shape)
    assert read_code(np.clip(luma + noise, 0, 255).astype(np.uint8)) == code


@given(numbers, st.booleans())
def test_an_inverted_picture_says_so(number, flash):
    assert read_code(255 - coded(FrameCode(number, flash))) == FrameCode(number, flash, is_inverted=True)


@given(codes, st.tuples(st.integers(100, 700), st.integers(64, 500)), st.sampled_from(["AREA", "LINEAR", "CUBIC"]))
def test_a_code_survives_scaling_of_any_aspect(code, size, interpolation):
    scaled = cv2.resize(coded(code, (320, 180)), size, interpolation=getattr(cv2, f"INTER_{interpolation}"))
    assert read_code(scaled) == code


@given(codes, st.floats(0.5, 1), st.integers(0, 80))
def test_a_code_survives_less_contrast_and_another_brightness(code, factor, shift):
    assert read_code(coded(code) * factor + shift) == code


@given(codes, st.integers(40, 100), st.sampled_from([(320, 180), (640, 360), (250, 130)]))
def test_a_code_survives_jpeg(code, quality, size):
    _, data = cv2.imencode(".jpg", coded(code, size), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert read_code(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)) == code


@given(numbers, numbers)
def test_a_mixture_of_two_frames_has_no_number(one, other):
    mixed = (coded(FrameCode(one)).astype(int) + coded(FrameCode(other))) // 2
    assert read_code(mixed) == (FrameCode(one) if one == other else None)


@given(numbers, numbers)
def test_rows_of_two_frames_have_no_number(one, other):
    torn = coded(FrameCode(one))
    torn[6:] = coded(FrameCode(other))[6:]  # here the second row begins
    assert read_code(torn) in ((FrameCode(one),) if one == other else (None,))


@pytest.mark.parametrize("level", [0, 16, 128, 255])
def test_a_plain_picture_has_no_number(level):
    assert read_code(np.full((72, 128), level, np.uint8)) is None


def test_the_picture_below_the_code_is_left_as_it_is():
    luma = coded(FrameCode(5), (640, 360))
    assert np.all(luma[code_bottom(360) :] == 90) and np.any(luma[code_bottom(360) - 1] != 90)


@pytest.mark.parametrize("codec, options", [
    ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "crf": "35"}),
    ("libx264", {"preset": "veryfast", "tune": "zerolatency", "b": "300000", "maxrate": "300000", "bufsize": "150000"}),
    ("libvpx", {"deadline": "realtime", "cpu-used": "8", "b": "250000"}),
    ("mjpeg", {"qmin": "12", "qmax": "12"}),
])  # fmt: skip
def test_codes_of_a_moving_picture_survive_a_codec(codec, options):
    decoded = [read_code(luma) for luma in through(codec, options, num_frames=45)]
    expected = [FrameCode(number) for number in range(45)]
    assert decoded == expected


def through(codec, options, *, num_frames, size=(320, 180)):
    """The luma of the frames of `synthetic:` after coding and decoding."""
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, pixel_format
    encoder.time_base, encoder.framerate, encoder.options = Fraction(1, 30), Fraction(30), options
    encoder.thread_count = 1
    decoder = av.CodecContext.create({"libx264": "h264", "libvpx": "vp8"}.get(codec, codec), "r")
    for frame in SyntheticSource(size, Fraction(30), num_frames):
        flat = np.concatenate([plane.ravel() for plane in frame.source.planes]).reshape(-1, size[0])
        shown = av.VideoFrame.from_ndarray(flat, format="yuv420p")
        if codec == "mjpeg":
            shown = shown.reformat(format=pixel_format, src_color_range="MPEG", dst_color_range="JPEG")
        shown.pts = frame.index
        for packet in encoder.encode(shown):
            yield from map(luma_of, decoder.decode(packet))
    for packet in encoder.encode(None):
        yield from map(luma_of, decoder.decode(packet))
    yield from map(luma_of, decoder.decode(None))


def luma_of(frame):
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].copy()
