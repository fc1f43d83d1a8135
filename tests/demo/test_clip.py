from fractions import Fraction

import av
import numpy as np
import pytest

from rotoscope.base.errors import UsageError
from rotoscope.demo import Scene, Sensor, make_clip
from rotoscope.demo.clip import noisy_frames
from rotoscope.demo.encode_clip import _subsampled, encode_clip

FPS = Fraction(30000, 1001)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "clip.mp4"
    make_clip(path, width=320, height=180, num_frames=40)
    return path


def test_pictures_come_at_their_times(clip):
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == FPS
        times = [frame.pts * frame.time_base for frame in container.decode(stream)]
    assert times == [t / FPS for t in range(40)]


def test_colour_is_tagged_and_pictures_are_the_scene(clip):
    with av.open(str(clip)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (6, 6, 1, 1)
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    scene = Scene(320, 180, 40)
    for t in (0, 25):
        difference = pictures[t] / 255 - scene.picture(t)
        assert np.abs(difference.mean(axis=(0, 1))).max() < 0.015  # drift and the reader's rounding
        assert np.sqrt((difference**2).mean()) < 0.04  # noise and compression


def test_sound_is_as_long_as_the_pictures(clip):
    with av.open(str(clip)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.layout.name) == ("aac", 48_000, "stereo")
        assert stream.duration * stream.time_base == pytest.approx(
            float(40 / FPS), abs=0.001
        )  # edit lists of mp4 count ms
        frames = list(container.decode(stream))
    samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    assert frames[0].pts == 0
    assert samples.shape[0] == 2
    assert samples.shape[1] == pytest.approx(40 / FPS * 48_000, abs=1024)  # AAC comes in blocks of 1024
    assert 0.2 < np.abs(samples).max() < 0.8


def test_what_is_encoded_is_deterministic():
    first, second = (list(noisy_frames(Scene(96, 54, 3), Sensor())) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("size", "matrix"), [((720, 1280), 1), ((90, 160), 6)])
def test_colours_survive_either_matrix(tmp_path, size, matrix):
    """Flat patches: only conversion, tags and rounding contribute, at most 3 code values."""
    colours = np.array([[200, 40, 40], [40, 180, 60], [50, 60, 210], [128, 128, 128]], np.uint8)
    picture = np.repeat(np.repeat(colours[None], size[0], axis=0), size[1] // 4, axis=1)
    encode_clip(tmp_path / "patches.mp4", [picture] * 2, rate=Fraction(25), sound=None, sample_rate=48_000)
    with av.open(str(tmp_path / "patches.mp4")) as container:
        assert not container.streams.audio
        assert container.streams.video[0].codec_context.colorspace == matrix
        seen = next(container.decode(video=0)).to_ndarray(format="rgb24")
    centres = seen[size[0] // 2, size[1] // 8 :: size[1] // 4]
    np.testing.assert_allclose(centres.astype(int), colours.astype(int), atol=3)


def test_chroma_is_sited_left():
    """Chroma sample c lies at column 2c and midway between rows 2r and 2r + 1; measured on ramps from blue to red."""
    across = np.zeros((256, 256, 3), np.uint8)
    across[..., 0] = np.arange(256)
    across[..., 2] = 255 - across[..., 0]
    slope = 224 * (0.5 + 0.0813) / 255  # of Cr per column
    for down, expected in ((False, 0.0), (True, 0.5)):
        rising = across.transpose(1, 0, 2) if down else across
        shifts = []
        for picture, sign in ((rising, 1), (rising[::-1, ::-1], -1)):  # rounding shifts the two in opposite directions
            cr = _subsampled(np.ascontiguousarray(picture), 6).to_ndarray()[320:].reshape(128, 128).astype(float)
            profile = cr.mean(axis=1 if down else 0)
            red = picture[::2, 0, 0] if down else picture[0, ::2, 0]
            cr_at_even = 128 + 224 * (0.5 * red - 0.0813 * (255 - red.astype(float))) / 255
            shifts.append(((profile - cr_at_even) / (sign * slope))[2:-2].mean())
        assert np.mean(shifts) == pytest.approx(expected, abs=0.1)


def test_impossible_clips_are_refused(tmp_path):
    black = np.zeros((90, 160, 3), np.uint8)
    for frames, sound, words in (
        ([], None, "at least one frame"),
        ([black[:89]], None, "must be even"),
        ([black, black[:80]], None, "frame 1 has shape"),
        ([black], np.zeros((10,), np.int16), r"int16 \(samples, 2\)"),
    ):
        with pytest.raises(UsageError, match=words):
            encode_clip(tmp_path / "no.mp4", frames, rate=Fraction(25), sound=sound, sample_rate=48_000)
