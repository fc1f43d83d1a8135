"""Files that a live run writes: times as they were, sound where it belongs, complete when finished and nothing otherwise."""

from fractions import Fraction

import av
import numpy as np
import pytest
from flash_and_click import BEGIN, RATE, TOLERANCE_MS, Seen, frame, live_format, send, sound, watch

from rotoscope.base.errors import UsageError
from rotoscope.base.live import SOUND_RATE
from rotoscope.runtime.live.open_live_sink import check_live_sink, open_live_sink


def seen_in(path):
    seen = Seen()
    with av.open(str(path)) as container:
        watch(container, seen)
    return seen


def record(path, num_frames, **how):
    sink = open_live_sink(str(path), live_format(has_sound=how.pop("has_stream", True)))
    send(sink, lambda: sink.num_frames == num_frames, paced=False, **how)
    sink.interrupt()
    sink.finish()
    return sink


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
def test_a_file_has_every_picture_its_colour_and_its_sound(suffix, tmp_path):
    path = tmp_path / f"out{suffix}"
    sink = record(path, 4 * RATE)
    seen = seen_in(path)
    assert seen.numbers == list(range(4 * RATE))
    assert seen.tags == (1, 1, 1, 1)
    assert len(seen.flashes) == 3 and np.abs(seen.offsets_ms()).max() <= TOLERANCE_MS
    assert (sink.state, sink.losses, len(sink.kept)) == ("closed", {}, 1)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_irregular_times_are_kept(suffix, tmp_path):
    path, generator = tmp_path / f"out{suffix}", np.random.default_rng(3)
    times = np.cumsum(generator.integers(5, 200, 50)) / 1000
    sink = open_live_sink(str(path), live_format(has_sound=False))
    for number, seconds in enumerate(times):
        sink.write(frame(number, Fraction(round(seconds * 1000), 1000)))
    sink.finish()
    assert np.allclose(seen_in(path).times, times - times[0], atol=1e-6)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_source_that_has_sound_and_sends_none_gives_a_file_with_all_pictures(suffix, tmp_path):
    path = tmp_path / f"out{suffix}"
    record(path, RATE, has_sound=False)
    assert seen_in(path).numbers == list(range(RATE))


def test_sound_that_begins_later_and_pauses_stays_where_it_belongs(tmp_path):
    path, step = tmp_path / "out.mkv", SOUND_RATE // RATE
    sink = open_live_sink(str(path), live_format())
    for number in range(8 * RATE):
        if 45 <= number < 100 or 110 <= number < 130 or number >= 200:  # two gaps: of silence, and too long for it
            sink.write_sound(sound(number * step, (number + 1) * step))
        sink.write(frame(number, Fraction(number, RATE), flash=number >= RATE and number % RATE < 3))
    sink.finish()
    seen = seen_in(path)
    heard = [second for second in range(1, 8) if any(abs(click - second) < 0.2 for click in seen.clicks)]
    assert heard == [2, 3, 4, 7]
    assert all(abs(click - round(click)) * 1000 <= TOLERANCE_MS for click in seen.clicks)


def test_sound_from_before_the_first_picture_and_late_sound_are_left_out_and_counted(tmp_path):
    path = tmp_path / "out.mkv"
    sink = open_live_sink(str(path), live_format())
    sink.write_sound(sound(-SOUND_RATE, -SOUND_RATE // 2))
    sink.write_sound(sound(-960, 960))  # half of it is kept
    sink.write(frame(0, 0))
    sink.write_sound(sound(0, 480))  # all of it is there
    for number in range(1, 4 * RATE):
        sink.write(frame(number, Fraction(number, RATE)))
    sink.write_sound(sound(SOUND_RATE // 2, SOUND_RATE))
    sink.finish()
    assert sink.losses == {
        "sound before the first picture": 1, "sound that came twice": 1, "sound that came too late": 1,
    }  # fmt: skip
    assert seen_in(path).numbers == list(range(4 * RATE))


def test_a_file_without_place_for_sound_says_so(tmp_path):
    sink = record(tmp_path / "out.gif", 5)
    assert sink.notes == ["sound left out: gif has none"] and sink.kept == []
    assert len(seen_in(tmp_path / "out.gif").times) == 5


def test_a_file_without_times_says_so(tmp_path):
    sink = record(tmp_path / "out.y4m", 5)
    assert f"{tmp_path / 'out.y4m'}: y4m has no times; each frame lasts 1/30 s" in sink.notes


def test_an_aborted_file_leaves_nothing(tmp_path):
    sink = open_live_sink(str(tmp_path / "out.mkv"), live_format())
    sink.write(frame(0, 0))
    assert len(list(tmp_path.iterdir())) == 1
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_frame_writes_no_file_and_says_so(tmp_path):
    path = tmp_path / "out.mkv"
    sink = open_live_sink(str(path), live_format())
    sink.finish()
    assert list(tmp_path.iterdir()) == [] and sink.notes == [f"{path}: not written, there was no frame"]


def test_an_existing_file_is_kept_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "out.mkv"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists; --overwrite"):
        check_live_sink(str(path))
    check_live_sink(str(path), overwrite=True)


def test_another_encoder_and_another_pixel_format_can_be_chosen(tmp_path):
    path = tmp_path / "out.mkv"
    options = ("crf=30", "pix_fmt=yuv444p")
    sink = open_live_sink(str(path), live_format(has_sound=False), codec="libx265", encoder_options=options)
    for number in range(5):
        sink.write(frame(number, Fraction(number, RATE)))
    sink.finish()
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("hevc", "yuv444p")
    assert seen_in(path).numbers == list(range(5)) and BEGIN > 0
