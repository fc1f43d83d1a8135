"""`benchmarks/table.py`: the order of methods beside a paper's, generated data, work in pieces, small tables."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from shared_data import need_shared

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import table  # noqa: E402
from tables import cyclegan_losses, streets, temporal_loss  # noqa: E402
from tables.pieces import Setup, TimeIsOver, kept_folder, train_all  # noqa: E402
from tables.result import Published, Result  # noqa: E402

from rotoscope.metrics.warping_error import warping_error  # noqa: E402


def result(ours, **published):
    return Result(
        name="x", title="a table", values=ours, published=Published(where="a paper", **published), settings={"steps": 1}
    )


def test_the_order_counts_pairs_of_methods_as_in_the_paper_and_those_within_their_errors():
    ours = {"a": [3.0, 3.2], "b": [1.0, 1.2], "c": [1.0, 1.4], "d": [0.0, 0.0]}
    found = result(
        {name: {"E_warp": values} for name, values in ours.items()},
        values={"E_warp": {"a": 30.0, "b": 20.0, "c": 10.0}},
    )
    assert list(found.orders()) == [
        ("E_warp", 2, 3, 1)
    ]  # a > b and a > c agree, b > c does not and is within the errors
    assert "Order by E_warp differs: 2 of 3 pairs" in found.text()


def test_a_claim_without_figures_is_compared_in_the_sense_of_its_measure():
    values = {"a": {"LPIPS": [0.1, 0.1], "PSNR": [20.0, 20.0]}, "b": {"LPIPS": [0.2, 0.2], "PSNR": [30.0, 30.0]}}
    found = result(values, values={}, claims=(("LPIPS", "a", "b"), ("PSNR", "a", "b")))
    assert [claim[3] for claim in found.claims()] == [True, False]
    assert "Order by LPIPS agrees: the paper puts a before b" in found.text()


def test_the_file_holds_values_orders_and_what_the_paper_reports(tmp_path):
    found = result({"a": {"E_warp": [1.0, float("nan")]}, "b": {"E_warp": [2.0]}}, values={"E_warp": {"a": 1, "b": 2}})
    content = json.loads(found.write(tmp_path / "new").read_text())
    assert content["methods"]["a"]["E_warp"]["values"] == [1.0, None]
    assert content["orders"] == [{"measure": "E_warp", "agreeing": 1, "pairs": 1, "within errors": 0}]
    assert content["published"]["E_warp"] == {"a": 1, "b": 2}


def test_label_colours_are_told_apart_and_true_labels_score_one():
    labels = streets.scene(3, 2, (96, 64))
    assert np.array_equal(streets.nearest_labels(streets.coloured(labels)), labels)
    assert streets.fcn_scores(labels, labels) == pytest.approx((1, 1, 1))


def test_a_photograph_depends_on_its_labels_scene_and_time_only():
    labels = streets.scene(3, 2, (96, 64))
    first, second = streets.photographs(labels, 3)
    assert np.array_equal(first, streets.photograph(labels[0], 3, 0))
    assert first.shape == (64, 96, 3) and not np.array_equal(first, second)


def test_the_camera_of_the_temporal_loss_moves_as_its_flow_says():
    picture = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8).repeat(32, 0).repeat(32, 1)
    frames, flows = temporal_loss.glide(picture, seed=1)
    inner = np.zeros(frames.shape[1:3], bool)
    inner[8:-8, 8:-8] = True
    along, across = (warping_error(frames[0], frames[1], flow, inner) for flow in (flows[0], np.zeros_like(flows[0])))
    assert along < across / 3


def test_a_piece_whose_time_is_over_continues_where_it_stopped(tmp_path):
    runs = cyclegan_losses.training_runs(*cyclegan_losses.data(Setup(tmp_path, tiny=True), 2))
    with pytest.raises(TimeIsOver, match="cyclegan-cycle: 0 of 4 steps"):
        train_all(Setup(tmp_path, tiny=True, until=0.0), runs, steps=4)
    one = {"cyclegan-cycle": runs["cyclegan-cycle"]}
    train_all(Setup(tmp_path, tiny=True), one, steps=4)
    log = [json.loads(line) for line in (tmp_path / "runs" / "cyclegan-cycle" / "log.jsonl").read_text().splitlines()]
    assert log and not any("adversarial" in name for row in log for name in row)
    folders = train_all(Setup(tmp_path, tiny=True, until=0.0), one, steps=4)  # finished: needs no time
    assert len(cyclegan_losses.generators(folders["cyclegan-cycle"])) == 2


def test_one_run_of_a_table_is_trained_alone_and_is_there_for_the_table(tmp_path, capsys):
    need_shared()
    words = ["d", "--tiny", "--work", str(tmp_path)]
    assert table.main([*words, "--run", "temporal10-seed0"]) is None
    assert capsys.readouterr().out.splitlines()[-1] == (
        "temporal10-seed0 is trained; the same command without --run makes the table when all runs are there."
    )
    assert [folder.name for folder in (tmp_path / "tiny" / "runs").iterdir()] == ["temporal10-seed0"]
    table.main([*words, "--minutes", "0", "--run", "temporal10-seed0"])
    assert "temporal10-seed0 is trained" in capsys.readouterr().out
    table.main([*words, "--minutes", "0"])
    assert "over at temporal0-seed0: 0 of 4 steps" in capsys.readouterr().out


def test_a_run_that_the_table_has_not_is_refused_with_those_that_it_has(tmp_path):
    need_shared()
    with pytest.raises(SystemExit) as refused:
        table.main(["d", "--tiny", "--work", str(tmp_path), "--run", "temporal5-seed0"])
    assert refused.value.code == "--run temporal5-seed0; accepted: temporal0-seed0, temporal10-seed0"


def test_a_table_without_several_runs_takes_no_run(tmp_path):
    with pytest.raises(SystemExit, match="accepted with c, d, e, g-vid2vid, h"):
        table.main(["f", "--tiny", "--work", str(tmp_path), "--run", "inpainter"])


@pytest.mark.parametrize("is_first", [True, False])
def test_data_that_another_process_makes_at_the_same_time_are_kept_once(is_first, tmp_path):
    folder = tmp_path / "data" / "labels"

    def fill(part):
        (part / "a.txt").write_text("ours")
        if not is_first:
            folder.mkdir()
            (folder / "a.txt").write_text("theirs")

    assert kept_folder(folder, fill) == folder
    assert (folder / "a.txt").read_text() == ("ours" if is_first else "theirs")
    assert list(folder.parent.iterdir()) == [folder]
    kept_folder(folder, pytest.fail)


@pytest.mark.full
@pytest.mark.parametrize("name", table.TABLES)
def test_every_table_prints_from_one_command(name, tmp_path, capsys):
    need_shared()
    found = table.main([name, "--tiny", "--work", str(tmp_path), "--out", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert shown.count("Order by") == len(list(found.orders())) + len(list(found.claims()))
    content = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert list(content["methods"]) == list(found.values)
