"""What is written: containers, pictures, encoder options, copied streams; under the final name only when complete."""

import os
import subprocess
import sys
from fractions import Fraction

import av
import cv2
import independent
import numpy as np
import pytest
import tiny_clips
import tiny_models
from said import said

import rotoscope
from rotoscope.runtime.media.encoder import ordinary_priority


@pytest.fixture
def clip(tmp_path):
    return tiny_clips.write_clip(tmp_path / "clip.mp4", sound=True)


@pytest.fixture
def translate(clip, identity):
    """Translate `clip` with the identity model."""
    return lambda target, source=clip, **options: rotoscope.translate(source, target, model=identity, **options)


def names(folder):
    return sorted(item.name for item in folder.iterdir())


@pytest.mark.parametrize(("ending", "container", "codec"), [
    (".mp4", "mov,mp4,m4a,3gp,3g2,mj2", "h264"),
    (".m4v", "mov,mp4,m4a,3gp,3g2,mj2", "h264"),
    (".mov", "mov,mp4,m4a,3gp,3g2,mj2", "h264"),
    (".mkv", "matroska,webm", "h264"),
    (".webm", "matroska,webm", "vp9"),
    (".gif", "gif", "gif"),
    (".y4m", "yuv4mpegpipe", "rawvideo"),
])  # fmt: skip
def test_the_ending_chooses_container_and_codec(ending, container, codec, translate, tmp_path):
    target = tmp_path / f"out{ending}"
    assert translate(target).frames_out == 8
    with av.open(str(target)) as opened:
        stream = opened.streams.video[0]
        assert (opened.format.name, stream.codec_context.name.removeprefix("lib").split("-")[-1]) == (container, codec)
        assert (stream.width, stream.height) == (64, 48)
    assert names(tmp_path) == sorted(["clip.mp4", target.name])


def test_an_unknown_ending_lists_the_known_ones(translate, tmp_path):
    with pytest.raises(rotoscope.UsageError, match=r"unknown ending \.xyz; accepted: \.mp4"):
        translate(tmp_path / "out.xyz")


@pytest.mark.parametrize(("codec", "ending", "name"), [
    ("libx265", ".mp4", "hevc"), ("ffv1", ".mkv", "ffv1"), ("prores_ks", ".mov", "prores"), ("libsvtav1", ".mp4", "av1"),
    ("mpeg4", ".mp4", "mpeg4"),
])  # fmt: skip
def test_other_encoders_by_name(codec, ending, name, translate, tmp_path):
    if codec not in av.codec.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    translate(tmp_path / f"out{ending}", codec=codec)
    with av.open(str(tmp_path / f"out{ending}")) as opened:
        found = opened.streams.video[0].codec_context.name
        assert name in (found, {"libdav1d": "av1"}.get(found))
    assert len(independent.video_times(tmp_path / f"out{ending}")) == 8


@pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="no scheduling policies here")
def test_a_thread_that_opens_an_encoder_keeps_its_scheduling(monkeypatch):
    """SVT-AV1 makes it a real-time one where it may; pretend that it did."""
    policies, restored = iter([os.SCHED_OTHER, os.SCHED_FIFO, os.SCHED_OTHER, os.SCHED_OTHER]), []
    monkeypatch.setattr(os, "sched_getscheduler", lambda _thread: next(policies))
    monkeypatch.setattr(os, "sched_setscheduler", lambda _thread, policy, _parameters: restored.append(policy))
    with ordinary_priority():
        pass
    assert restored == [os.SCHED_OTHER]
    with ordinary_priority():  # nothing to restore
        pass
    assert restored == [os.SCHED_OTHER]


def test_ten_bits_stay_ten_bits(videos, identity, tmp_path):
    run = rotoscope.translate(videos / "colour" / "h264_10bits.mp4", tmp_path / "out.mp4", model=identity)
    assert run.encoder == "libx264 yuv420p10le"


@pytest.mark.parametrize(("options", "words"), [
    ({"codec": "libx246"}, "no such video encoder; near: .*libx264"),
    ({"codec": "aac"}, "no such video encoder"),
    ({"encoder_options": ("crff=20",)}, "libx264 has no option crff; near: crf"),
    ({"encoder_options": ("g=-7000000000",)}, "libx264 does not open"),
    ({"encoder_options": ("crf=abc",)}, "libx264 does not open"),
    ({"encoder_options": ("preset=fastest",)}, "libx264 does not open"),
    ({"encoder_options": ("crf",)}, "accepted: key=value"),
    ({"encoder_options": ("pix_fmt=rgb565",)}, "pix_fmt=rgb565; accepted: yuv420p"),
    ({"codec": "prores_ks"}, r"\.mp4 does not take it; those that do: \.mov, \.mkv"),
])  # fmt: skip
def test_encoder_settings_are_checked_before_any_work(options, words, translate, tmp_path):
    with pytest.raises(rotoscope.UsageError, match=words):
        translate(tmp_path / "out.mp4", **options)
    assert names(tmp_path) == ["clip.mp4"]


def test_encoder_options_take_effect(translate, tmp_path):
    translate(tmp_path / "small.mp4", encoder_options=("crf=50",))
    translate(tmp_path / "large.mp4", encoder_options=("crf=5", "pix_fmt=yuv444p"))
    assert (tmp_path / "small.mp4").stat().st_size < (tmp_path / "large.mp4").stat().st_size
    with av.open(str(tmp_path / "large.mp4")) as opened:
        assert opened.streams.video[0].pix_fmt == "yuv444p"


def test_movflags_reach_the_muxer(translate, tmp_path):
    translate(tmp_path / "fast.mp4", encoder_options=("movflags=faststart",))
    content = (tmp_path / "fast.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(
    ("size", "codec", "pixel_format"), [((65, 47), "libx264", "yuv444p"), ((65, 48), "libvpx-vp9", "yuv420p")]
)
def test_odd_sizes_are_kept(size, codec, pixel_format, identity, tmp_path):
    source = tiny_clips.write_clip(tmp_path / "odd.mkv", size=size, codec="ffv1")
    run = rotoscope.translate(source, tmp_path / "out.mkv", model=identity, codec=codec)
    assert run.encoder == f"{codec} {pixel_format}"
    assert independent.sizes(tmp_path / "out.mkv")[:2] == size
    assert any("odd size" in note for note in run.notes) == (codec == "libx264")


def test_a_gif_has_its_own_palette_for_every_frame(videos, identity, tmp_path):
    source = videos / "clips" / "newtonscradle.gif"
    rotoscope.translate(source, tmp_path / "out.gif", model=identity)
    assert independent.video_times(tmp_path / "out.gif") == independent.video_times(source)
    pairs = zip(independent.video_frames(source), independent.video_frames(tmp_path / "out.gif"), strict=True)
    assert min(independent.psnr(independent.rgb(a), independent.rgb(b)) for a, b in pairs) >= 28


@pytest.mark.parametrize(("ending", "decibels"), [(".png", 99), (".jpg", 33), (".jpeg", 33), (".webp", 33)])
def test_pictures_in_every_format(ending, decibels, identity, tmp_path):
    cv2.imwrite(str(tmp_path / "in.png"), tiny_clips.pattern(5)[..., ::-1])
    rotoscope.translate(tmp_path / "in.png", tmp_path / f"out{ending}", model=identity)
    made = cv2.imread(str(tmp_path / f"out{ending}"))[..., ::-1]
    assert independent.psnr(made.astype(float), tiny_clips.pattern(5).astype(float)) >= decibels


def test_a_video_becomes_a_folder_or_a_numbered_sequence(translate, tmp_path):
    translate(tmp_path / "shots")
    assert names(tmp_path / "shots") == [f"{n:05d}.png" for n in range(8)]
    (tmp_path / "here").mkdir()
    translate(tmp_path / "here" / "f_%03d.jpg")
    assert names(tmp_path / "here") == [f"f_{n:03d}.jpg" for n in range(8)]
    made = cv2.imread(str(tmp_path / "shots" / "00003.png"))
    assert np.abs(made[..., ::-1].astype(int) - tiny_clips.pattern(3)).mean() < 4  # 4:2:0 on the way


def test_a_folder_of_pictures_keeps_its_names(identity, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("b2.jpg", "b10.jpg", "a.png"):
        cv2.imwrite(str(tmp_path / "in" / name), tiny_clips.pattern(0))
    rotoscope.translate(tmp_path / "in", tmp_path / "out", model=identity)
    assert names(tmp_path / "out") == ["a.png", "b10.png", "b2.png"]


def test_a_sequence_becomes_a_video_at_its_rate(identity, tmp_path):
    (tmp_path / "in").mkdir()
    for n in range(4):
        cv2.imwrite(str(tmp_path / "in" / f"{n}.png"), tiny_clips.pattern(n))
    rotoscope.translate(tmp_path / "in", tmp_path / "out.mp4", model=identity, rate=12)
    assert independent.video_times(tmp_path / "out.mp4") == [Fraction(n, 12) for n in range(4)]


def test_a_video_does_not_fit_in_one_picture(translate, tmp_path):
    with pytest.raises(rotoscope.UsageError, match=r"more than one frame; give a folder or out_%05d\.png"):
        translate(tmp_path / "out.png")
    assert names(tmp_path) == ["clip.mp4"]


def test_a_full_folder_is_not_filled_up_without_overwrite(translate, tmp_path):
    translate(tmp_path / "shots")
    with pytest.raises(rotoscope.UsageError, match="there are files already; --overwrite"):
        translate(tmp_path / "shots")
    assert translate(tmp_path / "shots", overwrite=True).frames_out == 8


def test_codecs_are_for_videos(translate, tmp_path):
    with pytest.raises(rotoscope.UsageError, match="are for videos"):
        translate(tmp_path / "shots", codec="libx264")


@pytest.fixture
def shots(tmp_path):
    (tmp_path / "shots").mkdir()
    for name in ("f_01.png", "f_02.png"):
        cv2.imwrite(str(tmp_path / "shots" / name), tiny_clips.pattern(0)[..., ::-1])
    return tmp_path / "shots"


@pytest.mark.parametrize(
    ("source", "target"), [("*.png", ""), ("f_%02d.png", "f_%02d.png"), ("*_0?.png", "f_%02d.png")]
)
def test_pictures_of_the_source_are_never_replaced(source, target, shots, tmp_path):
    before = {item.name: item.read_bytes() for item in shots.iterdir()}
    with pytest.raises(rotoscope.UsageError, match="is a picture of the source"):
        rotoscope.translate(
            shots / source, shots / target, model=tiny_models.invert(tmp_path / "i.onnx"), overwrite=True
        )
    assert {item.name: item.read_bytes() for item in shots.iterdir()} == before


def test_results_may_stand_beside_their_sources(shots, identity):
    rotoscope.translate(shots / "f_%02d.png", shots / "made_%02d.png", model=identity)
    assert names(shots) == ["f_01.png", "f_02.png", "made_01.png", "made_02.png"]


def test_pictures_that_differ_only_in_their_ending_stay_apart(shots, identity, tmp_path):
    cv2.imwrite(str(shots / "f_01.jpg"), tiny_clips.pattern(0))
    rotoscope.translate(shots, tmp_path / "out", model=identity)
    assert names(tmp_path / "out") == ["f_01.jpg.png", "f_01.png.png", "f_02.png"]


@pytest.mark.parametrize(("ending", "tick"), [(".mkv", Fraction(1, 1000)), (".gif", Fraction(1, 100))])
def test_frames_closer_than_the_containers_clock_keep_their_order(ending, tick, identity, tmp_path):
    source = tiny_clips.write_clip(tmp_path / "fast.mp4", time_base=Fraction(1, 5000), times=range(8))
    run = rotoscope.translate(source, tmp_path / f"out{ending}", model=identity)
    times = independent.video_times(tmp_path / f"out{ending}")
    assert times == [n * tick for n in range(8)]
    assert any("moved by one tick of the container's clock" in note for note in run.notes)


def lasts(path):
    """Seconds from the first frame to the end of the last one."""
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        packets = [packet for packet in opened.demux(stream) if packet.size]
        begin, end = min(packet.pts for packet in packets), max(packet.pts + packet.duration for packet in packets)
        return (end - begin) * stream.time_base


@pytest.mark.parametrize("name", ["timing/nasa_13013_vfr.mp4", "clips/newtonscradle.gif", "codecs/animated.gif"])
def test_the_last_frame_is_shown_as_long_as_in_the_source(name, videos, identity, tmp_path):
    source = videos / name
    rotoscope.translate(source, tmp_path / f"out{source.suffix}", model=identity)
    assert lasts(tmp_path / f"out{source.suffix}") == lasts(source)


def test_raw_video_keeps_its_times(identity, tmp_path):
    times = [0, 1, 5, 6, 20, 21, 22, 40]
    source = tiny_clips.write_clip(tmp_path / "vfr.mp4", times=times)
    rotoscope.translate(source, tmp_path / "out.mkv", model=identity, codec="rawvideo")
    assert independent.video_times(tmp_path / "out.mkv") == [Fraction(n, 25) for n in times]


# Copied streams


def with_extras(path):
    """An mkv with sound, subtitles, chapters, a title and a language."""

    def prepare(container, stream):
        container.metadata["title"] = "A title"
        stream.metadata["language"] = "ger"
        chapters = [
            {
                "id": n,
                "start": n * 100,
                "end": n * 100 + 100,
                "time_base": Fraction(1, 1000),
                "metadata": {"title": f"Part {n}"},
            }
            for n in (0, 1)
        ]
        container.set_chapters(chapters)

    return tiny_clips.write_clip(path, sound=True, prepare=prepare)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_sound_chapters_and_title_are_copied(ending, identity, tmp_path):
    source = with_extras(tmp_path / "source.mkv")
    run = rotoscope.translate(source, tmp_path / f"out{ending}", model=identity)
    with av.open(str(tmp_path / f"out{ending}")) as opened:
        assert opened.metadata.get("title", opened.metadata.get("TITLE")) == "A title"
        assert [(float(c["start"] * c["time_base"]), c["metadata"]["title"]) for c in opened.chapters()] == [
            (0, "Part 0"),
            (0.1, "Part 1"),
        ]
    assert any(kept.startswith("audio") for kept in run.kept) and "2 chapters" in run.kept


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_copied_sound_keeps_its_language_and_its_role(ending, identity, tmp_path):
    def prepare(container, _video):
        container.streams.audio[0].metadata["language"] = "ger"
        container.streams.audio[0].disposition = av.stream.Disposition.default | av.stream.Disposition.visual_impaired

    source = tiny_clips.write_clip(tmp_path / "source.mkv", sound=True, prepare=prepare)
    rotoscope.translate(source, tmp_path / f"out{ending}", model=identity)
    for path in (source, tmp_path / f"out{ending}"):
        with av.open(str(path)) as opened:
            sound = opened.streams.audio[0]
            assert sound.metadata["language"] == "ger"
            assert sound.disposition & av.stream.Disposition.visual_impaired


def test_subtitles_are_copied_where_the_container_takes_them(videos, identity, tmp_path):
    source = videos / "codecs" / "sample_with_srt.mkv"
    kept = rotoscope.translate(source, tmp_path / "out.mkv", model=identity, output_size="54x36")
    left = rotoscope.translate(source, tmp_path / "out.mp4", model=identity, output_size="54x36")
    assert independent.copied_packets(source, "subtitle") == independent.copied_packets(
        tmp_path / "out.mkv", "subtitle"
    )
    assert any("subtitle" in item for item in kept.kept)
    assert any("is left out: mp4 does not take it" in note for note in left.notes)


def test_pcm_sound_keeps_its_samples(videos, identity, tmp_path):
    source = videos / "clips" / "sowt-with-video.mov"
    for ending in (".mov", ".mkv"):
        target = tmp_path / f"out{ending}"
        rotoscope.translate(source, target, model=identity, working_size="64x36", output_size="64x36", duration=0.5)
        before, after = (b"".join(data for _, data in independent.copied_packets(path)[0]) for path in (source, target))
        assert len(after) > 10_000 and before.startswith(after)


def test_sound_that_a_container_does_not_take_is_said(translate, tmp_path):
    run = translate(tmp_path / "out.webm")
    assert any("audio" in note and "webm does not take it" in note for note in run.notes)
    assert run.kept == ()


def test_a_part_takes_its_part_of_the_sound(identity, tmp_path):
    source = tiny_clips.write_clip(tmp_path / "long.mp4", frames=50, sound=True)
    rotoscope.translate(source, tmp_path / "out.mp4", model=identity, start=0.8, duration=0.6)
    assert independent.video_times(tmp_path / "out.mp4") == [Fraction(n, 25) for n in range(15)]
    (packets,) = independent.copied_packets(tmp_path / "out.mp4")
    assert 0 <= packets[0][0] < 0.064 + 0.001
    assert 0.6 - 0.13 <= packets[-1][0] < 0.6
    before = dict(independent.copied_packets(source)[0])
    assert all(
        any(abs(time + Fraction(4, 5) - old) < 0.001 and data == other for old, other in before.items())
        for time, data in packets
    )


def test_sound_of_a_transport_stream_loses_its_headers_only(identity, tmp_path):
    source = tiny_clips.write_clip(tmp_path / "source.ts", sound=True)
    rotoscope.translate(source, tmp_path / "out.mp4", model=identity)
    (before,), (after,) = (independent.copied_packets(path) for path in (source, tmp_path / "out.mp4"))
    assert len(before) == len(after)
    assert all(old.endswith(new) and len(old) == len(new) + 7 for (_, old), (_, new) in zip(before, after, strict=True))


# Results that exist already


def test_an_existing_result_needs_overwrite(translate, tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"old")
    with pytest.raises(rotoscope.UsageError, match=r"exists; --overwrite \(in Python overwrite=True\) replaces it"):
        translate(tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"old"
    translate(tmp_path / "out.mp4", overwrite=True)
    assert len(independent.video_times(tmp_path / "out.mp4")) == 8


def test_a_failed_overwrite_leaves_the_old_result(tmp_path, identity, clip):
    (tmp_path / "out.mp4").write_bytes(b"old")
    nan = tiny_models.nan_above(tmp_path / "nan.onnx", 0.2)
    with pytest.raises(rotoscope.RotoscopeError):
        rotoscope.translate(clip, tmp_path / "out.mp4", model=nan, overwrite=True)
    assert (tmp_path / "out.mp4").read_bytes() == b"old"
    assert names(tmp_path) == ["clip.mp4", "nan.onnx", "out.mp4"]


def test_source_and_result_may_not_be_the_same_file(translate, clip, tmp_path):
    (tmp_path / "link.mp4").symlink_to(clip)
    os.link(clip, tmp_path / "hard.mp4")
    for same in (clip, tmp_path / "link.mp4", tmp_path / "hard.mp4", tmp_path / "." / "clip.mp4"):
        with pytest.raises(rotoscope.UsageError, match="the same file"):
            translate(same, overwrite=True)


@pytest.mark.parametrize("target", ["missing/out.mp4", "folder.mp4"])
def test_impossible_targets_are_usage_errors(target, translate, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(rotoscope.UsageError):
        translate(tmp_path / target)


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from rotoscope.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv", "out.gif", "shots", "out.y4m"])
def test_a_full_disk_is_one_line_and_leaves_no_file(target, identity, tmp_path, tmp_path_factory):
    noise = np.random.default_rng(0)
    source = tiny_clips.write_clip(
        tmp_path / "noise.mkv",
        frames=12,
        size=(160, 120),
        codec="ffv1",
        make=lambda *_: noise.integers(0, 255, (120, 160, 3), np.uint8),
    )
    # Once without the limit: compiled kernels go to a disk that has room.
    rotoscope.translate(source, tmp_path_factory.mktemp("room") / target, model=identity)
    words = ["translate", source, tmp_path / target, "-m", identity]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    err = said(done.stderr)
    assert err.count("\n") == 1 and target in err and "File too large" in err
    assert names(tmp_path) == ["noise.mkv"]
