"""No input is ever written to, and nothing that exists is replaced because of its position on the command line."""

import os
from pathlib import Path

import cv2
import pytest
import tiny_clips

from rotoscope.base.errors import UsageError
from rotoscope.cli.overwrite_rules import chosen_target, refuse_inputs


@pytest.fixture
def folder(here, identity):
    tiny_clips.write_clip(here / "a.mp4")
    tiny_clips.write_clip(here / "b.mp4")
    cv2.imwrite("p.png", tiny_clips.pattern(0))
    cv2.imwrite("q.png", tiny_clips.pattern(1))
    (here / "shots").mkdir()
    (here / "more").mkdir()
    for number in range(3):
        cv2.imwrite(f"shots/f_{number}.png", tiny_clips.pattern(number))
        cv2.imwrite(f"more/f_{number}.png", tiny_clips.pattern(9))
    os.link("a.mp4", "hard.mp4")
    Path("soft.mp4").symlink_to("a.mp4")
    Path("m.onnx").write_bytes(identity.read_bytes())
    Path("copy.onnx").write_bytes(b"mine")
    Path("c.safetensors").write_bytes(b"mine")
    Path("d.safetensors").write_bytes(b"mine")
    return here


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


REFUSED = [
    # The names that a shell makes of *.mp4, *.png and *.
    "translate a.mp4 b.mp4 -m m.onnx",
    "translate a.mp4 b.mp4 -m m.onnx --overwrite",
    "translate a.mp4 b.mp4 hard.mp4 -m m.onnx --overwrite",
    "translate -m m.onnx --overwrite a.mp4 b.mp4",
    "translate p.png q.png -m m.onnx --overwrite",
    "translate shots more -m m.onnx --overwrite",
    "translate a.mp4 b.mp4 -o out.mp4 -m m.onnx",
    "translate a.mp4 out.mp4 -o b.mp4 -m m.onnx --overwrite",
    "compare a.mp4 p.png -m m.onnx --overwrite",
    "compare p.png q.png -m m.onnx --overwrite",
    "encode p.png q.npy r.npy -m m.onnx --overwrite",
    "export c.safetensors d.safetensors --overwrite",
    "export c.safetensors copy.onnx --overwrite",
    "frames a.mp4 more",
    "info m.onnx --write copy.onnx",
    # The source under another name.
    "translate a.mp4 -o a.mp4 -m m.onnx --overwrite",
    "translate a.mp4 -o ./a.mp4 -m m.onnx --overwrite",
    "translate a.mp4 -o hard.mp4 -m m.onnx --overwrite",
    "translate a.mp4 -o soft.mp4 -m m.onnx --overwrite",
    "translate soft.mp4 -o a.mp4 -m m.onnx --overwrite",
    "translate shots -o shots -m m.onnx --overwrite",
    "translate shots/*.png -o shots -m m.onnx --overwrite",
    "translate shots/f_%d.png -o shots/f_%d.png -m m.onnx --overwrite",
    "compare p.png -o p.png -m m.onnx --overwrite",
    "export c.safetensors -o c.safetensors --overwrite",
    # Other inputs.
    "translate a.mp4 -o b.mp4 -m m.onnx --mask b.mp4 --overwrite",
    "translate a.mp4 -o more -m m.onnx --instances more --overwrite",
    "evaluate a.mp4 b.mp4 --json b.mp4 --overwrite",
    "evaluate a.mp4 hard.mp4 --plot soft.mp4 --overwrite",
    "evaluate a.mp4 b.mp4 --reference q.png --plot q.png --overwrite",
    "parity m.onnx copy.onnx --save copy.onnx --overwrite",
    "parity m.onnx@openvino m.onnx --save m.onnx --overwrite",
    # The report.
    "translate a.mp4 -o out.mp4 -m m.onnx --report a.mp4 --overwrite",
    "translate a.mp4 -o out.mp4 -m m.onnx --report hard.mp4 --overwrite",
    "translate a.mp4 -o out.mp4 -m m.onnx --report soft.mp4 --overwrite",
    "translate a.mp4 -o out.mp4 -m m.onnx --report m.onnx --overwrite",
    "translate a.mp4 -o out.mp4 -m m.onnx --report b.mp4 --mask b.mp4 --overwrite",
    "translate a.mp4 -o out.mp4 -m m.onnx --flow onnx:copy.onnx --report copy.onnx --overwrite",
    "translate a.mp4 -o out.mp4 -m m.onnx --report ./out.mp4 --overwrite",
    "translate a.mp4 -o out.mp4 -m m.onnx --report b.mp4",
    "translate a.mp4 -o out.mp4 -m m.onnx --report more",
]


@pytest.mark.parametrize("words", REFUSED)
def test_it_is_refused_and_every_file_is_as_before(words, folder, rotoscope_main):
    before = contents(folder)
    code, _, err = rotoscope_main(*words.split())
    assert (code, err.count("\n")) == (2, 1)
    assert contents(folder) == before


def test_the_answer_to_two_videos_says_what_to_do(folder, rotoscope_main):
    _, _, err = rotoscope_main("translate", "a.mp4", "b.mp4", "-m", "m.onnx", "--overwrite")
    assert "b.mp4 exists; to replace it: -o b.mp4 --overwrite" in err
    _, _, err = rotoscope_main("translate", "a.mp4", "b.mp4", "hard.mp4", "-m", "m.onnx")
    assert "3 names" in err and "rotoscope batch FILES -o FOLDER -m MODEL" in err


def test_a_report_does_not_replace_a_result_that_is_named_after_source_and_model(folder, rotoscope_main):
    code, _, err = rotoscope_main(*["translate", "p.png", "-m", "m.onnx", "--report", "p.m.png", "--overwrite"])
    assert code == 2 and "--report p.m.png is the result" in err
    assert cv2.imread("p.m.png") is not None


@pytest.mark.parametrize("words", [
    "translate p.png -o q.png -m m.onnx --overwrite", "translate p.png new.png -m m.onnx --overwrite",
    "translate p.png -m m.onnx --output new.png", "compare p.png -o q.png -m m.onnx --overwrite",
    "compare p.png new.png -m m.onnx", "frames a.mp4 -o new", "translate shots -o more -m m.onnx --overwrite",
])  # fmt: skip
def test_what_is_asked_for_by_name_is_done(words, folder, rotoscope_main):
    code, _, err = rotoscope_main(*words.split())
    assert code == 0, err


def test_an_empty_folder_may_stand_in_the_second_place(here):
    (here / "empty").mkdir()
    assert chosen_target("empty", None, [], overwrite=True) == "empty"


def test_standard_output_and_generated_sources_are_no_files(here):
    refuse_inputs("-", ["-", "starry", None, "onnx:missing.onnx", "dis"])
    with pytest.raises(UsageError, match="input and output are the same file"):
        refuse_inputs("x.mp4", ["x.mp4"])


def test_an_own_picture_is_replaced_with_overwrite_and_somebody_elses_is_not(folder, rotoscope_main):
    words = ("translate", "p.png", "made.png", "-m", "m.onnx", "--steady", "off")
    assert rotoscope_main(*words)[0] == 0
    before = Path("made.png").stat().st_mtime_ns
    assert rotoscope_main(*words)[0] == 2  # without --overwrite
    assert rotoscope_main(*words, "--overwrite")[0] == 0
    assert Path("made.png").stat().st_mtime_ns > before
    assert rotoscope_main("translate", "p.png", "q.png", "-m", "m.onnx", "--overwrite")[0] == 2
