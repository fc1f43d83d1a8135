"""The chart of a sweep."""

import math
from xml.etree import ElementTree

from rotoscope.metrics.pareto import Setting, recommended
from rotoscope.plots.pareto_chart import pareto_chart

SVG = "{http://www.w3.org/2000/svg}"
SETTINGS = [Setting("strength=0.25", 0.01, 0.004), Setting("strength=0.75", 0.05, 0.001), Setting("blur", 0.06, 0.002)]


def draw(settings):
    words = {"distance_name": "LPIPS", "title": "car.mp4 by mosaic"}
    return ElementTree.fromstring(pareto_chart(settings, recommended(settings), **words))


def test_each_setting_is_one_point_with_its_label():
    drawing = draw(SETTINGS)
    circles = {(circle.get("cx"), circle.get("cy")): circle.get("fill") for circle in drawing.iter(f"{SVG}circle")}
    assert len(circles) == len(SETTINGS)
    assert len(set(circles.values())) == 3  # recommended, on the front, beaten
    texts = [text.text for text in drawing.iter(f"{SVG}text")]
    assert {setting.label for setting in SETTINGS} < set(texts)
    assert {"recommended", "front", "beaten by others", "car.mp4 by mosaic"} < set(texts)
    assert any("LPIPS" in text for text in texts)


def test_a_setting_that_could_not_be_measured_is_left_out():
    drawing = draw([*SETTINGS, Setting("hidden", 0.0, math.nan)])
    assert len(list(drawing.iter(f"{SVG}circle"))) == len(SETTINGS)
    assert "hidden" not in [text.text for text in drawing.iter(f"{SVG}text")]
