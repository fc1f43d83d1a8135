"""The front of a sweep: every setting once, the recommended one named."""

from xml.etree import ElementTree

from rotoscope.metrics.front import Setting, front, recommended
from rotoscope.plots.front import front_chart

SVG = "{http://www.w3.org/2000/svg}"
SETTINGS = [Setting("strength=0.25", 0.01, 0.004), Setting("strength=0.75", 0.05, 0.001), Setting("blur", 0.06, 0.002)]


def test_every_setting_is_one_point_with_its_label():
    best = front(SETTINGS)
    drawing = ElementTree.fromstring(front_chart(SETTINGS, best, recommended(SETTINGS), "LPIPS", "car.mp4 by mosaic"))
    circles = {(circle.get("cx"), circle.get("cy")): circle.get("fill") for circle in drawing.iter(f"{SVG}circle")}
    assert len(circles) == len(SETTINGS)
    assert len(set(circles.values())) == 3  # recommended, on the front, beaten
    texts = [text.text for text in drawing.iter(f"{SVG}text")]
    assert {setting.label for setting in SETTINGS} < set(texts)
    assert {"recommended", "front", "beaten by others", "car.mp4 by mosaic"} < set(texts)
    assert any("LPIPS" in text for text in texts)
