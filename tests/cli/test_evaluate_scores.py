"""rotoscope evaluate: FCN scores, holes, weights that are missing, and tables of methods."""

import csv
import json

import cv2
import numpy as np
import onnx
import pytest
import tiny_models
from onnx import helper
from tiny_clips import write_clip

import rotoscope

LOSSLESS = {"codec": "ffv1", "pixel_format": "bgr0"}
SIZE = (64, 48)


def segmenter(path, classes=5, stride=2):
    """Scores of half the size: class 0 is dark red, 1 green, 2 blue, 3 none of them, 4 never."""
    weights = np.zeros((classes, 3, 1, 1), np.float32)
    weights[0, 0] = weights[1, 1] = weights[2, 2] = 1
    bias = np.array([0, 0, 0, 0.25, -9], np.float32)
    nodes = [helper.make_node("Conv", ["in", "w", "b"], ["out"], kernel_shape=[1, 1], strides=[stride, stride])]
    constants = [
        onnx.numpy_helper.from_array(weights, "w"),
        onnx.numpy_helper.from_array(bias, "b"),
    ]
    return tiny_models.save(
        path, nodes, shape=("N", 3, "H", "W"), out_shape=("N", classes, "h", "w"), constants=constants
    )


@pytest.fixture
def labelled(here):
    """Two pictures of 32x32 whose left half is red and right half is black; the maps say 0 and, on the right, 3 or 2."""
    (here / "made").mkdir()
    (here / "maps").mkdir()
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, :16, 2] = 200  # BGR
    for index in range(2):
        cv2.imwrite(f"made/{index}.png", picture)
        truth = np.full((64, 128), 0, np.uint8)
        truth[:, 64:] = (3, 2)[index]
        truth[:8] = 255  # void
        cv2.imwrite(f"maps/{index}.png", truth)
    return here


def test_fcn_scores_of_pictures_alone(labelled, rotoscope_main):
    model = segmenter(labelled / "seg.onnx")
    words = "evaluate", "made", "--labels", "maps", "--segmenter", f"onnx:{model}"
    code, out, err = rotoscope_main(*words)
    assert code == 0, err
    content = json.loads((labelled / "made.evaluation.json").read_text())
    # All of class 0, all of class 3, nothing of class 2 is found: 3 of 4 halves, within the blur at the border.
    assert content["summary"]["per-pixel accuracy"] == pytest.approx(0.75, abs=0.02)
    assert content["summary"]["per-class accuracy"] == pytest.approx((1 + 0 + 0 + 1 + 0) / 5, abs=0.02)
    assert content["summary"]["class IoU"] == pytest.approx((1 + 0 + 0 + 1 / 2 + 0) / 5, abs=0.02)
    assert "class IoU" in out
    again = rotoscope.evaluate_pictures("made", labels="maps", segmenter=f"onnx:{model}")
    assert again == pytest.approx(content["summary"])


def test_scores_of_label_pictures_by_their_colours(labelled, rotoscope_main):
    colours = "c80000", "00ff00", "0000ff", "#000000"
    palette = [word for colour in colours for word in ("--palette", colour)]
    code, _, err = rotoscope_main("evaluate", "made", "--labels", "maps", *palette)
    assert code == 0, err
    summary = json.loads((labelled / "made.evaluation.json").read_text())["summary"]
    assert summary["per-pixel accuracy"] == pytest.approx(0.75)  # red is 0, black is 3; one map says 2 for it
    assert summary["per-class accuracy"] == pytest.approx((1 + 0 + 0 + 1) / 4)
    assert rotoscope.evaluate_pictures("made", labels="maps", palette=colours) == pytest.approx(summary)
    for wrong, said in (
        (("--palette", "red"), "six hexadecimal digits"),
        ((*palette, "--segmenter", "onnx:seg.onnx"), "accepted: one"),
        ((), "--palette COLOURS"),
    ):
        code, _, err = rotoscope_main("evaluate", "made", "--labels", "maps", "--overwrite", *wrong)
        assert code == 2 and said in err


def test_fcn_scores_and_holes_of_a_video(here, rotoscope_main, identity):
    def half(index, width, height):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[:, : width // 2, 0] = 100 + 40 * (index % 2)
        return picture

    write_clip("source.mkv", make=lambda _, *size: half(0, *size), size=SIZE, frames=3, **LOSSLESS)
    write_clip("result.mkv", make=half, size=SIZE, frames=3, **LOSSLESS)
    (here / "maps").mkdir()
    for index in range(3):
        cv2.imwrite(f"maps/{index}.png", np.zeros(SIZE[::-1], np.uint8))
    hole = np.zeros(SIZE[::-1], np.uint8)
    hole[:, :20] = 255
    cv2.imwrite("hole.png", hole)
    words = "--labels", "maps", "--segmenter", f"onnx:{identity}", "--mask", "hole.png"
    code, out, err = rotoscope_main("evaluate", "source.mkv", "result.mkv", "--reference", "source.mkv", *words)
    assert code == 0, err
    summary = json.loads((here / "result.evaluation.json").read_text())["summary"]
    assert summary["result"]["E_warp around the hole"] == pytest.approx((40 / 255) ** 2 / 3, rel=0.05)
    assert summary["result"]["E_warp"] < summary["result"]["E_warp around the hole"]
    assert summary["result"]["per-pixel accuracy"] == pytest.approx(1)  # black: the first of equal scores
    assert "per-pixel accuracy" in summary["frame by frame"]
    assert "not measured without weights: LPIPS (--lpips), FID (--inception)" in out


@pytest.mark.parametrize(("words", "code", "said"), [
    ("made --labels maps", 2, "--labels needs one of --segmenter onnx:FILE"),
    ("made --labels maps --segmenter seg.onnx", 2, "--segmenter seg.onnx; accepted: onnx:FILE"),
    ("made --labels maps --segmenter onnx:none.onnx", 4, "none.onnx: no such file"),
    ("made --labels maps --segmenter onnx:code.onnx", 4, "accepted: scores (1,C,H,W)"),
    ("made --labels made --segmenter onnx:seg.onnx", 3, "accepted: PNG files of class numbers"),
    ("made --reference maps --inception no.pth", 4, "no.pth: no such file; --inception takes https://"),
    ("made made --reference made --lpips no.pth", 4, "squeezenet1_1-b8a52dc0.pth (BSD-3-Clause"),
    ("made made --reference made --i3d no.pt", 4, "rgb_imagenet.pt (Apache-2.0)"),
    ("--labels maps", 2, "no SOURCE; accepted: SOURCE RESULT"),
    ("made --table table.toml", 2, "--table names clips, methods and options itself"),
    ("--table none.toml", 2, "none.toml: no such file"),
])  # fmt: skip
def test_an_error_says_what_is_missing_and_where_it_is_published(labelled, rotoscope_main, words, code, said):
    segmenter(labelled / "seg.onnx")
    mean = helper.make_node("ReduceMean", ["in"], ["out"], keepdims=0)
    tiny_models.save(labelled / "code.onnx", [mean], out_shape=("N",))
    found, _, err = rotoscope_main("evaluate", *words.split())
    assert (found, err.count("\n")) == (code, 1), err
    assert said in err


TABLE = """
clips = ["clips/*.mkv"]
columns = ["E_warp", "SSIM"]
reference = "frame by frame"
folder = "made"

[methods."frame by frame"]
model = "net.onnx"
steady = "off"

[methods.ours]
model = "net.onnx"

[methods.theirs]
result = "theirs/{clip}.mkv"
"""


def test_a_table_of_methods_is_printed_written_and_kept(here, rotoscope_main):
    tiny_models.identity(here / "net.onnx")
    for folder, step in (("clips", 16), ("theirs", 4)):
        (here / folder).mkdir()
        for name, more in (("one", 0), ("two", 4)):
            shade = lambda index, width, height, step=step + more: np.full(  # noqa: E731
                (height, width, 3), 100 + step * (index % 2), np.uint8
            )
            write_clip(f"{folder}/{name}.mkv", make=shade, size=SIZE, frames=4, **LOSSLESS)
    (here / "table.toml").write_text(TABLE)
    code, out, err = rotoscope_main("evaluate", "--table", "table.toml")
    assert code == 0, err
    content = json.loads((here / "table.table.json").read_text())["methods"]
    plain = [(16 / 255) ** 2, (20 / 255) ** 2]
    assert content["frame by frame"]["E_warp"]["values"] == pytest.approx(plain, rel=0.01)
    assert content["frame by frame"]["E_warp"]["standard error"] == pytest.approx((plain[1] - plain[0]) / 2, rel=0.02)
    assert content["theirs"]["E_warp"]["mark"] == "best" and "* best" in out
    with (here / "table.table.csv").open() as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"frame by frame", "ours", "theirs"}
    assert (here / "table.table.tex").read_text().startswith(r"\begin{tabular}{lrr}")
    assert "one, ours: translating" in err
    code, again, err = rotoscope_main("evaluate", "--table", "table.toml", "--overwrite")
    assert (code, err) == (0, "") and again == out
    assert rotoscope.evaluate_table("table.toml").text() in out
    assert len(list((here / "made").glob("ours-*"))) == 1 and len(list((here / "made/numbers").iterdir())) == 6
    code, _, err = rotoscope_main("evaluate", "--table", "table.toml")
    assert code == 2 and "table.table.json exists" in err
