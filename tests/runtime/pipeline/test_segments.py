"""Results in segments: an interrupted run goes on, and the whole is what one run writes."""

from fractions import Fraction

import av
import numpy as np
import pytest
import tiny_clips
import tiny_models

import rotoscope

LOSSLESS = {"encoder_options": ("qp=0", "preset=ultrafast", "bf=2")}


class Stopped(BaseException):
    """Ends a run as a signal does."""


def moving(scene):
    """A picture maker: scenes of texture that moves, each of other brightness; `scene` is their length in frames."""
    drawn = np.random.default_rng(3).integers(0, 150, (96, 512, 3), np.uint8)

    def make(index, width, height):
        number, at = divmod(index, scene)
        return (
            np.roll(drawn, 2 * at, axis=1)[:height, :width] // 2
            + np.uint8(110 * (number % 2))
            + np.uint8(10 * (number % 3))
        )

    return make


def stop_at(frames):
    def stop(progress):
        if progress.done == frames:
            raise Stopped

    return stop


def interrupted(at, clip, target, **options):
    with pytest.raises(Stopped):
        rotoscope.translate(clip, target, resume=True, on_progress=stop_at(at), **options)
    assert not target.exists()


def pictures(path):
    """(time, code values) of each frame."""
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray()) for frame in container.decode(video=0)]


def sound(path):
    with av.open(str(path)) as container:
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in container.demux(audio=0) if packet.size]


@pytest.fixture
def inverting(tmp_path):
    return tiny_models.invert(tmp_path / "invert.onnx")


def header(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        return (
            stream.average_rate,
            stream.time_base,
            context.codec_tag,
            context.pix_fmt,
            context.colorspace,
            container.duration,
        )


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_scenes_are_joined_exactly(ending, tmp_path, inverting):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=75, make=moving(25), sound=True)
    options = {"model": inverting, "segment": 0.5, **LOSSLESS}
    whole, once, twice = (tmp_path / f"{name}{ending}" for name in ("whole", "once", "twice"))
    rotoscope.translate(clip, whole, model=inverting, **LOSSLESS)
    rotoscope.translate(clip, once, resume=True, **options)
    interrupted(60, clip, twice, **options)
    (folder,) = (tmp_path / ".rotoscope" / "segments").iterdir()
    assert sorted(file.name for file in folder.glob("*.json")) == ["000000000.json", "000000025.json"], (
        "two scenes are complete"
    )
    run = rotoscope.translate(clip, twice, resume=True, **options)
    assert (run.frames_in, run.frames_out, run.kept) == (75, 75, ("audio 1 (aac)",))
    assert "50 frames of an earlier run are used" in run.notes
    assert twice.read_bytes() == once.read_bytes(), "interruption leaves no trace"
    assert (sound(twice), header(twice)) == (sound(whole), header(whole))
    expected, found = pictures(whole), pictures(twice)
    assert [time for time, _ in found] == [time for time, _ in expected]
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(expected, found, strict=True))
    assert not (tmp_path / ".rotoscope").exists()


def test_a_scene_without_cuts_goes_on_within_one_code_value(tmp_path, inverting):
    """Blend: frames before the place of interruption are seen again, until what was before them has no influence."""
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=250, size=(96, 64), make=moving(1000))
    whole, resumed = tmp_path / "whole.mkv", tmp_path / "resumed.mkv"
    options = {"model": inverting, "steady": "blend", "strength": 1.0, **LOSSLESS}
    rotoscope.translate(clip, whole, **options)
    interrupted(240, clip, resumed, segment=4.4, **options)
    run = rotoscope.translate(clip, resumed, resume=True, segment=4.4, **options)
    assert "220 frames of an earlier run are used" in run.notes
    expected, found = pictures(whole), pictures(resumed)
    assert [time for time, _ in found] == [time for time, _ in expected]
    worst = max(
        int(np.abs(one.astype(int) - other).max()) for (_, one), (_, other) in zip(expected, found, strict=True)
    )
    assert worst <= 1


@pytest.mark.full
@pytest.mark.parametrize("options", [{"steady": "hypercon"}, {"keyframes": 3}, {"steady": "blend", "has_state": True}])
def test_every_method_is_exact_at_cuts(options, tmp_path, inverting):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=50, make=moving(25))
    options = {**options, **LOSSLESS, "model": inverting}
    if options.pop("has_state", False):
        options["model"] = tiny_models.smoother(tmp_path / "smoother.onnx")
    whole, resumed = tmp_path / "whole.mkv", tmp_path / "resumed.mkv"
    rotoscope.translate(clip, whole, **options)
    interrupted(40, clip, resumed, segment=0.4, **options)
    run = rotoscope.translate(clip, resumed, segment=0.4, resume=True, **options)
    assert "25 frames of an earlier run are used" in run.notes
    for (time, one), (expected_time, other) in zip(pictures(resumed), pictures(whole), strict=True):
        assert time == expected_time
        assert np.array_equal(one, other)


def test_without_state_any_frame_ends_a_segment(tmp_path, inverting):
    """Times are kept, of a clip with a variable rate too."""
    times = [index * 40 + (index % 3) * 7 for index in range(40)]
    clip = tiny_clips.write_clip(tmp_path / "clip.mkv", frames=40, times=times, time_base=Fraction(1, 1000))
    whole, resumed = tmp_path / "whole.mp4", tmp_path / "resumed.mp4"
    options = {"model": inverting, "steady": "off", **LOSSLESS}
    rotoscope.translate(clip, whole, **options)
    interrupted(33, clip, resumed, segment=0.4, **options)
    run = rotoscope.translate(clip, resumed, resume=True, segment=0.4, **options)
    assert "31 frames of an earlier run are used" in run.notes
    for (time, one), (expected_time, other) in zip(pictures(resumed), pictures(whole), strict=True):
        assert time == expected_time
        assert np.array_equal(one, other)


@pytest.mark.parametrize("has_window", [False, True])
def test_the_state_of_networks_passes_from_segment_to_segment(has_window, tmp_path):
    """A recurrent network, also behind one that sees neighbours, goes on as if nothing had happened."""
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=40, make=moving(1000))
    whole, resumed = tmp_path / "whole.mkv", tmp_path / "resumed.mkv"
    window = [tiny_models.mean_of(tmp_path / "mean.onnx", (-2, 0, 1))] if has_window else []
    options = {"model": [*window, tiny_models.smoother(tmp_path / "smoother.onnx")], **LOSSLESS}
    rotoscope.translate(clip, whole, **options)
    interrupted(33, clip, resumed, segment=0.4, **options)
    (folder,) = (tmp_path / ".rotoscope" / "segments").iterdir()
    assert sorted(file.name for file in folder.glob("*.npz")) == [f"0000000{first}.npz" for first in ("00", 10, 20)]
    (folder / "000000020.npz").write_bytes(
        b"x" * (folder / "000000020.npz").stat().st_size
    )  # it is as if it was not there
    run = rotoscope.translate(clip, resumed, resume=True, segment=0.4, **options)
    assert "20 frames of an earlier run are used" in run.notes
    for (time, one), (expected_time, other) in zip(pictures(resumed), pictures(whole), strict=True):
        assert time == expected_time
        assert np.array_equal(one, other)
    assert not (tmp_path / ".rotoscope").exists()


def test_another_option_starts_again(tmp_path, inverting):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=30)
    target = tmp_path / "out.mp4"
    interrupted(25, clip, target, model=inverting, steady="off", segment=0.4)
    run = rotoscope.translate(clip, target, model=inverting, steady="off", segment=0.4, resume=True, mix=0.5)
    assert not any("earlier run" in note for note in run.notes)
    assert len(list((tmp_path / ".rotoscope" / "segments").iterdir())) == 1, "what the first run made stays for it"


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: bytes(len(data))], ids=["empty", "zeros"])
def test_a_damaged_segment_is_made_again(damage, tmp_path, inverting):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=30)
    target, once = tmp_path / "out.mp4", tmp_path / "once.mp4"
    options = {"model": inverting, "steady": "off", "segment": 0.4, "resume": True}
    rotoscope.translate(clip, once, **options)
    interrupted(25, clip, target, model=inverting, steady="off", segment=0.4)
    (folder,) = (tmp_path / ".rotoscope" / "segments").iterdir()
    segment = folder / "000000010.mp4"
    segment.write_bytes(damage(segment.read_bytes()))
    run = rotoscope.translate(clip, target, **options)
    assert "10 frames of an earlier run are used" in run.notes
    assert target.read_bytes() == once.read_bytes()


@pytest.mark.parametrize(
    "codec", [{"codec": "prores_ks", "encoder_options": ("profile=lt",)}, {"codec": "qtrle"}], ids=str
)
def test_a_joined_file_keeps_the_tag_and_the_shape_of_its_pixels(codec, tmp_path, inverting):
    def narrow(_container, stream):
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=6, prepare=narrow)
    options = {"model": inverting, "steady": "off", **codec}
    rotoscope.translate(clip, tmp_path / "once.mov", **options)
    rotoscope.translate(clip, tmp_path / "joined.mov", resume=True, segment=0.1, **options)
    for name in ("once.mov", "joined.mov"):
        with av.open(str(tmp_path / name)) as container:
            stream = container.streams.video[0]
            tag = "apcs" if codec["codec"] == "prores_ks" else "rle "
            assert (stream.codec_context.codec_tag, stream.sample_aspect_ratio) == (tag, Fraction(4, 3)), name


def test_what_cannot_be_divided_is_refused(tmp_path, inverting):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=3)
    with pytest.raises(rotoscope.UsageError, match=r"results of this kind are not joined .*\.mp4.* without --resume"):
        rotoscope.translate(clip, tmp_path / "out.gif", model=inverting, resume=True)
    with pytest.raises(rotoscope.UsageError, match="libsvtav1 is not joined"):
        rotoscope.translate(clip, tmp_path / "out.mp4", model=inverting, resume=True, codec="libsvtav1")
    with pytest.raises(rotoscope.UsageError, match="--passes 2 the encoder must have seen the whole video; accepted"):
        rotoscope.translate(
            clip, tmp_path / "out.mp4", model=inverting, resume=True, passes=2, encoder_options=("b=1M",)
        )
    with pytest.raises(rotoscope.UsageError, match="resume with a loaded model"):
        rotoscope.translate(clip, tmp_path / "out.mp4", model=rotoscope.load(inverting), resume=True)
    with pytest.raises(rotoscope.UsageError, match="--resume with -"):
        rotoscope.translate("-", tmp_path / "out.mp4", model=inverting, resume=True)
    with pytest.raises(rotoscope.InputRefused, match="no such file"):
        rotoscope.translate(tmp_path / "nothing.mp4", tmp_path / "out.mp4", model=inverting, resume=True)
    assert not (tmp_path / ".rotoscope").exists()
