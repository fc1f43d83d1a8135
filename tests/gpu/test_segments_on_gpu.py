"""Segments and parts of a run whose pictures are on the simulated GPU: the frames of the CPU path."""

import numpy as np
import pytest
import tiny_clips
import tiny_models
from simulated_gpu import whole_machine
from test_whole_run import code_values

import rotoscope
from rotoscope.assembly.file_translation import translate_file
from rotoscope.runtime.media.segments import read_segments
from rotoscope.runtime.pipeline.parts import Part
from rotoscope.runtime.pipeline.segmentation import Segmented

OPTIONS = {"encoder_options": ("crf=0", "preset=ultrafast", "bf=2")}


class Stopped(BaseException):
    """Ends a run as a signal does."""


def scenes(index, width, height):
    """Noise that moves; every 12 frames another scene, of other brightness."""
    drawn = np.random.default_rng(3).integers(0, 120, (height, 256, 3), np.uint8)
    return np.roll(drawn, 2 * index, axis=1)[:, :width] + np.uint8(120 * (index // 12 % 2))


def assert_alike(made, expected):
    made, expected = np.stack(code_values(made)), np.stack(code_values(expected))
    assert made.shape == expected.shape
    assert (np.abs(made - expected) > 1).mean() <= 1e-4


def test_the_state_on_the_gpu_passes_from_segment_to_segment(tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=30, size=(96, 64), make=scenes)
    options = {"model": tiny_models.smoother(tmp_path / "smoother.onnx"), **OPTIONS}
    rotoscope.translate(clip, tmp_path / "cpu.mkv", **options)

    def stop(progress):
        if progress.done == 22:
            raise Stopped

    with whole_machine():
        with pytest.raises(Stopped):
            rotoscope.translate(
                clip, tmp_path / "gpu.mkv", resume=True, segment=0.4, device="cuda", on_progress=stop, **options
            )
        run = rotoscope.translate(clip, tmp_path / "gpu.mkv", resume=True, segment=0.4, device="cuda", **options)
    assert "pictures on cuda:0" in run.engine and "20 frames of an earlier run are used" in run.notes
    assert_alike(tmp_path / "gpu.mkv", tmp_path / "cpu.mkv")


@pytest.mark.full
def test_parts_begin_at_cuts_that_the_gpu_finds(tmp_path):
    """Joined they are what one run on the GPU writes."""
    clip = str(tiny_clips.write_clip(tmp_path / "clip.mp4", frames=24, size=(96, 64), make=scenes))
    model, folder = str(tiny_models.affine(tmp_path / "affine.onnx", -0.8, 0.9)), tmp_path / "segments" / "key"
    options = {**OPTIONS, "steady": "blend", "input_range": (0, 1), "device": "cuda"}
    with whole_machine():
        translate_file(clip, str(tmp_path / "whole.mkv"), model, options)
        for part, firsts in ((Part(6, None), [12]), (Part(0, 6), [0, 12])):
            wish = Segmented(folder, 0.4, is_required=False, part=part)
            translate_file(clip, str(tmp_path / "joined.mkv"), model, options, segments=wish)
            assert [one.first for one in read_segments(folder)] == firsts
        wish = Segmented(folder, 0.4, is_required=False)
        run = translate_file(clip, str(tmp_path / "joined.mkv"), model, options, segments=wish)
    assert "24 frames of an earlier run are used" in run.notes
    assert_alike(tmp_path / "joined.mkv", tmp_path / "whole.mkv")
