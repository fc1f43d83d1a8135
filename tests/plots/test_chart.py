"""Charts: round ticks, points where they belong, text that cannot break the file."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotoscope.plots.chart import BOTTOM, LEFT, RIGHT, TOP, Series, chart, ticks

WORDS = {"title": "t", "x_label": "x", "y_label": "y"}


def draw(*series, **words):
    return ElementTree.fromstring(chart(series, **{**WORDS, **words}, size=(400, 300)))


def test_ticks_are_round_and_enclose_the_values():
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(0.13, 0.9) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(-3, 40) == [-10, 0, 10, 20, 30, 40]
    assert ticks(7, 7) == [6, 8]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_enclose_any_range(low, span):
    found = ticks(low, low + span)
    margin = 1e-6 * max(abs(low), span)
    assert found[0] <= low + margin and found[-1] >= low + span - margin
    assert 2 <= len(found) <= 8


def test_a_curve_runs_from_corner_to_corner_and_breaks_where_nothing_was_measured():
    (path,) = (
        node.get("d")
        for node in draw(Series("result", [0, 1, 2, 3, 4], [0, 1, float("nan"), 3, 4])).iter()
        if node.get("fill") == "none"
    )
    assert path.startswith(f"M{LEFT}.0 {300 - BOTTOM}.0L")
    assert path.endswith(f"L{400 - RIGHT}.0 {TOP}.0")
    assert re.findall("[ML]", path) == ["M", "L", "M", "L"]


def test_points_of_a_front_carry_their_labels():
    drawing = draw(Series("blend", [0.1, 0.2], [1.0, 0.5], ["0.5", "<1 & all>"]))
    texts = [node.text for node in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"0.5", "<1 & all>", "blend"} <= set(texts)
    assert len(list(drawing.iter("{http://www.w3.org/2000/svg}circle"))) == 2


def test_a_chart_of_nothing_is_refused():
    with pytest.raises(ValueError, match="empty: nothing to draw"):
        draw(Series("a", [0.0], [float("nan")]), title="empty")
