"""rotoscope compare: the sheet, the order of epochs, and errors."""

import cv2
import numpy as np
import pytest
import tiny_clips
import tiny_models

from rotoscope.cli.compare import matching


@pytest.fixture
def models(here):
    tiny_models.identity(here / "net_1.onnx")
    tiny_models.invert(here / "net_10.onnx")
    tiny_models.affine(here / "net_2.onnx", 0.0, 0.0)
    return here


def corners(sheet, columns):
    """A pixel near the lower right corner of every picture of the last row."""
    width = (sheet.shape[1] + 4) // columns
    return [sheet[-6, column * width + width - 8].astype(int) for column in range(columns)]


def test_models_of_a_pattern_stand_side_by_side_in_their_order(models, rotoscope_main):
    grey = np.full((40, 60, 3), 60, np.uint8)
    cv2.imwrite("photo.png", grey)
    code, _, err = rotoscope_main("compare", "photo.png", "sheet.png", "-m", "net_*.onnx")
    assert code == 0 and "3 models -> sheet.png" in err
    source, one, two, ten = corners(cv2.imread("sheet.png"), 4)
    assert (source == 60).all() and (one == 60).all() and (two == 0).all() and (ten == 195).all()


def test_frames_are_spread_over_the_whole_clip(models, rotoscope_main):
    clip = tiny_clips.write_clip(models / "clip.mp4")
    code, _, err = rotoscope_main("compare", clip, "-m", "net_1.onnx", "--frames", "3")
    assert code == 0 and "1 model -> compare.png" in err
    assert cv2.imread("compare.png").shape[0] == 26 + 3 * (240 + 4)  # a line of labels, three pictures


def test_one_flag_takes_several_models(models, rotoscope_main):
    cv2.imwrite("photo.png", np.full((40, 60, 3), 60, np.uint8))
    code, _, err = rotoscope_main(
        "compare", "photo.png", "sheet.png", "-m", "net_1.onnx", "net_10.onnx", "--height", "40"
    )
    assert code == 0, err
    source, same, inverted = corners(cv2.imread("sheet.png"), 3)
    assert (source == 60).all() and (same == 60).all() and (inverted == 195).all()


def test_a_working_size_is_what_the_models_see(models, rotoscope_main):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    cv2.imwrite("photo.png", stripes)
    words = "compare", "photo.png", "-o", "sheet.png", "-m", "net_1.onnx", "--height", "64"
    assert rotoscope_main(*words, "--working-size", "32x32")[0] == 0
    sheet = cv2.imread("sheet.png")
    assert np.ptp(sheet[-36:-8, 16:48]) == 255
    assert np.ptp(sheet[-36:-8, 68 + 16 : 68 + 48]) < 10  # the stripes are averaged to grey
    code, _, err = rotoscope_main(*words, "--working-size", "huge", "--overwrite")
    assert (code, err.count("\n")) == (2, 1) and "huge" in err


def test_epochs_are_sorted_as_numbers(models):
    assert matching("net_*.onnx") == ["net_1.onnx", "net_2.onnx", "net_10.onnx"]
    assert matching(str(models / "net_1*.onnx")) == [str(models / "net_1.onnx"), str(models / "net_10.onnx")]
    assert matching("starry") == ["starry"]


@pytest.mark.parametrize(("words", "code", "said"), [
    (["photo.png", "sheet.webm", "-m", "net_1.onnx"], 2, "a sheet ends in .png or .jpg"),
    (["photo.png", "-m", "none_*.pth"], 2, "none_*.pth: no file matches"),
    (["photo.png", "-m", "net_1.onnx", "--frames", "0"], 2, "at least 1 frame"),
    (["none.png", "-m", "net_1.onnx"], 3, "none.png"),
    (["photo.png", "photo.png", "-m", "net_1.onnx", "--overwrite"], 2, "same file"),
])  # fmt: skip
def test_errors_are_one_line(words, code, said, models, rotoscope_main):
    cv2.imwrite("photo.png", tiny_clips.pattern(0))
    found, _, err = rotoscope_main("compare", *words)
    assert (found, len(err.splitlines())) == (code, 1) and said in err
