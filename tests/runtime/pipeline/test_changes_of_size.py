"""A change of picture size is a cut, for every stage: nothing is compared, pooled or carried across it."""

import cv2
import numpy as np
import pytest
import tiny_clips
import tiny_models

import rotoscope


def write_pictures(folder, sizes):
    """Pictures with a dark left half (40) and a bright right half (220)."""
    folder.mkdir()
    for index, (width, height) in enumerate(sizes):
        picture = np.full((height, width, 3), 40, np.uint8)
        picture[:, width // 2 :] = 220
        cv2.imwrite(str(folder / f"{index:03d}.png"), picture)
    return folder


def pictures_of(folder):
    return [cv2.imread(str(path)) for path in sorted(folder.iterdir())]


def halves(picture):
    """The values in the middle of both halves."""
    height, width = picture.shape[:2]
    return [int(picture[height // 2, width // 4, 0]), int(picture[height // 2, 3 * width // 4, 0])]


def test_compare_shows_the_whole_source_after_a_change_of_size(tmp_path, identity):
    source = write_pictures(tmp_path / "in", [(64, 48), (128, 96)])
    rotoscope.translate(source, tmp_path / "out", model=identity, compare=True)
    for picture in pictures_of(tmp_path / "out"):
        assert picture.shape == (48, 128, 3)
        assert halves(picture[:, :64]) == halves(picture[:, 64:]) == [40, 220]


def test_mix_takes_the_whole_source_after_a_change_of_size(tmp_path):
    invert = tiny_models.invert(tmp_path / "invert.onnx")
    source = write_pictures(tmp_path / "in", [(64, 48), (128, 96), (32, 24)])
    rotoscope.translate(source, tmp_path / "out", model=invert, mix=1.0)
    assert [halves(picture) for picture in pictures_of(tmp_path / "out")] == [[40, 220]] * 3


SIZES = [
    [(64, 48)] * 3 + [(96, 72)] * 3,
    [(200, 128)] * 3 + [(201, 128)] * 3,  # one working size
    [(40, 30)] * 2 + [(41, 30)] * 2 + [(40, 30)] * 2,
    [(64, 48), (48, 64), (65, 48), (64, 49)],
]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("options", [
    {}, {"steady": "hypercon"}, {"keyframes": 3}, {"keyframes": 3, "steady": "off"}, {"steady": "off"},
    {"steady": "hypercon", "pool": "weighted"},
], ids=str)  # fmt: skip
def test_every_method_passes_a_change_of_size(options, sizes, tmp_path, identity):
    source = write_pictures(tmp_path / "in", sizes)
    run = rotoscope.translate(source, tmp_path / "out", model=identity, **options)
    assert run.frames_out == len(sizes)
    for picture in pictures_of(tmp_path / "out"):
        assert picture.shape[:2] == sizes[0][::-1]
        assert np.abs(np.array(halves(picture)) - (40, 220)).max() <= 2


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_window_does_not_reach_over_a_change_of_size(sizes, tmp_path):
    source = write_pictures(tmp_path / "in", sizes)
    run = rotoscope.translate(source, tmp_path / "out", model=tiny_models.mean_of(tmp_path / "two.onnx", (-1, 0)))
    assert run.frames_out == len(sizes)


def test_state_is_forgotten_at_a_change_of_size(tmp_path):
    smoother = tiny_models.smoother(tmp_path / "smoother.onnx")
    source = write_pictures(tmp_path / "in", [(64, 48)] * 2 + [(64, 50)] * 2)
    rotoscope.translate(source, tmp_path / "out", model=smoother)
    dark = [halves(picture)[0] for picture in pictures_of(tmp_path / "out")]
    assert np.abs(np.array(dark) - [20, 30, 20, 30]).max() <= 1


# Refused early


class Counting:
    """Counts how often a model was opened."""

    def __init__(self, monkeypatch):
        from rotoscope.assembly import model

        self.opened = 0
        original = model.open_named

        def count(*args, **kwargs):
            self.opened += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(model, "open_named", count)


@pytest.mark.parametrize(("target", "options", "reason"), [
    ("there.mp4", {}, "there.mp4 exists; --overwrite (in Python overwrite=True) replaces it"),
    ("clip.mp4", {"overwrite": True}, "input and output are the same file"),
    ("nowhere/out.mp4", {}, "nowhere: no such folder"),
    ("out.xyz", {}, "unknown ending .xyz"),
    ("out.png", {}, "the source has more than one frame; give a folder or out_%05d.png"),
    ("shots", {"codec": "libx264"}, "--codec and -e are for videos"),
])  # fmt: skip
def test_a_target_that_cannot_work_is_refused_before_a_model_is_opened(
    target, options, reason, here, identity, monkeypatch
):
    tiny_clips.write_clip(here / "clip.mp4")
    (here / "there.mp4").write_bytes(b"precious")
    counting = Counting(monkeypatch)
    with pytest.raises(rotoscope.UsageError) as error:
        rotoscope.translate("clip.mp4", target, model=identity, **options)
    assert reason in str(error.value) and counting.opened == 0
    assert (here / "there.mp4").read_bytes() == b"precious"


def test_a_source_that_cannot_be_read_is_refused_before_a_model_is_opened(here, identity, monkeypatch):
    (here / "clip.mp4").write_bytes(b"nothing of a video")
    counting = Counting(monkeypatch)
    with pytest.raises(rotoscope.InputRefused):
        rotoscope.translate("clip.mp4", "out.mp4", model=identity)
    assert counting.opened == 0


def test_a_result_is_named_after_the_file_that_was_given(here, tmp_path):
    """Two files may carry the same name inside."""
    tiny_clips.write_clip(here / "clip.mp4", frames=2)
    first = tiny_models.smoother(here / "first.onnx")
    second = tiny_models.smoother(here / "second.onnx")
    runs = [rotoscope.translate("clip.mp4", model=path) for path in (first, second)]
    assert [run.target for run in runs] == ["clip.first.mp4", "clip.second.mp4"]
    assert [run.models for run in runs] == [("smoother",)] * 2
