"""What `rotoscope.read` delivers: parts of clips, pictures with EXIF turns, sequences, changes of size, odd clocks."""

import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import av
import cv2
import independent
import numpy as np
import pytest
import tiny_clips

import rotoscope


def read_all(source, **options):
    with rotoscope.read(source, **options) as reader:
        return list(reader), reader


def brightness(frame):
    return float(frame.source.planes[0].mean())


def numbered(folder, names):
    """Flat grey PNGs, the n-th one with value 10 + n."""
    folder.mkdir()
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((20, 30, 3), 10 + index, np.uint8))
    return folder


def grey_values(frames):
    return [int(frame.source.planes[0][0, 0, 0]) for frame in frames]


def test_frames_carry_their_index_and_exact_time(tmp_path):
    times = [0, 1001, 3003, 9009, 9010]
    clip = tiny_clips.write_clip(tmp_path / "vfr.mp4", frames=5, time_base=Fraction(1, 30000), times=times)
    frames, reader = read_all(clip)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.seconds for frame in frames] == [Fraction(time, 30000) for time in times]
    assert (reader.losses, reader.notes) == ({}, [])


def test_b_frames_come_in_presentation_order(tmp_path):
    options = {"qp": "0", "bf": "3", "g": "12"}
    clip = tiny_clips.write_clip(tmp_path / "b.mp4", frames=24, options=options, make=tiny_clips.pattern)
    frames, _ = read_all(clip)
    assert [frame.seconds for frame in frames] == [Fraction(n, 25) for n in range(24)]
    blue = [tiny_clips.pattern(n)[..., 2].mean() for n in range(24)]
    assert np.argsort([brightness(frame) for frame in frames]).tolist() == np.argsort(blue).tolist()


@pytest.mark.parametrize("options", [{"g": "1"}, {"g": "250", "bf": "2"}])
def test_a_part_begins_at_the_first_frame_in_it_even_in_the_middle_of_a_group(options, tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=50, options={"qp": "0", **options})
    whole, _ = read_all(clip)
    part, _ = read_all(clip, start=0.9, duration=0.4)
    assert [frame.seconds for frame in part] == [Fraction(n, 25) for n in range(23, 33)]
    assert [frame.index for frame in part] == list(range(10))
    np.testing.assert_array_equal(part[0].source.planes[0], whole[23].source.planes[0])


@pytest.mark.parametrize(("ending", "codec"), [
    (".mp4", "libx264"), (".mkv", "libx264"), (".ts", "libx264"), (".flv", "libx264"), (".avi", "mpeg4"),
    (".mpg", "mpeg2video"), (".webm", "libvpx"), (".h264", "libx264"),
])  # fmt: skip
@pytest.mark.parametrize("start", [0.3, 0.9, 1.9])
def test_a_part_is_a_part_of_the_whole_in_every_container(start, ending, codec, tmp_path):
    options = {"g": "12", "bf": "2"} if codec != "libvpx" else {"g": "12", "deadline": "realtime"}
    clip = tiny_clips.write_clip(tmp_path / f"clip{ending}", frames=60, codec=codec, options=options)
    whole, _ = read_all(clip)
    first = whole[0].seconds
    expected = [frame for frame in whole if start <= frame.seconds - first < start + 0.4]
    part, _ = read_all(clip, start=start, duration=0.4)
    assert [float(frame.seconds) for frame in part] == pytest.approx([float(frame.seconds) for frame in expected])
    for one, other in zip(part, expected, strict=True):
        np.testing.assert_array_equal(one.source.planes[0], other.source.planes[0])


def test_a_part_of_a_transport_stream_whose_index_is_wrong(videos):
    whole, _ = read_all(videos / "codecs" / "sample_h264.ts")
    part, _ = read_all(videos / "codecs" / "sample_h264.ts", start=0.29, duration=0.2)
    assert [frame.pts for frame in part] == [frame.pts for frame in whole][9:15]


def test_a_part_counts_from_the_first_frame_of_a_clip_that_starts_late(videos):
    whole, _ = read_all(videos / "timing" / "test_non_zero_start.mp4")
    part, _ = read_all(videos / "timing" / "test_non_zero_start.mp4", start=0.2)
    assert whole[0].seconds > 8
    assert [frame.pts for frame in part] == [
        frame.pts for frame in whole if frame.seconds >= whole[0].seconds + Fraction(1, 5)
    ]


def test_a_part_beyond_the_end_is_refused(tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4")
    with pytest.raises(rotoscope.InputRefused, match="it ends before 10"):
        read_all(clip, start=10)


@pytest.mark.parametrize("options", [{"start": -1}, {"duration": 0}, {"duration": -2}])
def test_impossible_parts_are_usage_errors(options, tmp_path):
    with pytest.raises(rotoscope.UsageError, match="seconds"):
        rotoscope.read(tmp_path / "clip.mp4", **options)


@pytest.mark.parametrize("tag", range(1, 9))
def test_the_eight_exif_orientations_of_a_jpeg(tag, tmp_path):
    Image = pytest.importorskip("PIL.Image")
    ImageOps = pytest.importorskip("PIL.ImageOps")
    picture = Image.fromarray(tiny_clips.pattern(3, 64, 48))
    exif = Image.Exif()
    exif[0x0112] = tag
    picture.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "photo.jpg")).convert("L"), float)
    frames, reader = read_all(tmp_path / "photo.jpg")
    assert (reader.info.width, reader.info.height) == expected.shape[::-1]
    assert np.abs(frames[0].source.planes[0] - expected).max() <= 3


def transport_stream_of_two_sizes(path):
    parts = []
    for index, size in enumerate([(64, 48), (96, 64)]):
        part = tiny_clips.write_clip(
            path.with_name(f"part{index}.ts"), frames=5, size=size, muxer="mpegts", time_base=Fraction(1, 90000),
            times=[(index * 5 + n) * 3600 for n in range(5)],
        )  # fmt: skip
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))
    return path


def test_a_change_of_size_in_mid_stream_is_reported(tmp_path):
    frames, reader = read_all(transport_stream_of_two_sizes(tmp_path / "both.ts"))
    assert [(frame.source.width, frame.source.height) for frame in frames] == [(64, 48)] * 5 + [(96, 64)] * 5
    assert reader.notes == ["frame 5: 64x48 yuv420p becomes 96x64 yuv420p"]


def test_a_change_of_size_is_scaled_to_the_first_size(tmp_path, identity):
    run = rotoscope.translate(transport_stream_of_two_sizes(tmp_path / "both.ts"), tmp_path / "out.mp4", model=identity)
    assert (run.frames_out, run.width, run.height) == (10, 64, 48)
    assert any("64x48 yuv420p becomes 96x64" in note for note in run.notes)
    frames, _ = read_all(tmp_path / "out.mp4")
    assert np.abs(frames[4].source.planes[0].astype(int) - frames[5].source.planes[0]).mean() < 6  # the same scene


def test_a_clock_that_restarts_keeps_sound_and_pictures_together(tmp_path, identity):
    """Two recordings behind each other in one transport stream: the second begins at zero again."""
    part = tiny_clips.write_clip(tmp_path / "part.ts", frames=40, sound=True)
    (tmp_path / "twice.ts").write_bytes(part.read_bytes() * 2)
    run = rotoscope.translate(tmp_path / "twice.ts", tmp_path / "out.mp4", model=identity)
    assert run.frames_out == 80
    assert "1 timestamp jumped; the clock goes on from the frame before" in run.notes
    assert run.losses == {}
    times = independent.video_times(tmp_path / "out.mp4")
    assert [b - a for a, b in pairwise(times)] == [Fraction(1, 25)] * 79
    (sound,) = independent.copied_packets(tmp_path / "out.mp4")
    assert len(sound) == 2 * len(independent.copied_packets(part)[0])
    assert all(0 < b[0] - a[0] < 0.07 for a, b in pairwise(sound))
    middle = sound[len(sound) // 2][0] - sound[0][0]
    assert abs(float(middle - (times[40] - times[0]))) < 0.1


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    folder = numbered(tmp_path / "shots", ["f1.png", "f2.png", "f10.png", "f20.png"])
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.png").write_bytes(b"")
    frames, reader = read_all(folder, rate=10)
    assert grey_values(frames) == [10, 11, 12, 13]
    assert [frame.seconds for frame in frames] == [Fraction(n, 10) for n in range(4)]
    assert reader.info.num_frames_from_header == 4


def test_a_glob_and_a_pattern_choose_files(tmp_path):
    folder = numbered(tmp_path / "shots", ["a_00009.png", "a_00010.png", "a_00011.png", "b_00001.png", "a_x.png"])
    assert grey_values(read_all(folder / "a_*1?.png")[0]) == [11, 12]
    assert grey_values(read_all(folder / "a_%05d.png")[0]) == [10, 11, 12]
    assert grey_values(read_all(folder / "b_%d.png")[0]) == [13]
    for nothing in ("c_*.png", "c_%03d.png"):
        with pytest.raises(rotoscope.InputRefused, match="no file fits this pattern"):
            rotoscope.read(folder / nothing)


def test_a_part_of_a_sequence(tmp_path):
    folder = numbered(tmp_path / "shots", [f"{n}.png" for n in range(10)])
    frames, _ = read_all(folder, rate=5, start=0.4, duration=0.6)
    assert grey_values(frames) == [12, 13, 14]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(rotoscope.InputRefused, match="no pictures in this folder"):
        rotoscope.read(tmp_path)


def test_a_sequence_of_ntsc_rate_keeps_it_exact(tmp_path):
    frames, _ = read_all(numbered(tmp_path / "shots", ["1.png", "2.png"]), rate=30000 / 1001)
    assert frames[1].seconds == Fraction(1001, 30000)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tiff", ".ppm"])
def test_single_pictures_are_one_frame_videos(suffix, tmp_path):
    cv2.imwrite(str(tmp_path / f"a{suffix}"), tiny_clips.pattern(0)[..., ::-1])
    frames, reader = read_all(tmp_path / f"a{suffix}")
    assert len(frames) == 1
    assert reader.is_picture
    assert (reader.info.width, reader.info.height) == (64, 48)


def test_a_gif_is_a_video(videos):
    with rotoscope.read(videos / "codecs" / "animated.gif") as reader:
        assert not reader.is_picture


def test_y4m_is_read_from_standard_input(tmp_path):
    tiny = tiny_clips.write_clip(tmp_path / "a.y4m", codec="rawvideo", muxer="yuv4mpegpipe", frames=6, options={})
    code = "import rotoscope; print(*(f.seconds for f in rotoscope.read('-')))"
    stream = subprocess.run(
        [sys.executable, "-c", code], input=tiny.read_bytes(), capture_output=True, check=True
    ).stdout
    assert stream.split() == [b"0", b"1/25", b"2/25", b"3/25", b"4/25", b"1/5"]


@pytest.mark.parametrize("content", [b"", b"not a y4m stream\n" * 20, b"#EXTM3U\n"])
def test_only_y4m_may_come_from_standard_input(content):
    code = "import rotoscope\ntry: rotoscope.read('-')\nexcept rotoscope.InputRefused as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True)
    assert b"standard input" in done.stdout


def starts_below_zero(path):
    return tiny_clips.write_clip(
        path,
        codec="mpeg4",
        times=[n - 3 for n in range(8)],
        sound=True,
        options={},
        muxer_options={"avoid_negative_ts": "disabled"},
    )


def test_a_clip_that_starts_below_zero_is_read_with_its_times(tmp_path):
    frames, reader = read_all(starts_below_zero(tmp_path / "early.mkv"))
    assert [frame.seconds for frame in frames] == [Fraction(n - 3, 25) for n in range(8)]
    assert reader.info.start_pts * reader.info.time_base == Fraction(-3, 25)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_clip_that_starts_below_zero_is_moved_as_a_whole(ending, tmp_path, identity):
    source = starts_below_zero(tmp_path / "early.mkv")
    rotoscope.translate(source, tmp_path / f"out{ending}", model=identity)
    assert independent.video_times(tmp_path / f"out{ending}") == [Fraction(n, 25) for n in range(8)]
    (before,), (after,) = (independent.copied_packets(path) for path in (source, tmp_path / f"out{ending}"))
    shifts = [float(b - a) for (a, _), (b, _) in zip(before, after, strict=True)]
    assert shifts == pytest.approx([0.12] * len(before), abs=1 / 16_000)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("angle", [90, 180, 270])
def test_turned_clips_of_every_chroma_come_out_upright(angle, pixel_format, identity, tmp_path):
    def turn(_container, stream):
        stream.set_display_rotation(angle)
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    clip = tiny_clips.write_clip(tmp_path / "turned.mov", pixel_format=pixel_format, size=(66, 50), prepare=turn)
    rotoscope.translate(clip, tmp_path / "out.mp4", model=identity, encoder_options=("qp=0",))
    width, height, aspect, _ = independent.sizes(tmp_path / "out.mp4")
    assert (width, height, aspect) == ((66, 50, Fraction(4, 3)) if angle == 180 else (50, 66, Fraction(3, 4)))
    before, after = (next(independent.video_frames(path)) for path in (clip, tmp_path / "out.mp4"))
    # A quarter turn halves the other direction of 4:2:2 chroma, and a hard edge shows it.
    assert independent.psnr(independent.rgb(before), independent.rgb(after, upright=False)) >= (
        42 if "422" in pixel_format else 45
    )


def song_with_a_cover(path):
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=16000, layout="mono")
        cover = container.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(tiny_clips.pattern(0), format="rgb24").reformat(
            format="yuvj420p", threads=1
        )
        picture.pts = 0
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        tiny_clips.write_tone(container, sound, seconds=1)
    return path


def test_the_cover_of_a_song_is_not_a_video(tmp_path):
    with pytest.raises(rotoscope.InputRefused, match=r"no video stream .it holds audio, cover picture"):
        rotoscope.read(song_with_a_cover(tmp_path / "song.m4a"))


def test_info_says_what_the_header_says(videos):
    with rotoscope.read(videos / "timing" / "bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4") as reader:
        info = reader.info
    assert (info.width, info.height, info.sample_aspect) == (800, 640, Fraction(1137, 800))
    assert (info.codec, info.average_rate, info.num_frames_from_header) == ("h264", 30, 120)


def test_damage_is_counted_and_the_rest_delivered(videos):
    frames, reader = read_all(videos / "nasty" / "decord_corrupted.mp4")
    assert len(frames) == 49
    assert reader.losses["packets that could not be decoded"] == 1


def test_interlaced_and_hdr_sources_say_what_is_done(videos):
    with rotoscope.read(videos / "interlaced" / "bbb_960x540_30i_tff_h264.mp4") as reader:
        assert reader.info.is_interlaced
        assert any("interlaced" in note for note in reader.notes)
    with rotoscope.read(videos / "colour" / "testsrc2_hdr.mp4") as reader:
        assert reader.info.colour.is_hdr
        assert any("tone mapping" in note for note in reader.notes)


def test_frames_hold_no_decoder_memory(tmp_path):
    """Planes are our own contiguous arrays: keeping frames does not keep AVFrames and their scalers."""
    frames, _ = read_all(tiny_clips.write_clip(tmp_path / "clip.mp4"))
    for plane in frames[0].source.planes:
        assert plane.flags.c_contiguous and plane.base.flags.owndata


def shown(frames):
    return [(int(frame.seconds * 25), frame.duration) for frame in frames]


@pytest.mark.parametrize("form", ["", "shot.%04d.png", "*.png"])
def test_gaps_in_numbered_pictures_keep_their_time_and_are_named(form, tmp_path):
    folder = numbered(tmp_path / "shots", [f"shot.{number}.png" for number in (1001, 1002, 1005, 1006, 1008)])
    frames, source = read_all(folder / form)
    assert grey_values(frames) == [10, 11, 12, 13, 14]
    assert shown(frames) == [(0, 1), (1, 3), (4, 1), (5, 2), (7, 1)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert "3 frame numbers missing (1003 to 1004, 1007); the frame before is shown longer" in source.notes
    assert source.info.duration_seconds == 8 / 25


def test_pictures_on_twos_have_no_gaps(tmp_path):
    folder = numbered(tmp_path / "shots", [f"shot.{number}.png" for number in (1001, 1003, 1005, 1009)])
    frames, source = read_all(folder)
    assert shown(frames) == [(0, 1), (1, 1), (2, 2), (4, 1)]
    assert "1 frame number missing (1007); the frame before is shown longer" in source.notes


def test_a_collection_of_photographs_has_no_gaps(tmp_path):
    folder = numbered(tmp_path / "photos", [f"IMG_{number:04d}.png" for number in (17, 240, 351, 352)])
    frames, source = read_all(folder)
    assert shown(frames) == [(0, 1), (1, 1), (2, 1), (3, 1)]
    assert not source.notes


def test_the_numbers_of_a_pattern_always_count(tmp_path):
    folder = numbered(tmp_path / "shots", [f"{number}.png" for number in (1, 2, 9)])
    frames, _ = read_all(folder / "%d.png")
    assert shown(frames) == [(0, 1), (1, 7), (8, 1)]


def test_a_part_of_a_sequence_with_a_gap(tmp_path):
    folder = numbered(tmp_path / "shots", [f"shot.{number}.png" for number in (1001, 1002, 1005, 1006, 1007)])
    frames, _ = read_all(folder, start=Fraction(1, 25), duration=Fraction(2, 25))
    assert (grey_values(frames), shown(frames)) == ([11], [(0, 2)])
    frames, _ = read_all(folder, start=Fraction(2, 25), duration=Fraction(3, 25))
    assert (grey_values(frames), shown(frames)) == ([12], [(0, 1)])


def test_a_gap_is_kept_in_the_video(tmp_path, identity):
    folder = numbered(tmp_path / "shots", [f"shot.{number}.png" for number in (1001, 1002, 1005)])
    rotoscope.translate(folder, tmp_path / "out.mp4", model=identity)
    frames, _ = read_all(tmp_path / "out.mp4")
    assert [frame.seconds * 25 for frame in frames] == [0, 1, 4]
