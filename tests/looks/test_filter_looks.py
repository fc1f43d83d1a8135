"""The looks of classical filters: made by their script, even where the picture is even, and following the light."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import rotoscope
from rotoscope.assembly.models import model_path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from filter_looks.looks import LOOKS
from make_filter_looks import graph_of, make

SIDE = 96


@pytest.mark.parametrize("name", LOOKS)
def test_the_file_is_what_the_script_writes(name):
    shipped = onnx.load(model_path(name))
    del shipped.metadata_props[:]
    assert shipped.SerializeToString(deterministic=True) == graph_of(name).SerializeToString(deterministic=True)


def test_the_script_writes_the_same_bytes_twice():
    assert make("ink").SerializeToString(deterministic=True) == make("ink").SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", LOOKS)
def test_an_even_picture_stays_even(name):
    look = rotoscope.load(name)
    for level in (0, 90, 255):
        made = look(np.full((SIDE, SIDE, 3), level, np.uint8)).astype(int)
        inner = made[8:-8, 8:-8]
        assert np.ptp(inner, axis=(0, 1)).max() <= 1


@pytest.mark.parametrize("name", LOOKS)
def test_values_outside_the_range_are_taken_for_its_ends(name):
    """Limited-range video has codes below 16 and above 235 at sharp edges; so has the black frame that warms up a live run."""
    session = onnxruntime.InferenceSession(model_path(name), providers=["CPUExecutionProvider"])
    ramp = np.linspace(-0.08, 1.1, SIDE, dtype=np.float32)
    frame = np.broadcast_to(ramp, (1, 3, SIDE, SIDE)).copy()
    (made,), (clipped,) = (session.run(None, {"frame": given}) for given in (frame, frame.clip(0, 1)))
    assert np.isfinite(made).all()
    np.testing.assert_array_equal(made, clipped)


def test_a_darker_picture_of_the_same_scene_gives_the_same_ink_drawing():
    """Thresholds are relative to the mean luma."""
    scene = np.zeros((SIDE, SIDE, 3))
    scene[:, SIDE // 2 :] = 200
    scene[30:60, 20:40] = 120
    ink = rotoscope.load("ink")
    bright, dim = (ink((scene * factor).astype(np.uint8)).astype(float) for factor in (1.0, 0.5))
    assert np.abs(bright - dim).mean() < 12


def test_a_line_of_ink_follows_an_oblique_edge_without_a_gap():
    y, x = np.mgrid[:SIDE, :SIDE]
    edge = y * 0.5 + 25
    scene = np.where((x > edge)[..., None], 150, 110).astype(np.uint8).repeat(3, axis=2)
    light = rotoscope.load("ink")(scene).mean(axis=2)
    rows = range(12, SIDE - 12)
    darkest = [light[row, int(edge[row, 0]) - 5 : int(edge[row, 0]) + 4].min() for row in rows]
    assert max(darkest) < 0.75 * np.median(light)
