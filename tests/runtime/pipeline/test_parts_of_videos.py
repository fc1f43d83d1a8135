"""A long video in parts, each written by itself: joined they are what one run writes."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import tiny_clips
import tiny_models
from test_segments import LOSSLESS, Stopped, moving, pictures, sound, stop_at

from rotoscope.assembly.file_translation import translate_file
from rotoscope.base.frame import Frame
from rotoscope.runtime.media.segment_sink import PartBegin
from rotoscope.runtime.media.segments import read_segments
from rotoscope.runtime.pipeline.parts import FindBegin, Part, SceneUnknown
from rotoscope.runtime.pipeline.segmentation import Segmented, ToBeDivided


@pytest.fixture
def inverting(tmp_path):
    return str(tiny_models.invert(tmp_path / "invert.onnx"))


class Work:
    """One translation, whole and in parts."""

    def __init__(self, tmp_path, clip, model, seconds, **options):
        self.folder, self.out = tmp_path / "segments" / "key", tmp_path / "joined.mkv"
        self.clip, self.model, self.seconds = str(clip), model, seconds
        self.options = {**LOSSLESS, **options}
        self.whole = tmp_path / "whole.mkv"

    def run(self, target, segments=None, **more):
        return translate_file(self.clip, str(target), self.model, self.options, segments=segments, threads=1, **more)

    def part(self, part, **more):
        self.run(self.out, Segmented(self.folder, self.seconds, is_required=False, part=part), **more)

    def parts(self, number):
        with pytest.raises(ToBeDivided) as division:
            self.run(self.out, Segmented(self.folder, self.seconds, is_required=False, most_parts=number))
        assert not self.out.exists()
        return division.value.parts

    def joined(self):
        return self.run(self.out, Segmented(self.folder, self.seconds, is_required=False))

    def firsts(self):
        return [segment.first for segment in read_segments(self.folder)]

    def worst(self):
        """Largest difference of a code value between the joined result and that of one run."""
        self.run(self.whole)
        expected, found = pictures(self.whole), pictures(self.out)
        assert [time for time, _ in found] == [time for time, _ in expected]
        return max(
            int(np.abs(one.astype(int) - other).max()) for (_, one), (_, other) in zip(expected, found, strict=True)
        )


def test_parts_begin_at_cuts_and_are_exact(tmp_path, inverting):
    """Parts may be written in any order; sound is copied once, when they are joined."""
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=100, make=moving(25), sound=True)
    work = Work(tmp_path, clip, inverting, 0.6)
    parts = work.parts(3)
    assert parts == (Part(0, 33), Part(33, 66), Part(66, None))
    for part in reversed(parts):
        work.part(part)
    assert work.firsts() == [0, 25, 50, 75], "the cuts"
    assert not work.out.exists()
    run = work.joined()
    assert (run.frames_in, run.frames_out, run.kept) == (100, 100, ("audio 1 (aac)",))
    assert "100 frames of an earlier run are used" in run.notes
    assert work.worst() == 0
    assert sound(work.out) == sound(work.whole)
    assert not work.folder.exists()


def test_without_state_parts_begin_at_any_frame(tmp_path, inverting):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=40)
    work = Work(tmp_path, clip, inverting, 0.4, steady="off")
    for part in work.parts(2):
        work.part(part)
    assert work.firsts() == [0, 10, 20, 30]
    work.joined()
    assert work.worst() == 0


def test_what_a_part_did_not_write_is_written_when_they_are_joined(tmp_path, inverting):
    """One part was never written, another was interrupted, a segment in the middle of the first is damaged."""
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=175, make=moving(25))
    work = Work(tmp_path, clip, inverting, 0.6)
    work.part(Part(0, 90))
    with pytest.raises(Stopped):
        work.part(Part(120, None), on_progress=stop_at(40))
    assert work.firsts() == [0, 25, 50, 75, 125]
    (work.folder / "000000050.mkv").unlink()
    run = work.joined()
    assert "100 frames of an earlier run are used" in run.notes
    assert work.worst() == 0


def test_an_interrupted_part_goes_on(tmp_path, inverting):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=100, make=moving(25))
    work = Work(tmp_path, clip, inverting, 0.6)
    with pytest.raises(Stopped):
        work.part(Part(20, 90), on_progress=stop_at(30))
    assert work.firsts() == [25]
    seen = []
    work.part(Part(20, 90), on_progress=lambda progress: seen.append(progress.done))
    assert seen[0] == 26, "the first segment is not written again"
    assert work.firsts() == [25, 50, 75]


def test_a_part_without_a_cut_is_left_to_the_one_before(tmp_path, inverting):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=75, make=moving(60))
    work = Work(tmp_path, clip, inverting, 0.6, steady="hypercon", insert=0, window=1)
    work.part(Part(20, 40))
    assert work.firsts() == [], "no cut in it"
    work.part(Part(0, 20))
    assert work.firsts() == [0]
    assert [segment.end for segment in read_segments(work.folder)] == [60]


@pytest.mark.parametrize("cut_at", [250, 311])
def test_frames_before_a_part_pass_in_the_rhythm_of_their_scene(cut_at):
    """With a cut before the part, 192 frames or more are seen before it begins in the middle of the scene."""
    begin = PartBegin(400, 210)
    find = FindBegin(begin, 1000, 192, 100)
    frames = [Frame(index, index, Fraction(1, 25), 1, None, cut=index == cut_at) for index in range(100, 700)]
    passed = [frame.index for frame in frames if find.step(frame)]
    assert passed == list(range(passed[0], 700))
    assert (passed[0] - cut_at) % 12 == 0
    assert 610 - 192 - 12 < passed[0] <= 610 - 192
    assert next(frame.index for frame in frames if begin.is_at(frame)) == 610


@pytest.mark.full
def test_a_scene_without_cuts_is_divided_within_one_code_value(tmp_path, inverting):
    """Blend: a part sees frames before it, in the rhythm of its scene, until what was before them has no influence."""
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=1300, size=(64, 48), make=moving(7000))
    work = Work(tmp_path, clip, inverting, 4.0, steady="blend", strength=1.0)
    late = Part(1000, None)
    with pytest.raises(SceneUnknown):
        work.part(late)
    assert work.firsts() == []
    work.part(Part(1000, None, look_back=None))
    begin = work.firsts()[0]
    assert 1000 + 192 <= begin < 1300
    work.part(Part(0, 1000))
    segments = read_segments(work.folder)
    assert segments[0].first == 0
    assert all(one.end == next_one.first for one, next_one in pairwise(segments)), "the parts meet"
    work.joined()
    assert work.worst() <= 1
