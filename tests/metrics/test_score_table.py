"""Mean, standard error, Wilson interval, and tables of methods: values counted by hand."""

import json
import math

import pytest

from rotoscope.base.errors import UsageError
from rotoscope.metrics.mean_error import mean_error, wilson_interval
from rotoscope.metrics.score_table import ScoreTable

VALUES = {
    "plain": {"E_warp": [4.0, 5.0, 6.0, 7.0], "SSIM": [1.0, 1.0, 1.0, 1.0]},
    "ours": {"E_warp": [1.0, 2.0, 3.0, 4.0], "SSIM": [0.5, 0.7, 0.9, 0.7]},
    "theirs": {"E_warp": [2.0, 3.0, 3.0, 4.0], "SSIM": [0.5, 0.7, 0.9, 1.5]},
}


def test_the_standard_error_is_the_sample_deviation_over_the_root_of_the_number():
    found = mean_error([1, 2, 3, 4])
    assert (found.mean, found.num) == (2.5, 4)
    assert found.error == pytest.approx(math.sqrt(5 / 3) / 2)  # squares 2.25 + 0.25 + 0.25 + 2.25 over 3


def test_missing_values_are_left_out_and_one_value_has_no_error():
    assert mean_error([1, math.nan, 3]) == (2.0, 1.0, 2)
    one = mean_error([7])
    assert (one.mean, one.num) == (7, 1) and math.isnan(one.error)
    none = mean_error([math.nan])
    assert none.num == 0 and math.isnan(none.mean) and math.isnan(none.error)
    infinite = mean_error([math.inf, 1])  # PSNR of equal pictures
    assert infinite.mean == math.inf and math.isnan(infinite.error)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_the_wilson_interval_is_that_of_published_tables(count, total, low, high):
    assert wilson_interval(count, total) == pytest.approx((low, high), abs=5e-5)


def test_nothing_counted_says_nothing():
    assert wilson_interval(0, 0) == (0, 1)
    with pytest.raises(ValueError, match="3 of 2"):
        wilson_interval(3, 2)


def test_marks_name_the_best_and_those_nearer_to_it_than_their_standard_error():
    table = ScoreTable(VALUES)
    # E_warp: ours 2.5, theirs 3.0 with error sqrt(2/3)/2 = 0.408 < 0.5. SSIM: plain 1.0, theirs 0.9 with error 0.216 > 0.1.
    assert [table.mark(name, "E_warp") for name in VALUES] == ["", "best", ""]
    assert [table.mark(name, "SSIM") for name in VALUES] == ["best", "", "close"]


def test_a_column_of_unknown_sense_has_no_marks_until_it_is_told():
    values = {"a": {"seconds": [1.0, 2.0]}, "b": {"seconds": [9.0, 9.0]}}
    assert ScoreTable(values).mark("a", "seconds") == ""
    assert ScoreTable(values, higher_is_better={"seconds": False}).mark("a", "seconds") == "best"


def test_the_text_has_a_row_for_each_method_and_says_what_the_marks_mean():
    lines = ScoreTable(VALUES).text().splitlines()
    assert lines[0].split() == ["E_warp", "(lower)", "SSIM", "(higher)"]
    assert lines[2].split() == ["ours", "*", "2.50", "+-", "0.65", "0.700", "+-", "0.082"]
    assert "4 clips" in lines[-1] and "standard error" in lines[-1]


def test_csv_and_json_hold_unrounded_numbers():
    table = ScoreTable(VALUES)
    rows = [line.split(",") for line in table.csv().splitlines()]
    assert rows[0] == ["method", "measure", "mean", "standard error", "clips", "mark"]
    assert rows[3][:2] == ["ours", "E_warp"] and float(rows[3][3]) == pytest.approx(math.sqrt(5 / 3) / 2)
    content = json.loads(json.dumps(table.content()))
    assert content["methods"]["ours"]["E_warp"]["values"] == [1, 2, 3, 4]
    assert content["methods"]["ours"]["E_warp"]["mark"] == "best"


def test_latex_is_a_tabular_without_special_characters_of_names():
    text = ScoreTable({"a_b & 50%": {"E_warp": [1.0, 2.0]}}).latex()
    assert r"a\_b \& 50\% & \textbf{1.50 $\pm$ 0.50} \\" in text
    assert r"E\_warp $\downarrow$" in text and text.startswith(r"\begin{tabular}{lr}")


def test_a_measure_that_one_method_lacks_is_a_gap():
    table = ScoreTable({"a": {"FID": [1.0]}, "b": {"SSIM": [1.0]}})
    assert table.columns == ("FID", "SSIM")
    assert table.text().splitlines()[1].split() == ["a", "*", "1", "-"]


def test_a_table_of_nothing_is_refused():
    with pytest.raises(UsageError, match="no method"):
        ScoreTable({})
