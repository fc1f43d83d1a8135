"""Reading videos side by side: frames of the same time, or an error."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from tiny_clips import pattern, write_clip

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.metrics.matched import frames_of, matched_frames, side_by_side, spread_frames

LOSSLESS = {"codec": "ffv1", "pixel_format": "bgr0"}


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4", frames=5)


def matched(*names):
    return list(matched_frames(*map(str, names)))


def test_frames_come_with_their_time_and_their_pictures(clip, tmp_path):
    other = write_clip(tmp_path / "other.mkv", frames=5, codec="ffv1", pixel_format="bgr0", time_base=Fraction(1, 1000),
                       times=[100 + 40 * k for k in range(5)])  # fmt: skip
    frames = matched(clip, other)
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.result, pattern(index))
        assert frame.reference is None
    np.testing.assert_array_equal(list(frames_of(str(other)))[3], pattern(3))


def test_a_folder_of_pictures_is_matched_by_order(clip, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(5):
        cv2.imwrite(str(folder / f"{index}.png"), pattern(index)[..., ::-1])
    frames = matched(clip, folder, clip)
    assert len(frames) == 5
    np.testing.assert_array_equal(frames[2].result, pattern(2))
    np.testing.assert_array_equal(frames[2].reference, frames[2].source)


def test_a_missing_frame_is_refused(clip, tmp_path):
    short = write_clip(tmp_path / "short.mp4", frames=4)
    with pytest.raises(InputRefused, match=r"short.mp4 ends after 4 frames, \S*clip.mp4 goes on; accepted: as many"):
        matched(clip, short)


def test_another_size_is_refused(clip, tmp_path):
    wide = write_clip(tmp_path / "wide.mp4", frames=5, size=(96, 48))
    with pytest.raises(InputRefused, match=r"wide.mp4 is 96x48, \S*clip.mp4 begins with 64x48; accepted: one size"):
        matched(clip, wide)


def test_a_size_that_changes_is_refused(tmp_path):
    for index, size in enumerate([(64, 48), (64, 48), (32, 48)]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), pattern(index, *size))
    with pytest.raises(InputRefused, match=r"frame 2 of \S* is 32x48, \S* begins with 64x48"):
        matched(tmp_path, tmp_path)


def test_other_times_are_refused(clip, tmp_path):
    late = write_clip(tmp_path / "late.mp4", frames=5, time_base=Fraction(1, 100), times=[0, 4, 8, 14, 18])
    with pytest.raises(InputRefused, match=r"frame 3 of \S*clip.mp4 is shown after 0.120 s, that of \S* after 0.140 s"):
        matched(clip, late)


def test_times_are_compared_from_the_first_frame_on(clip, tmp_path):
    shifted = write_clip(tmp_path / "shifted.mkv", frames=5, times=[3, 4, 5, 6, 7])
    assert len(matched(clip, shifted)) == 5


def test_a_duration_stops_before_the_end_of_the_longer_video(clip, tmp_path):
    short = write_clip(tmp_path / "short.mp4", frames=3)
    assert [seconds for seconds, _ in side_by_side([str(clip), str(short)], duration=0.12)] == pytest.approx(
        [0, 0.04, 0.08]
    )


def test_a_start_skips_frames_of_the_first_video_only(clip, tmp_path):
    part = write_clip(tmp_path / "part.mkv", frames=3, make=lambda index, *size: pattern(index + 2, *size), **LOSSLESS)
    whole = write_clip(tmp_path / "whole.mkv", frames=5, **LOSSLESS)
    found = list(matched_frames(str(whole), str(part), str(part), start=0.08))
    assert [frame.seconds for frame in found] == pytest.approx([0, 0.04, 0.08])
    for frame in found:
        np.testing.assert_array_equal(frame.source, frame.result)
        np.testing.assert_array_equal(frame.source, frame.reference)


def test_a_start_and_a_duration_choose_a_part_of_a_folder(tmp_path):
    for index in range(6):
        cv2.imwrite(str(tmp_path / f"{index}.png"), pattern(index)[..., ::-1])
    found = list(frames_of(str(tmp_path), start=0.2, duration=0.2, rate=10))
    np.testing.assert_array_equal(found, [pattern(2), pattern(3)])


@pytest.mark.parametrize(("count", "indices"), [(1, [0]), (2, [0, 4]), (3, [0, 2, 4]), (99, [0, 1, 2, 3, 4])])
def test_chosen_frames_are_spread_from_the_first_to_the_last(tmp_path, count, indices):
    clip = write_clip(tmp_path / "clip.mkv", frames=5, **LOSSLESS)
    pictures, seconds = spread_frames(str(clip), count)
    assert seconds == pytest.approx([index / 25 for index in indices])
    np.testing.assert_array_equal(pictures, [pattern(index) for index in indices])


def test_standard_input_and_no_frame_cannot_be_chosen_from(tmp_path):
    with pytest.raises(UsageError, match="standard input can be read only once"):
        spread_frames("-", 2)
    with pytest.raises(UsageError, match="frames 0; accepted: at least 1"):
        spread_frames(str(tmp_path), 0)
