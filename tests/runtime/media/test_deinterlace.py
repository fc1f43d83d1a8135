"""Interlaced video: used as it is with a note, or deinterlaced on request."""

from fractions import Fraction

import numpy as np
import pytest
import tiny_clips


def combed(index, width=64, height=48):
    """Two fields of a moving bar: even lines show it at one place, odd lines half a step later."""
    picture = np.full((height, width, 3), 40, np.uint8)
    for field in (0, 1):
        left = 4 + 8 * index + 4 * field
        picture[field::2, left : left + 8] = 220
    return picture


def interlaced_clip(path, frames=5):
    options = {"qp": "0", "preset": "ultrafast", "x264-params": "tff=1:interlaced=1", "flags": "+ildct+ilme"}
    return tiny_clips.write_clip(path, frames=frames, make=combed, options=options, pixel_format="yuv420p")


def combing(frame):
    """Mean difference of neighbouring lines."""
    luma = np.asarray(frame.source.planes[0], int)
    return np.abs(np.diff(luma, axis=0)).mean()


def read(path, **options):
    from rotoscope.runtime.media.open_source import open_source

    with open_source(str(path), **options) as source:
        return list(source), source


def test_interlaced_frames_are_used_as_they_are_and_said(tmp_path):
    frames, source = read(interlaced_clip(tmp_path / "clip.mkv"))
    assert source.info.is_interlaced
    assert combing(frames[2]) > 5
    assert "interlaced; frames are used as they are, combing and all" in source.notes


@pytest.mark.parametrize("marked", [True, False])
def test_deinterlaced_frames_have_no_combing_and_keep_number_and_times(marked, tmp_path):
    path = tmp_path / "clip.mkv"
    if marked:
        interlaced_clip(path)
    else:
        tiny_clips.write_clip(path, frames=5, make=combed)
    before, _ = read(path)
    after, source = read(path, deinterlace=True)
    assert [(frame.index, frame.seconds, frame.duration) for frame in after] == [
        (frame.index, frame.seconds, frame.duration) for frame in before
    ]
    assert combing(after[2]) < combing(before[2]) / 3
    assert source.notes == ["deinterlaced: one frame of each"]
    assert not source.losses


def test_a_part_is_deinterlaced_too(tmp_path):
    frames, _ = read(
        interlaced_clip(tmp_path / "clip.mkv", frames=10),
        deinterlace=True,
        start=Fraction(4, 25),
        duration=Fraction(2, 25),
    )
    assert [frame.seconds for frame in frames] == [Fraction(4, 25), Fraction(5, 25)]
    assert combing(frames[0]) < 3


def test_on_the_command_line(here, identity, rotoscope_main):
    interlaced_clip(here / "clip.mp4")
    code, _, err = rotoscope_main(
        "translate", "clip.mp4", "out.mp4", "-m", identity, "--steady", "off", "--deinterlace"
    )
    assert code == 0
    assert "note: deinterlaced: one frame of each" in err
