"""Two passes of an encoder: the bit rate is met more closely, times and sound stay, and the result is complete or absent."""

import signal
import subprocess
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.base.frame import Frame, Picture

RATE = 60_000  # bits per second
FRAMES = 100


def hard_then_easy():
    """Noise that moves, then flat frames: one pass does not know in the first half that the second needs few bits."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8), (0, 0), 2)
    for index in range(FRAMES):
        image = np.roll(noise, 2 * index, axis=1) if index < FRAMES // 2 else np.full_like(noise, 40 + index)
        pixels = np.concatenate([image, image[..., :1]], axis=2).astype(np.float32) / 255
        picture = Picture((image,))
        yield Frame(index, 40 * index + index // 7, Fraction(1, 1000), 40, picture, result=Picture((pixels,)))


def bits_per_second(path):
    with av.open(str(path)) as container:
        return sum(packet.size for packet in container.demux(video=0)) * 8 / (FRAMES / 25)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_two_passes_come_closer_to_the_bit_rate(codec, tmp_path):
    rates, times = [], []
    for passes in (1, 2):
        out = tmp_path / f"{passes}.mp4"
        rotoscope.write(out, hard_then_easy(), codec=codec, passes=passes, encoder_options=(f"b={RATE}",))
        rates.append(bits_per_second(out))
        times.append([frame.seconds for frame in rotoscope.read(out)])
    assert abs(rates[1] - RATE) < abs(rates[0] - RATE)
    assert times[0] == times[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.mp4", "2.mp4"]


def test_sound_is_copied(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "c.mp4", frames=4, size=(64, 48), sound=True)
    run = rotoscope.translate(
        str(clip), str(tmp_path / "out.mp4"), model=identity, steady="off", passes=2, encoder_options=("b=100k",)
    )
    assert run.frames_out == 4
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("o.webm", {}, "--passes 2 with libvpx-vp9: it has no file for the statistics.*accepted: libx264, libx265"),
        ("o.mp4", {"codec": "libsvtav1", "encoder_options": ("b=1M",)}, "--passes 2 with libsvtav1"),
        ("o.mp4", {}, "--passes 2 without a bit rate; accepted: .*-e b=5M"),
        ("o.mp4", {"encoder_options": ("b=1M", "pix_fmt=nv12")}, "--passes 2 with -e pix_fmt=nv12"),
        ("o.png", {}, "--passes 2: passes are for videos"),
        ("o.mp4", {"passes": 3}, "passes=3; accepted: 1 to 2"),
    ],
)
def test_what_two_passes_need(target, options, words, tmp_path, identity):
    with pytest.raises(rotoscope.UsageError, match=words):
        rotoscope.translate(
            "synthetic:64x64@25:2", str(tmp_path / target), model=identity, steady="off", **({"passes": 2} | options)
        )
    assert not list(tmp_path.iterdir())


def test_an_error_leaves_nothing(tmp_path, identity):
    def frames():
        yield from list(rotoscope.Translator(identity, steady="off").stream(rotoscope.read("synthetic:64x64@25:2")))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotoscope.write(str(tmp_path / "o.mp4"), frames(), passes=2, encoder_options=("b=100k",))
    assert not list(tmp_path.iterdir())


def test_what_a_kill_leaves_goes_with_the_next_run(tmp_path, identity):
    script = (
        "import os, signal, sys, rotoscope\n"
        "from rotoscope.runtime.media import two_pass_sink\n"
        "two_pass_sink.picture_of = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "rotoscope.translate('synthetic:64x64@25:2', sys.argv[1], model=sys.argv[2], steady='off', passes=2,"
        " encoder_options=('b=100k',))\n"
    )
    target = tmp_path / "o.mp4"
    killed = subprocess.run([sys.executable, "-c", script, str(target), str(identity)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    assert list(tmp_path.iterdir())
    rotoscope.translate("synthetic:64x64@25:2", str(target), model=identity, steady="off")
    assert [path.name for path in tmp_path.iterdir()] == ["o.mp4"]
