"""Sound and timecode of the source: copied if the container takes them, recoded when asked, and said if left out."""

from fractions import Fraction

import av
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.runtime.media.timecode import shifted

SOUNDS = {
    "pcm_alaw": (8000, ".mov"), "pcm_mulaw": (8000, ".mov"), "adpcm_ms": (44100, ".avi"), "adpcm_ima_wav": (44100, ".avi"),
    "wmav2": (44100, ".avi"), "g726": (8000, ".avi"), "pcm_s24le": (48000, ".mov"), "aac": (48000, ".mp4"),
}  # fmt: skip


def tone(start, count, rate):
    wave = np.sin(np.arange(start, start + count) / rate * 2 * np.pi * 440) * 0.3
    return np.rint(wave * 32767).astype(np.int16)[None]


def clip_with_sound(path, codec, rate, *, frames=25, begins=Fraction(0), skip=()):
    """A clip with one channel of sound; `skip` are numbers of frames of sound that are left out."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(codec, rate=rate, layout="mono")
        if codec.startswith("wma"):
            audio.codec_context.bit_rate = 64000
        for index in range(frames):
            picture = av.VideoFrame.from_ndarray(tiny_clips.pattern(index), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(video.encode(picture))
        if not audio.codec_context.is_open:
            audio.codec_context.open()
        size = audio.codec_context.frame_size or 1024
        resampler = av.AudioResampler(format=audio.codec_context.format, layout="mono", rate=rate)
        for number, start in enumerate(range(0, rate * frames // 25, size)):
            if number in skip:
                continue
            frame = av.AudioFrame.from_ndarray(tone(start, size, rate), format="s16", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + int(begins * rate)
            for ready in resampler.resample(frame):
                container.mux(audio.encode(ready))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def sound_of(path):
    """(codec, packets, seconds of the first sample, samples as (n,) floats, sample rate) of the one stream of sound."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        codec, rate = stream.codec_context.name, stream.codec_context.sample_rate
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        decoded = list(container.decode(audio=0))
        frames = [ready for frame in decoded for ready in resampler.resample(frame)]
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
    return codec, packets, float(decoded[0].pts * decoded[0].time_base), samples, rate


def loudness(samples):
    return float(np.sqrt(np.mean(np.square(samples))))


@pytest.mark.parametrize("codec", ["pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav", "wmav2", "g726"])
def test_sound_of_cameras_is_copied_into_matroska(codec, tmp_path, identity):
    rate, ending = SOUNDS[codec]
    source = clip_with_sound(tmp_path / f"clip{ending}", codec, rate)
    run = rotoscope.translate(source, tmp_path / "a name: 'with|signs' [x].mkv", model=identity, steady="off")
    before, after = sound_of(source), sound_of(tmp_path / "a name: 'with|signs' [x].mkv")
    assert after[0] == codec
    assert b"".join(after[1]) == b"".join(before[1])
    assert any(kept.startswith("audio 1") for kept in run.kept)
    again = rotoscope.translate(run.target, tmp_path / "again.mkv", model=identity, steady="off")
    assert sound_of(again.target)[1] == after[1]


def test_the_note_names_containers_that_take_the_sound(tmp_path, identity):
    source = clip_with_sound(tmp_path / "clip.mov", "pcm_alaw", 8000)
    run = rotoscope.translate(source, tmp_path / "out.mp4", model=identity)
    assert (
        "audio 1 (pcm_alaw) is left out: mp4 does not take it; .mov and .mkv do; --audio auto recodes it as aac"
        in run.notes
    )


def test_a_result_with_such_sound_is_whole_or_not_there(tmp_path, identity):
    source = clip_with_sound(tmp_path / "clip.mov", "pcm_alaw", 8000)
    before = sorted(path.name for path in tmp_path.iterdir())
    rotoscope.translate(source, tmp_path / "out.mkv", model=identity)
    with pytest.raises(rotoscope.UsageError, match="exists"):
        rotoscope.translate(source, tmp_path / "out.mkv", model=identity)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "out.mkv"])


@pytest.mark.parametrize(("ending", "codec"), [(".mp4", "aac"), (".mov", "aac"), (".webm", "opus")])
def test_auto_recodes_what_the_container_does_not_take(ending, codec, tmp_path, identity):
    source = clip_with_sound(tmp_path / "clip.avi", "wmav2", 44100, frames=50)
    run = rotoscope.translate(source, tmp_path / f"out{ending}", model=identity, steady="off", audio="auto")
    before, after = sound_of(source), sound_of(tmp_path / f"out{ending}")
    assert after[0] == codec
    assert abs(after[2] - before[2]) < 0.06
    assert loudness(after[3]) == pytest.approx(loudness(before[3]), rel=0.1)
    assert len(after[3]) / after[4] == pytest.approx(len(before[3]) / before[4], abs=0.1)
    assert f"audio 1 (wmav2 recoded as {codec})" in run.notes


def test_auto_copies_what_fits(tmp_path, identity):
    source = clip_with_sound(tmp_path / "clip.mp4", "aac", 48000)
    rotoscope.translate(source, tmp_path / "out.mp4", model=identity, audio="auto")
    assert sound_of(tmp_path / "out.mp4")[1] == sound_of(source)[1]


def test_recoded_sound_of_a_part_begins_with_the_pictures(tmp_path, identity):
    source = clip_with_sound(tmp_path / "clip.avi", "pcm_alaw", 8000, frames=75)
    rotoscope.translate(source, tmp_path / "out.mp4", model=identity, steady="off", audio="auto", start=1, duration=1)
    _, _, begins, samples, rate = sound_of(tmp_path / "out.mp4")
    assert abs(begins) < 0.15
    assert len(samples) / rate == pytest.approx(1, abs=0.2)


def test_a_gap_in_recoded_sound_becomes_silence(tmp_path, identity):
    source = clip_with_sound(tmp_path / "clip.mkv", "pcm_s16le", 8000, frames=75, skip=range(8, 12))
    rotoscope.translate(source, tmp_path / "out.webm", model=identity, steady="off", audio="auto")
    _, _, _, samples, rate = sound_of(tmp_path / "out.webm")
    middle = samples[int(1.2 * rate) : int(1.4 * rate)]
    assert loudness(middle) < 0.02
    assert loudness(samples[int(2 * rate) : int(2.5 * rate)]) > 0.15


def test_none_drops_the_sound(tmp_path, identity):
    source = clip_with_sound(tmp_path / "clip.mp4", "aac", 48000)
    run = rotoscope.translate(source, tmp_path / "out.mp4", model=identity, audio="none")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio
    assert not [kept for kept in run.kept if kept.startswith("audio")]


def test_an_unknown_way_with_sound_is_refused():
    with pytest.raises(rotoscope.UsageError, match="audio='mp3'; accepted: copy, auto, none"):
        rotoscope.translate("clip.mp4", model="scream", audio="mp3")


def test_pcm_in_mp4_is_said(tmp_path, identity):
    source = clip_with_sound(tmp_path / "clip.mov", "pcm_s24le", 48000)
    run = rotoscope.translate(source, tmp_path / "out.mp4", model=identity)
    assert "audio 1 (pcm_s24le): many players do not read PCM in mp4; .mov and .mkv are safe" in run.notes
    assert "PCM" not in str(rotoscope.translate(source, tmp_path / "out.mov", model=identity).notes)


# Timecode


def clip_with_timecode(path, timecode="01:00:00:00", frames=50):
    def prepare(_container, stream):
        stream.metadata["timecode"] = timecode

    return tiny_clips.write_clip(path, frames=frames, prepare=prepare)


def timecode_of(path):
    with av.open(str(path)) as container:
        everywhere = [container.metadata, *(stream.metadata for stream in container.streams)]
        return {value for entries in everywhere for key, value in entries.items() if key.lower() == "timecode"}


@pytest.mark.parametrize("ending", [".mov", ".mp4", ".mkv"])
def test_timecode_is_carried(ending, tmp_path, identity):
    source = clip_with_timecode(tmp_path / "clip.mov")
    run = rotoscope.translate(source, tmp_path / f"out{ending}", model=identity, steady="off")
    assert timecode_of(tmp_path / f"out{ending}") == {"01:00:00:00"}
    assert "timecode 01:00:00:00" in run.kept
    again = rotoscope.translate(run.target, tmp_path / "again.mov", model=identity, steady="off")
    assert timecode_of(again.target) == {"01:00:00:00"}


def test_timecode_of_a_part_is_its_own(tmp_path, identity):
    source = clip_with_timecode(tmp_path / "clip.mov")
    rotoscope.translate(source, tmp_path / "out.mov", model=identity, steady="off", start=1.2)
    assert timecode_of(tmp_path / "out.mov") == {"01:00:01:05"}


def test_a_timecode_that_the_container_does_not_hold_is_said(tmp_path, identity):
    source = clip_with_timecode(tmp_path / "clip.mov", frames=5)
    run = rotoscope.translate(source, tmp_path / "out.webm", model=identity, steady="off")
    assert "timecode left out: 01:00:00:00; .mov and .mkv hold one" in run.notes


@pytest.mark.parametrize(("timecode", "frames", "rate", "later"), [
    ("01:00:00:00", 250, Fraction(25), "01:00:10:00"),
    ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
    ("00:00:59;29", 1, Fraction(30000, 1001), "00:01:00;02"),
    ("00:09:59;29", 1, Fraction(30000, 1001), "00:10:00;00"),
    ("00:00:00;00", 17981, Fraction(30000, 1001), "00:09:59;29"),
    ("00:00:00;00", 17982, Fraction(30000, 1001), "00:10:00;00"),
    ("00:00:00:00", 1800, Fraction(30000, 1001), "00:01:00:00"),
    ("00:00:59;59", 1, Fraction(60000, 1001), "00:01:00;04"),
])  # fmt: skip
def test_timecode_counts_frames(timecode, frames, rate, later):
    assert shifted(timecode, frames / rate, rate) == later
