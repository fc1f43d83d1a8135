"""Which networks may be given several pictures in one call."""

import onnx
import pytest
import tiny_models
from onnx import helper

from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
from rotoscope.runtime.models.model_file import open_model
from rotoscope.runtime.network.batches import takes_batches


def mixing(path):
    """Subtracts the mean over all pictures of the batch."""
    mean = helper.make_node("ReduceMean", ["in"], ["mean"], keepdims=1)
    return tiny_models.save(path, [mean, helper.make_node("Sub", ["in", "mean"], ["out"])])


def fixed(path):
    """Takes one picture at a time."""
    return tiny_models.identity(path, shape=(1, 3, "H", "W"))


NETWORKS = [
    (lambda path: tiny_models.affine(path, -0.8, 0.9), True),
    (lambda path: tiny_models.interpolator(path, flow=(1.0, 2.0)), True),
    (mixing, False),
    (fixed, False),
    (tiny_models.smoother, False),
]


@pytest.mark.parametrize(("make", "takes"), NETWORKS, ids=["affine", "interpolator", "mixing", "fixed", "memory"])
def test_it_is_tried_with_two_pictures(make, takes, tmp_path):
    path = make(tmp_path / "net.onnx")
    assert onnx.load(path).graph.node
    file = open_model(path, {"frame.range": (0, 1)} if takes is False and make is not tiny_models.smoother else {})
    assert takes_batches(file.manifest, OnnxRuntimeEngine(path), 24, 16) == takes
