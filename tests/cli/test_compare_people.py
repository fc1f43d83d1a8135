"""rotoscope compare --blind, --count and --styles."""

import json
import re

import cv2
import numpy as np
import pytest
import tiny_models
from tiny_clips import write_clip

import rotoscope
from rotoscope.base.errors import UsageError
from rotoscope.base.manifest import StyleInput
from rotoscope.cli.compare import parse_styles


def test_folders_become_a_page_with_media_whose_names_say_nothing(here, rotoscope_main):
    for folder in ("ours", "theirs", "in"):
        (here / folder).mkdir()
        for name in ("cat", "dog"):
            cv2.imwrite(f"{folder}/{name}.{'png' if folder == 'ours' else 'bmp'}", np.full((8, 8, 3), 99, np.uint8))
    code, _, err = rotoscope_main("compare", "--blind", "ours", "theirs", "-o", "test", "--original", "in")
    assert code == 0 and "2 pairs -> test/index.html" in err, err
    page = (here / "test" / "index.html").read_text()
    test = json.loads(re.search(r"const test = (\{.*\});", page)[1])
    assert [pair["name"] for pair in test["pairs"]] == ["cat", "dog"] and (test["a"], test["b"]) == ("ours", "theirs")
    named = {pair[side] for pair in test["pairs"] for side in ("a", "b", "original")}
    assert named == {file.name for file in (here / "test").iterdir()} - {"index.html"} and len(named) == 6
    assert all(re.fullmatch(r"[0-9a-f]{12}\.png", name) for name in named)
    assert re.findall(r"https?://", page) == []
    assert {file.name for file in here.iterdir()} == {"ours", "theirs", "in", "test"}  # nothing hidden is left


def test_videos_that_browsers_do_not_play_are_encoded_and_others_are_copied(here):
    size = {"size": (64, 48), "frames": 4}
    write_clip("a.mp4", **size)
    write_clip("b.mkv", **size, codec="ffv1", pixel_format="bgr0")
    assert rotoscope.compare_blind("a.mp4", "b.mkv", "test", question="</script>?") == 1
    page = (here / "test" / "index.html").read_text()
    assert page.count("</script>") == 1
    files = [file for file in (here / "test").iterdir() if file.suffix == ".mp4"]
    assert (here / "a.mp4").read_bytes() in [file.read_bytes() for file in files] and len(files) == 2
    for file in files:
        with rotoscope.read(file) as source:
            assert source.info.codec == "h264" and sum(1 for _ in source) == 4


@pytest.mark.parametrize(("words", "code", "said"), [
    ("--blind one", 2, "accepted: --blind A B"),
    ("--blind one two -m starry", 2, "accepted: --blind A B"),
    ("--blind one two", 3, "one and two: b is in one of them only"),
    ("--blind one one/a.png", 3, "a folder and a file"),
    ("--blind one none", 3, "none: no such file or folder"),
    ("--blind one/a.png one/b.png -o one", 2, "one exists; accepted: a new folder"),
    ("--count one/a.png", 3, "not a result of a blind test"),
    ("one", 2, "compare: -m is missing; accepted: a bundled look"),
    ("one --original two", 2, "accepted: SOURCE -m MODEL, --blind A B"),
    ("one/a.png -m net.onnx --question why", 2, "accepted: SOURCE -m MODEL, --blind A B"),
    ("one/a.png -m net.onnx --styles 0..x", 2, "--styles 0..x; accepted: at most 64"),
    ("one/a.png -m net.onnx --styles 0..1", 2, "takes no style"),
])  # fmt: skip
def test_what_cannot_be_compared_is_said_in_one_line(here, rotoscope_main, words, code, said):
    for name in ("one/a.png", "one/b.png", "two/a.png"):
        (here / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(name, np.zeros((16, 16, 3), np.uint8))
    tiny_models.identity(here / "net.onnx")
    found, _, err = rotoscope_main("compare", *words.split())
    assert (found, err.count("\n")) == (code, 1), err
    assert said in err


def test_choices_of_several_people_are_counted(here, rotoscope_main):
    for name, chosen in (("1.json", "aaab"), ("2.json", "ab")):
        content = {"test": "t", "a": "ours", "b": "theirs", "choices": [{"chosen": side} for side in chosen]}
        (here / name).write_text(json.dumps(content))
    code, out, _ = rotoscope_main("compare", "--count", "1.json", "2.json")
    assert code == 0 and out.splitlines()[0] == "ours    chosen 4 of 6: 67% (30% to 90%, Wilson 95%)"


def test_styles_stand_side_by_side(here, rotoscope_main):
    tiny_models.painter(here / "paint.onnx", StyleInput(tensor="style", what="weights", shape=(1, 3, 1, 1)))
    cv2.imwrite("photo.png", np.zeros((40, 60, 3), np.uint8))
    code, _, err = rotoscope_main(
        "compare", "photo.png", "sheet.png", "-m", "paint.onnx", "--styles", "0..2", "--height", "40"
    )
    assert code == 0 and "1 model in 3 styles -> sheet.png" in err, err
    sheet = cv2.imread("sheet.png")[..., ::-1]
    drawn = rotoscope.compare("photo.png", ["paint.onnx"], styles=range(3), height=40)
    np.testing.assert_array_equal(sheet, drawn)
    middles = [sheet[-20, 64 * column + 30].tolist() for column in range(4)]
    assert middles == [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_seeds_draw_the_same_codes_again_and_different_ones_for_different_seeds(here):
    tiny_models.painter(here / "code.onnx", StyleInput(tensor="style", shape=(1, 3, 1, 1)))
    cv2.imwrite("photo.png", np.zeros((40, 60, 3), np.uint8))
    sheet, again = (rotoscope.compare("photo.png", ["code.onnx"], styles=(1, 2, 1), height=40) for _ in range(2))
    np.testing.assert_array_equal(sheet, again)
    first, second, third = (sheet[-20, 64 * column + 30].tolist() for column in (1, 2, 3))
    assert first == third != second


def test_styles_are_ranges_and_lists():
    assert parse_styles("0..3,7") == (0, 1, 2, 3, 7)
    for text in ("3..0", "", "0..999999", "1.5", "-1", "0..63,64"):
        with pytest.raises(UsageError, match="at most 64"):
            parse_styles(text)
