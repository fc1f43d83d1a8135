"""The sheet of an evaluation: everything is on it, once, and it is one valid file."""

import base64
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from rotoscope.metrics.evaluation import evaluate_frames
from rotoscope.metrics.matched import MatchedFrame
from rotoscope.plots.evaluation_sheet import evaluation_sheet
from rotoscope.plots.raster import data_uri, heat_map, through_time

SVG = "{http://www.w3.org/2000/svg}"


def sheet(with_reference, visible=True):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 40, 48, 3), np.uint8)
    frames = [
        MatchedFrame(k / 5, pictures[0], picture, picture if with_reference else None)
        for k, picture in enumerate(pictures)
    ]
    motion = np.zeros((40, 48, 2), np.float32), np.full((40, 48), visible)
    return ElementTree.fromstring(evaluation_sheet(evaluate_frames(frames, lambda *_: motion), "a & b"))


def images_of(drawing):
    images = list(drawing.iter(f"{SVG}image"))
    for image in images:
        decoded = cv2.imdecode(np.frombuffer(base64.b64decode(image.get("href").split(",")[1]), np.uint8), 1)
        assert decoded.shape[0] == 40
    return images


@pytest.mark.parametrize(("with_reference", "charts", "pictures"), [(False, 1, 1 + 2 + 6), (True, 2, 2 + 3 + 9)])
def test_a_sheet_shows_curves_heat_maps_slices_and_the_pair_with_the_largest_error(with_reference, charts, pictures):
    drawing = sheet(with_reference)
    assert len(list(drawing.iter(f"{SVG}svg"))) == 1 + charts
    assert len(images_of(drawing)) == pictures
    texts = " ".join(node.text for node in drawing.iter(f"{SVG}text"))
    assert "a & b" in texts
    assert ("frame by frame" in texts) == with_reference


@pytest.mark.parametrize(("with_reference", "charts", "pictures"), [(False, 0, 2), (True, 1, 3)])
def test_without_a_visible_pixel_only_what_could_be_measured_is_drawn(with_reference, charts, pictures):
    drawing = sheet(with_reference, visible=False)
    assert len(list(drawing.iter(f"{SVG}svg"))) == 1 + charts  # sharpness, if there is a reference
    assert len(images_of(drawing)) == pictures  # slices through time
    assert any("no pixel is visible" in node.text for node in drawing.iter(f"{SVG}text"))


def test_a_picture_survives_as_text():
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    encoded = base64.b64decode(data_uri(picture).removeprefix("data:image/png;base64,"))
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(encoded, np.uint8), 1)[..., ::-1], picture)
    assert data_uri(picture, quality=80).startswith("data:image/jpeg;base64,")


def test_heat_maps_go_from_dark_to_bright_and_show_gaps():
    found = heat_map(np.array([[0, 0.5, 1, 2, np.nan]]), 1.0).astype(int)
    brightness = found[0].sum(axis=1)
    assert brightness[0] < brightness[1] < brightness[2] == brightness[3]
    assert found[0, 4].tolist() == [128, 128, 128]


def test_slices_repeat_whole_frames_and_average_none():
    columns = [np.full((3, 3), value, np.uint8) for value in (10, 20, 30)]
    assert through_time(columns, 7)[0, :, 0].tolist() == [10, 10, 20, 20, 30, 30]
    assert through_time(columns, 2)[0, :, 0].tolist() == [10, 20]
