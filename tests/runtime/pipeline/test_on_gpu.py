"""A whole translation on a CUDA device gives the pictures of the CPU within one code value, with the same flow search."""

import independent
import numpy as np
import pytest
import tiny_clips

import rotoscope

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clips.write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=6, size=(192, 128))


def planes(path):
    return [[independent.plane(frame, index) for index in range(3)] for frame in independent.video_frames(path)]


@pytest.mark.parametrize("options", [{"steady": "off"}, {"steady": "blend"}, {"steady": "hypercon"}, {"keyframes": 3}])
def test_a_translation_on_the_gpu_equals_that_on_the_cpu(options, clip, tmp_path):
    for device in ("cpu", "cuda"):
        run = rotoscope.translate(
            clip,
            tmp_path / f"{device}.mkv",
            model="starry",
            device=device,
            codec="ffv1",
            flow="inverse-search",
            **options,
        )
        assert device in run.engine  # what really ran
    for on_cpu, on_gpu in zip(planes(tmp_path / "cpu.mkv"), planes(tmp_path / "cuda.mkv"), strict=True):
        for expected, found in zip(on_cpu, on_gpu, strict=True):
            # A close choice of the flow search may fall otherwise, and the look makes more of it.
            assert (np.abs(found - expected) > 1).mean() <= 1e-3


def test_pictures_on_the_gpu_equal_those_on_the_cpu():
    picture = tiny_clips.pattern(3, 128, 96)
    expected = rotoscope.load("starry")(picture)
    found = rotoscope.load("starry", device="cuda")(picture)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_several_calls_at_once_on_the_gpu_give_the_frames_in_order(clip, tmp_path):
    results = []
    for in_flight in (1, 4):
        target = tmp_path / f"{in_flight}.mkv"
        rotoscope.translate(
            clip, target, model="starry", device="cuda", in_flight=in_flight, codec="ffv1", steady="off"
        )
        results.append(planes(target))
    for one, several in zip(*results, strict=True):
        for expected, found in zip(one, several, strict=True):
            assert np.abs(found - expected).max() <= 1
