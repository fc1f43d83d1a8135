"""Real clips through a model that changes nothing: the same frames, times, sound, size, tags and pixels come out.

A dozen chosen clips run always, every clip of the data folder under the marker `clips`.
"""

import itertools
import json
from collections import namedtuple
from fractions import Fraction

import independent
import pytest
from shared_data import SHARED

import rotoscope
from rotoscope.runtime.pipeline.job import peak_memory_mb

VIDEOS = SHARED / "data" / "videos"
LOSSLESS = ("qp=0", "preset=ultrafast")

DOZEN = [
    "clips/bbb_960x540_60fps_vp8.webm",  # 60 fps, 5.1 sound
    "clips/carphone_pristine.mp4",  # anamorphic pixels
    "clips/newtonscradle.gif",  # RGB, variable delays
    "clips/walk.mkv",  # full range, first frame at 33 ms
    "codecs/nasa_13013.mp4",  # two video, two audio and two subtitle streams
    "codecs/sample.avi",  # MP3 in AVI
    "codecs/sample.flv",  # sound and pictures on a 1 ms clock
    "codecs/sample_h264.ts",
    "colour/bt601_full_range.mp4",
    "colour/bt601_limited_range.mp4",
    "geometry/bear-vp9-odd-dimensions.webm",
    "geometry/decord_video_90.mov",
    "geometry/nasa_13013_rotated.mp4",
    "geometry/sample_rotate_and_reflect.mp4",
    "timing/bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4",
    "timing/nasa_13013_vfr.mp4",
    "timing/sample_12_5fps_720p_1s.mp4",  # sound begins before the pictures, below 0
    "timing/trim_optimization_failure.mp4",  # jittering phone clip, 709 full range
    "nasty/decord_corrupted.mp4",
    "nasty/flower_truncated_60pct.mp4",
    "nasty/sample_h264_bitflips.ts",
]

REFUSED = {
    "nasty/empty.mp4": "an empty file",
    "nasty/invalid-bitstream.webm": "no frame could be decoded",
    "nasty/sample_audio_only.mp4": "no video stream (it holds audio)",
    "nasty/sample_malformed_free_box.mp4": "damaged at its start",
}
WITH_LOSSES = {
    "nasty/bbb_60fps_truncated.webm", "nasty/decord_corrupted.mp4", "nasty/flower_truncated_60pct.mp4",
    "nasty/sample_h264_bitflips.ts",
}  # fmt: skip
FRAMES_LOST = {
    "nasty/bbb_60fps_truncated.webm": 32, "nasty/decord_corrupted.mp4": 1, "nasty/flower_truncated_60pct.mp4": 60,
}  # fmt: skip
RESTARTING_CLOCK = {"nasty/sample_h264_bitflips.ts"}  # times jump by hours and are repaired
LONG = "long/long_1080p_videoonly_lowbitrate.mp4"


def every_clip():
    if not VIDEOS.is_dir():
        return []
    files = sorted(file for file in VIDEOS.rglob("*") if file.is_file() and file.suffix != ".json")
    return [str(file.relative_to(VIDEOS)) for file in files]


ALL = [clip for clip in every_clip() if clip not in REFUSED and clip != LONG]
CLIPS = [*DOZEN, *(pytest.param(clip, marks=pytest.mark.clips) for clip in ALL if clip not in DOZEN)]


# One clip and what an identity model made of it.
Translated = namedtuple("Translated", "name source target run is_rgb")


@pytest.fixture(scope="module", params=CLIPS)
def clip(request, videos, identity, tmp_path_factory):
    source = videos / request.param
    first = next(independent.video_frames(source))
    # RGB has no lossless place in H.264.
    is_rgb = first.format.is_rgb or first.format.has_palette
    options = {"codec": "ffv1"} if is_rgb else {"encoder_options": LOSSLESS}
    target = tmp_path_factory.mktemp("out") / ("out.mkv" if is_rgb else "out.mp4")
    run = rotoscope.translate(source, target, model=identity, steady="off", **options)
    yield Translated(request.param, source, target, run, is_rgb)
    target.unlink()


def test_every_frame_comes_out_at_its_time(clip):
    before, after = independent.video_times(clip.source), independent.video_times(clip.target)
    assert clip.run.frames_out == len(after) == len(before)
    if clip.name in RESTARTING_CLOCK:
        assert all(a < b for a, b in itertools.pairwise(after))
    elif clip.is_rgb:  # in Matroska, whose clock ticks in milliseconds
        assert all(abs(a - b) <= Fraction(1, 1000) for a, b in zip(before, after, strict=True))
    else:
        assert after == before  # not one of these clips starts below 0


def test_sound_is_copied_packet_by_packet_and_stays_in_step(clip):
    before, after = independent.copied_packets(clip.source), independent.copied_packets(clip.target)
    assert [[data for _, data in stream] for stream in before] == [[data for _, data in stream] for stream in after]
    shift = independent.video_times(clip.target)[0] - independent.video_times(clip.source)[0]
    for old, new in zip(before, after, strict=True):
        # Half a tick of the sample clock, 8000 Hz at least, where the source's clock is another one.
        assert all(abs(b - a - shift) <= Fraction(1, 16_000) for (a, _), (b, _) in zip(old, new, strict=True))


def test_size_aspect_and_colour_tags_are_kept(clip):
    width, height, aspect, tags = independent.sizes(clip.source)
    if clip.name in TURNED:
        width, height, aspect = height, width, 1 / aspect
    made = independent.sizes(clip.target)
    assert made[:3] == (width, height, aspect)
    if not clip.is_rgb:
        matrix, full, primaries, transfer = tags
        matrix = {2: 1 if height >= 720 else 6, 5: 6, 0: 6}.get(
            matrix, matrix
        )  # unknown is written as what it was taken for
        assert made[3] == (matrix, full or 1, primaries, transfer)


TURNED = {
    "geometry/decord_video_90.mov",
    "geometry/nasa_13013_rotated.mp4",
    "geometry/sample_rotate_and_reflect.mp4",
    "nasty/dolbyVision-hdr.MOV",
}


def test_pixels_survive_upright(clip):
    """45 dB at least, compared as RGB; in practice all but the most saturated test patterns come back exactly."""
    pairs = zip(independent.video_frames(clip.source), independent.video_frames(clip.target), strict=True)
    for index, (source, result) in enumerate(pairs):
        if index < 2 or index % 31 == 0:
            shown = independent.rgb(result, upright=False)
            assert independent.psnr(independent.rgb(source), shown) >= 45, index


def test_losses_are_reported_and_nothing_else_is(clip):
    assert bool(clip.run.losses) == (clip.name in WITH_LOSSES)
    assert clip.run.frames_in - clip.run.frames_out == FRAMES_LOST.get(clip.name, 0)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(name, videos, identity, here, rotoscope_main):
    code, out, err = rotoscope_main("translate", videos / name, "out.mp4", "-m", identity)
    assert (code, out) == (3, "")
    assert err.count("\n") == 1 and name in err and REFUSED[name] in err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(("name", "ending", "tolerance"), [
    ("timing/nasa_13013_vfr.mp4", ".mkv", 0.001),
    ("timing/trim_optimization_failure.mp4", ".mkv", 0.001),
    ("clips/stream-of-water.webm", ".webm", 0.001),
    ("codecs/animated.gif", ".gif", 0.0),
    ("geometry/bear-vp9-odd-dimensions.webm", ".gif", 0.010),
])  # fmt: skip
def test_coarser_clocks_keep_times_to_a_tick(name, ending, tolerance, videos, identity, tmp_path):
    target = tmp_path / f"out{ending}"
    rotoscope.translate(videos / name, target, model=identity)
    before, after = independent.video_times(videos / name), independent.video_times(target)
    assert len(before) == len(after)
    assert max(abs(float(a - b)) for a, b in zip(before, after, strict=True)) <= tolerance


def test_known_frame_times_of_a_clip_that_starts_late(videos, identity, tmp_path):
    """The times published beside the clip, not those that our own decoder finds."""
    table = json.loads((videos / "timing/test_non_zero_start.mp4.stream0.all_frames_info.json").read_text())
    rotoscope.translate(videos / "timing/test_non_zero_start.mp4", tmp_path / "out.mp4", model=identity)
    expected = [float(row["pts_time"]) for row in table]
    assert [float(time) for time in independent.video_times(tmp_path / "out.mp4")] == pytest.approx(expected, abs=2e-6)


def test_truncated_clip_ends_with_exit_code_5(videos, identity, here, rotoscope_main):
    source = videos / "nasty/flower_truncated_60pct.mp4"
    code, _, err = rotoscope_main("translate", source, "out.mp4", "-m", identity, "--output-size", "96x54")
    assert code == 5
    assert "90/150 frames" in err and "lost: 60 frames missing at the end" in err


@pytest.mark.clips
@pytest.mark.timeout(1200)
def test_three_hundred_sixty_seconds_of_1080p_in_steady_memory(videos, identity, tmp_path):
    options = {"model": identity, "working_size": "64x36", "output_size": "64x36"}
    rotoscope.translate(videos / LONG, tmp_path / "first.mp4", duration=10, **options)
    after_300 = peak_memory_mb()
    run = rotoscope.translate(videos / LONG, tmp_path / "all.mp4", **options)
    assert run.frames_out == 10883
    assert peak_memory_mb() - after_300 <= 40
