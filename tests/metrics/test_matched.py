"""Videos side by side: frames of one time, or one clear error."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from tiny_clips import pattern, write_clip

from rotoscope.base.errors import InputRefused
from rotoscope.metrics.matched import frames_of, matched_frames, side_by_side


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4", frames=5)


def matched(*names):
    return list(matched_frames(*map(str, names)))


def test_frames_come_with_their_time_and_their_pictures(clip, tmp_path):
    other = write_clip(tmp_path / "other.mkv", frames=5, codec="ffv1", pixel_format="bgr0", time_base=Fraction(1, 1000),
                       times=[100 + 40 * k for k in range(5)])  # fmt: skip
    moments = matched(clip, other)
    assert [moment.seconds for moment in moments] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    for index, moment in enumerate(moments):
        np.testing.assert_array_equal(moment.result, pattern(index))
        assert moment.reference is None
    np.testing.assert_array_equal(list(frames_of(str(other)))[3], pattern(3))


def test_a_folder_of_pictures_is_matched_by_order(clip, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(5):
        cv2.imwrite(str(folder / f"{index}.png"), pattern(index)[..., ::-1])
    moments = matched(clip, folder, clip)
    assert len(moments) == 5
    np.testing.assert_array_equal(moments[2].result, pattern(2))
    np.testing.assert_array_equal(moments[2].reference, moments[2].source)


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


def test_a_video_that_begins_later_shows_the_same_moments(clip, tmp_path):
    shifted = write_clip(tmp_path / "shifted.mkv", frames=5, times=[3, 4, 5, 6, 7])
    assert len(matched(clip, shifted)) == 5


def test_a_part_is_enough(clip, tmp_path):
    short = write_clip(tmp_path / "short.mp4", frames=3)
    assert [seconds for seconds, _ in side_by_side([str(clip), str(short)], duration=0.12)] == pytest.approx(
        [0, 0.04, 0.08]
    )
