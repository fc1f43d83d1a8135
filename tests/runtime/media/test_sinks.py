"""Every sink keeps the same contract: all of the result at `finish`, nothing of it after `abort` or an error."""

import os
from collections import Counter
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import independent
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.base.frame import Colour, Frame, Picture
from rotoscope.base.sink import finishing
from rotoscope.runtime.media.encoder import VideoFormat, choose_encoder
from rotoscope.runtime.media.null import NullSink
from rotoscope.runtime.media.open_sink import open_sink
from rotoscope.runtime.media.picture_sink import PictureSink
from rotoscope.runtime.media.sequence_files import frame_numbers
from rotoscope.runtime.media.video_sink import VideoSink


def names(folder):
    return sorted(item.name for item in folder.iterdir())


def finished(index, shade=None):
    """A finished RGB frame."""
    picture = Picture((np.full((48, 64, 3), index if shade is None else shade, np.uint8),))
    return Frame(index, index, Fraction(1, 25), 1, picture, result=picture)


def encoding(suffix=".mp4", colour=None, **options):
    video = VideoFormat(
        width=64, height=48, time_base=Fraction(1, 25), rate=Fraction(25), sample_aspect=Fraction(1),
        colour=colour or Colour(), chroma="444", depth=8,
    )  # fmt: skip
    return video, choose_encoder(video, suffix=suffix, options={}, threads=1, **{"codec": None, **options})


def finished_codes(index):
    planes = tuple(np.full((48, 64), 100 + index, np.uint8) for _ in range(3))
    return Frame(index, index, Fraction(1, 25), 1, Picture(planes), result=Picture(planes))


def sources(folder, numbers, ending=".png"):
    folder.mkdir()
    for number in numbers:
        cv2.imwrite(str(folder / f"shot.{number}{ending}"), tiny_clips.pattern(number % 50))
    return folder


@pytest.mark.parametrize("target", ["out.mp4", "out", "f_%02d.png", "one.png"])
def test_the_result_appears_at_finish_and_not_before(target, tmp_path):
    path = tmp_path / target
    sink = open_sink(path, encoding() if path.suffix == ".mp4" else None)
    sink.write(finished_codes(0) if path.suffix == ".mp4" else finished(0))
    assert all(name.startswith(".") for name in names(tmp_path))
    sink.finish()
    assert sink.num_frames == 1
    assert names(tmp_path) == [target.replace("%02d", "00")]


@pytest.mark.parametrize("target", ["out.mp4", "out", "f_%02d.png", "one.png"])
def test_nothing_is_left_after_abort(target, tmp_path):
    path = tmp_path / target
    sink = open_sink(path, encoding() if path.suffix == ".mp4" else None)
    sink.write(finished_codes(0) if path.suffix == ".mp4" else finished(0))
    sink.abort()
    sink.abort()
    assert names(tmp_path) == []


def test_a_sink_that_cannot_be_opened_leaves_nothing(tmp_path):
    class Broken:
        notes, kept, losses = [], [], {}

        def time_base_denominators(self):
            return []

        def attach(self, *_):
            raise OSError(28, "No space left on device")

        def close(self):
            pass

    with pytest.raises(rotoscope.OutputFailed, match=r"out.mp4: No space left on device"):
        VideoSink(tmp_path / "out.mp4", *encoding(), Broken())
    assert names(tmp_path) == []


def test_the_end_of_an_encoder_counts_as_its_time():
    """An encoder that looks ahead does much of its work in `finish`."""
    called = []

    @contextmanager
    def measured():
        called.append("begin")
        yield
        called.append("end")

    class Slow(NullSink):
        def finish(self):
            called.append("finish")
            super().finish()

    with finishing(Slow, measured) as sink:
        sink.write(finished(0))
    assert called == ["begin", "finish", "end"]


def test_the_null_sink_counts():
    sink = open_sink(Path("null:"), None)
    assert isinstance(sink, NullSink)
    with finishing(lambda: sink):
        for index in range(3):
            sink.write(finished(index))
    assert sink.num_frames == 3


# Pictures: all or none


def test_a_folder_that_appears_midway_is_not_touched(tmp_path):
    sink = PictureSink(tmp_path / "out", overwrite=False)
    sink.write(finished(0))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00000.png").write_text("theirs")
    with pytest.raises(rotoscope.OutputFailed, match="appeared while"), finishing(lambda: sink):
        sink.write(finished(1))
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["00000.png"]
    assert (tmp_path / "out" / "00000.png").read_text() == "theirs"


def test_a_name_that_appears_midway_leaves_no_half_written_pattern(tmp_path):
    sink = PictureSink(tmp_path / "f_%d.png", overwrite=False)
    with pytest.raises(rotoscope.OutputFailed, match=r"f_1.png appeared while"), finishing(lambda: sink):
        for index in range(3):
            sink.write(finished(index))
        (tmp_path / "f_1.png").write_text("theirs")
    assert names(tmp_path) == ["f_1.png"]
    assert (tmp_path / "f_1.png").read_text() == "theirs"


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_an_error_in_mid_move_gives_the_old_pictures_back(error, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    for index in range(3):
        (tmp_path / "out" / f"{index:05d}.png").write_text(f"old {index}")
    sink = PictureSink(tmp_path / "out", overwrite=True)
    for index in range(4):
        sink.write(finished(index))
    link, calls = os.link, []

    def failing(part, target):
        calls.append(target)
        if len(calls) == 3:
            raise error
        link(part, target)

    monkeypatch.setattr(os, "link", failing)
    monkeypatch.setattr(type(tmp_path), "replace", _replace_unless(error))
    with pytest.raises((rotoscope.OutputFailed, KeyboardInterrupt)), finishing(lambda: sink):
        pass
    assert names(tmp_path) == ["out"]
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {
        f"{index:05d}.png": f"old {index}" for index in range(3)
    }


def _replace_unless(error):
    """`Path.replace` that fails for new pictures, as a disk does that also refuses links."""

    def replace(self, target):
        if isinstance(error, OSError) and "replaced" not in self.parts:
            raise error
        os.rename(self, target)  # noqa: PTH104

    return replace


def test_overwriting_replaces_the_pictures_of_the_same_names_only(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00001.png").write_text("old")
    (tmp_path / "out" / "other.png").write_text("stays")
    with finishing(lambda: PictureSink(tmp_path / "out", overwrite=True)) as sink:
        for index in range(2):
            sink.write(finished(index))
    assert names(tmp_path / "out") == ["00000.png", "00001.png", "other.png"]
    assert cv2.imread(str(tmp_path / "out" / "00001.png")) is not None
    assert (tmp_path / "out" / "other.png").read_text() == "stays"


def test_a_picture_is_synced_once_and_the_folder_once(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    with finishing(lambda: PictureSink(tmp_path / "out", overwrite=False)) as sink:
        for index in range(5):
            sink.write(finished(index))
    pictures = {path.stat().st_ino for path in (tmp_path / "out").iterdir()}
    assert sorted(synced) == sorted([*pictures, (tmp_path / "out").stat().st_ino, tmp_path.stat().st_ino])


# Numbers of the source


@pytest.mark.parametrize(("source", "target", "expected"), [
    ("shot.%04d.png", "made.%04d.jpg", ["made.1001.jpg", "made.1002.jpg", "made.1004.jpg"]),
    ("", "made.%06d.png", ["made.001001.png", "made.001002.png", "made.001004.png"]),
    ("*.png", "%d.png", ["1001.png", "1002.png", "1004.png"]),
    ("shot.%04d.png", "", ["shot.1001.png", "shot.1002.png", "shot.1004.png"]),
    ("", "", ["shot.1001.png", "shot.1002.png", "shot.1004.png"]),
])  # fmt: skip
def test_results_keep_the_numbers_of_their_sources(source, target, expected, tmp_path, identity):
    folder = sources(tmp_path / "in", [1001, 1002, 1004])
    if target:
        (tmp_path / "out").mkdir()
    rotoscope.translate(folder / source, tmp_path / "out" / target, model=identity)
    assert names(tmp_path / "out") == expected


def test_a_picture_that_cannot_be_decoded_leaves_its_number_free(tmp_path, identity):
    folder = sources(tmp_path / "in", [7, 8, 9])
    (folder / "shot.8.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    (tmp_path / "out").mkdir()
    rotoscope.translate(folder, tmp_path / "out" / "%03d.png", model=identity)
    assert names(tmp_path / "out") == ["007.png", "009.png"]


@pytest.mark.parametrize(("files", "numbers"), [
    (["a1.png", "a2.png", "a10.png"], [1, 2, 10]),
    (["1001_beauty_v2.png", "1002_beauty_v2.png"], [1001, 1002]),
    (["v2_0007.png"], [7]),
    (["2024-01-01_1.png", "2024-01-02_2.png"], None),
    (["a.png", "b.png"], None),
    (["f_01.png", "f_01.jpg"], None),
    (["a1.png", "b2.png"], None),
    ([], None),
])  # fmt: skip
def test_the_number_of_a_frame_is_the_group_of_digits_that_differs(files, numbers, tmp_path):
    assert frame_numbers([tmp_path / file for file in files]) == numbers


# Tags


@pytest.mark.parametrize(("codec", "suffix"), [("prores_ks", ".mov"), ("libx264", ".mp4")])
def test_primaries_and_transfer_reach_the_file(codec, suffix, tmp_path):
    colour = Colour("601", primaries=5, transfer=6)
    video, encoder = encoding(suffix, colour, codec=codec)
    with finishing(lambda: VideoSink(tmp_path / f"out{suffix}", video, encoder)) as sink:
        for index in range(3):
            frame = finished_codes(index)
            if encoder.depth == 10:
                planes = tuple(plane.astype(np.uint16) * 4 for plane in frame.source.planes)
                if "422" in encoder.pixel_format:
                    planes = (planes[0], planes[1][:, ::2], planes[2][:, ::2])
                frame = Frame(index, index, Fraction(1, 25), 1, frame.source, result=Picture(planes, depth=10))
            sink.write(frame)
    with av.open(str(tmp_path / f"out{suffix}")) as opened:
        context = opened.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (6, 5, 6)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_hevc_is_tagged_for_apples_players(suffix, tmp_path, identity):
    if "libx265" not in av.codec.codecs_available:
        pytest.skip("this FFmpeg has no libx265")
    source = tiny_clips.write_clip(tmp_path / "clip.mp4")
    rotoscope.translate(source, tmp_path / f"out{suffix}", model=identity, codec="libx265")
    with av.open(str(tmp_path / f"out{suffix}")) as opened:
        assert opened.streams.video[0].codec_context.codec_tag == "hvc1"
    assert len(independent.video_times(tmp_path / f"out{suffix}")) == 8


# What a container cannot hold: one line that names the source


YEAR_MS = 365 * 24 * 3600 * 1000


@pytest.mark.parametrize(("ending", "longest"), [(".mp4", 2147484), (".mov", 2147484), (".gif", 655)])
@pytest.mark.parametrize("sound", [False, True])
def test_a_gap_that_the_container_cannot_hold(ending, longest, sound, tmp_path, identity):
    times = [40 * n + YEAR_MS * (n >= 4) for n in range(8)]
    clip = tiny_clips.write_clip(tmp_path / "year.mkv", time_base=Fraction(1, 1000), times=times, sound=sound)
    with pytest.raises(rotoscope.OutputFailed) as error:
        rotoscope.translate(clip, tmp_path / f"out{ending}", model=identity, steady="off")
    assert str(error.value) == (
        f"{tmp_path / f'out{ending}'}: frame 4 of {clip} comes 31536000 s after the one before; "
        f"{ending[1:]} holds gaps of at most {longest} s with its clock, .mkv any"
    )
    assert names(tmp_path) == ["year.mkv"]
    run = rotoscope.translate(clip, tmp_path / "out.mkv", model=identity, steady="off")
    assert (run.frames_out, run.losses) == (8, {})
    assert independent.video_times(tmp_path / "out.mkv") == [Fraction(time, 1000) for time in times]


class Refusing:
    """A container that refuses the packet of one call: one of the sound that waited, or the picture itself."""

    def __init__(self, container, *, picture):
        self._container, self._picture, self._calls = container, picture, 0

    def __getattr__(self, name):
        return getattr(self._container, name)

    def mux(self, packet):
        self._calls += 1
        if self._calls != 5:
            return self._container.mux(packet)
        if not self._picture:
            self._container.mux(packet)
        raise av.ArgumentError(22, "Invalid argument")


class Sound:
    """Copies nothing, and says that it does."""

    kept, notes, path = ["audio 1 (aac)"], [], "clip.flv"

    def __init__(self):
        self.losses = Counter()

    def refused(self):
        self.losses["packets"] += 1

    def time_base_denominators(self):
        return []

    def mux_until(self, *_):
        pass

    attach = mux_until

    def close(self):
        pass


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_a_packet_of_sound_that_is_refused_when_a_picture_is_written_is_counted(ending, tmp_path):
    sink = VideoSink(tmp_path / f"out{ending}", *encoding(), Sound(), source="clip.flv")
    sink._container = Refusing(sink._container, picture=False)
    with finishing(lambda: sink):
        for index in range(60):
            sink.write(finished_codes(index))
    assert sink.losses == {"packets": 1}
    assert len(independent.video_times(tmp_path / f"out{ending}")) == 60


@pytest.mark.parametrize(("copied", "said"), [
    (Sound, "matroska refuses 1 of 60 pictures of clip.flv; try another container"),
    (lambda: None, "matroska cannot hold a packet of clip.flv (Invalid argument); try another container"),
])  # fmt: skip
def test_a_picture_that_is_refused_fails_with_the_name_of_the_source(copied, said, tmp_path):
    with pytest.raises(rotoscope.OutputFailed) as error:
        sink = VideoSink(tmp_path / "out.mkv", *encoding(), copied(), source="clip.flv")
        sink._container = Refusing(sink._container, picture=True)
        with finishing(lambda: sink):
            for index in range(60):
                sink.write(finished_codes(index))
    assert str(error.value) == f"{tmp_path / 'out.mkv'}: {said}"
    assert names(tmp_path) == []
