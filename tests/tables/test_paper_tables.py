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
from tables.pieces import Setup, TimeIsOver  # noqa: E402
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
    a, b = cyclegan_losses.data(Setup(tmp_path, tiny=True), 2)
    with pytest.raises(TimeIsOver, match="cyclegan-cycle: 0 of 4 steps"):
        cyclegan_losses.generators(Setup(tmp_path, tiny=True, until=0.0), "cycle", a, b)
    cyclegan_losses.generators(Setup(tmp_path, tiny=True), "cycle", a, b)
    log = [json.loads(line) for line in (tmp_path / "runs" / "cyclegan-cycle" / "log.jsonl").read_text().splitlines()]
    assert log and not any("adversarial" in name for row in log for name in row)
    cyclegan_losses.generators(Setup(tmp_path, tiny=True, until=0.0), "cycle", a, b)  # finished: needs no time


@pytest.mark.full
@pytest.mark.parametrize("name", table.TABLES)
def test_every_table_prints_from_one_command(name, tmp_path, capsys):
    need_shared()
    found = table.main([name, "--tiny", "--work", str(tmp_path), "--out", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert shown.count("Order by") == len(list(found.orders())) + len(list(found.claims()))
    content = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert list(content["methods"]) == list(found.values)
