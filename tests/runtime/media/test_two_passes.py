"""Two passes of an encoder: the bit rate is met more closely, times and sound stay, and the result is complete or absent."""

import signal
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.base.frame import Frame, Picture

RATE = 200_000  # bits per second


def easy_then_hard(folder, frames=48):
    """A clip whose first half is flat and whose second half is noise that moves: one pass spends too little or too much."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (96, 128, 3), np.uint8)

    def pictures():
        for index in range(frames):
            image = np.full_like(noise, 40 + index) if index < frames // 2 else np.roll(noise, 2 * index, axis=1)
            pixels = np.concatenate([image, image[..., :1]], axis=2).astype(np.float32) / 255
            picture = Picture((image,))
            yield Frame(index, index * 40 + (index > 3), Fraction(1, 1000), 40, picture, result=Picture((pixels,)))

    path = folder / "hard.mkv"
    rotoscope.write(str(path), pictures(), codec="ffv1")
    return path


def bits_per_second(path, frames=48):
    with av.open(str(path)) as container:
        return sum(packet.size for packet in container.demux(video=0)) * 8 / (frames / 25)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_two_passes_come_closer_to_the_bit_rate(codec, tmp_path, identity):
    clip = easy_then_hard(tmp_path)
    rates, times = [], []
    for passes in (1, 2):
        out = tmp_path / f"{passes}.mp4"
        rotoscope.translate(
            str(clip), str(out), model=identity, steady="off", codec=codec, passes=passes,
            encoder_options=(f"b={RATE}",), threads=1,
        )  # fmt: skip
        rates.append(bits_per_second(out))
        times.append([frame.seconds for frame in rotoscope.read(str(out))])
    assert abs(rates[1] - RATE) < abs(rates[0] - RATE)
    assert times[0] == times[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.mp4", "2.mp4", "hard.mkv"]


def test_sound_is_copied(tmp_path, identity):
    clip = tiny_clips.write_clip(tmp_path / "c.mp4", frames=4, size=(64, 48), sound=True)
    run = rotoscope.translate(
        str(clip), str(tmp_path / "out.mp4"), model=identity, steady="off", passes=2, encoder_options=("b=100k",)
    )
    assert run.frames == 4
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
