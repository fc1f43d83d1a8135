"""Tables of methods on clips: what is read, made, kept and measured, with a translation and a measure that count."""

import os
from pathlib import Path

import numpy as np
import pytest

from rotoscope.base.errors import UsageError
from rotoscope.metrics.table_file import read_table
from rotoscope.metrics.table_scores import table_scores

CONTENT = {
    "clips": ["*.mp4"],
    "reference": "plain",
    "translate": {"working_size": "48x32"},
    "methods": {
        "plain": {"model": "net.onnx", "steady": "off"},
        "ours": {"model": "net.onnx"},
        "theirs": {"result": "theirs/{clip}.mkv"},
    },
}


VECTORS = {  # of the reference: two clips that differ
    name: np.random.default_rng(seed).normal(10 * seed, 1, (20, 3)).astype(np.float32)
    for seed, name in enumerate(("one.mp4", "two.mp4"))
}


def read(content):
    return read_table(content, check_measure=lambda _given: None)


@pytest.fixture
def clips(here):
    (here / "theirs").mkdir()
    for name in ("one.mp4", "two.mp4", "net.onnx", "theirs/one.mkv", "theirs/two.mkv"):
        (here / name).write_text(name)
    return here


class Counting:
    """Stands for translate and evaluate; E_warp is 1 for the first clip and 3 for the second, SSIM of a result is 0.5."""

    def __init__(self):
        self.made, self.measured = [], []

    def translate(self, source, target, options):
        self.made.append((source, options))
        Path(target).write_text(source)

    def evaluate(self, source, result, reference, options):
        self.measured.append((source, result, reference, options))
        numbers = {"result": {"E_warp": 1.0 if source == "one.mp4" else 3.0}}
        vectors = {"FID": (VECTORS[source] + 2, VECTORS[source])} if "inception" in options else {}
        return numbers | ({"to frame by frame": {"SSIM": 0.5, "FID": 9.0}} if reference else {}), vectors

    def table(self, plan, **measure):
        return table_scores(plan, measure, translate=self.translate, evaluate=self.evaluate)


def test_every_method_is_measured_on_every_clip_and_the_reference_has_no_distance_to_itself(clips):
    run = Counting()
    table = run.table(read(CONTENT))
    assert table.cell("ours", "E_warp") == (2, 1, 2)
    assert table.cell("theirs", "SSIM").mean == 0.5 and table.cell("plain", "SSIM").num == 0
    assert table.columns == ("E_warp", "SSIM")
    assert run.made[0] == ("one.mp4", {"model": "net.onnx", "steady": "off", "working_size": "48x32"})
    references = {result.split("/")[0]: reference for _, result, reference, _ in run.measured}
    assert references["theirs"].startswith("table/plain-") and len(run.measured) == 6
    assert len(list((clips / "table").glob("plain-*"))) == 1


def test_what_is_newer_than_its_inputs_is_kept_and_what_changed_is_made_again(clips):
    Counting().table(read(CONTENT))
    again = Counting()
    table = again.table(read(CONTENT))
    assert (again.made, again.measured) == ([], []) and table.cell("ours", "E_warp").mean == 2
    later = Path("table/numbers").stat().st_mtime + 10
    os.utime("two.mp4", (later, later))
    again.table(read(CONTENT))
    assert [source for source, _ in again.made] == ["two.mp4"] * 2 and len(again.measured) == 3
    changed = Counting()
    other = {**CONTENT, "methods": {**CONTENT["methods"], "ours": {"model": "net.onnx", "strength": 0.5}}}
    changed.table(read({**other, "clips": ["one.mp4"]}))
    assert [options.get("strength") for _, options in changed.made] == [0.5] and len(changed.measured) == 1


def test_fid_is_between_the_frames_of_all_clips(clips):
    """The results are those of the reference moved by 2 in each of 3 directions: 12, where each clip alone said 9."""
    (clips / "inception.pth").write_text("weights")
    for _ in range(2):  # the second time from files
        run = Counting()
        table = run.table(read(CONTENT), inception="inception.pth")
        assert table.cell("ours", "FID").mean == pytest.approx(12, abs=1e-3) and table.cell("ours", "FID").num == 1
        assert "FID (lower, all clips)" in table.text() and "over 2 clips" in table.text()
    assert run.measured == [] and table.cell("plain", "FID").num == 0


def test_names_of_clips_fill_paths_of_masks_and_references(clips):
    run = Counting()
    content = {
        **CONTENT, "reference": "truth/{clip}.mp4", "measure": {"mask": "holes/{clip}.png", "start": 1.0}, "clips": ["one.mp4"],
    }  # fmt: skip
    run.table(read(content), labels=Path("maps/{clip}"))
    options = {"mask": "holes/one.png", "start": 1.0, "labels": "maps/one"}
    assert run.measured[0][2:] == ("truth/one.mp4", options)
    assert run.made[0][1]["start"] == 1.0


@pytest.mark.parametrize(("change", "said"), [
    ({"clips": ["none*.mp4"]}, "no clip (none*.mp4)"),
    ({"clips": "one.mp4"}, "accepted: a list of texts"),
    ({"clips": ["one.mp4", "theirs/one.mkv"]}, "two clips of the name one"),
    ({"methods": {}}, "no method"),
    ({"methods": {"a": {}}}, "[methods.a]: needs one of model and result"),
    ({"methods": {"a": {"result": "same.mp4"}}}, "a path with {clip} in it"),
    ({"methods": {"a": {"model": "m", "strenght": 1}}}, "did you mean strength?"),
    ({"methods": {"a": {"model": "m", "codec": "ffv1"}}}, "codec: set by the table itself"),
    ({"reference": "another"}, "reference 'another'; accepted: a method"),
    ({"method": {}}, "unknown entry method"),
])  # fmt: skip
def test_a_table_that_cannot_be_measured_is_refused_before_anything_is_made(clips, change, said):
    with pytest.raises(UsageError) as raised:
        read({**CONTENT, **change})
    assert said in str(raised.value)


@pytest.mark.parametrize(("change", "said"), [
    ({"columns": ["E_wrap"]}, "column E_wrap; accepted: E_warp, "),
    ({"columns": ["C_PSNR"]}, "column C_PSNR needs patches in [measure]"),
    ({"columns": ["FID"]}, "--inception takes https://github.com/mseitzer/pytorch-fid/"),
    ({"columns": ["SSIM"], "reference": None}, "column SSIM needs a reference"),
])  # fmt: skip
def test_a_column_that_would_stay_empty_is_refused(clips, change, said):
    run = Counting()
    with pytest.raises(UsageError) as raised:
        run.table(read({**CONTENT, **change}))
    assert said in str(raised.value) and run.made == []
