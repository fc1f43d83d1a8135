"""Networks on two frames, from model files whose answers are known."""

import numpy as np
import pytest
import tiny_models
from onnx import TensorProto, helper

import rotoscope
from rotoscope.base.frame import Picture
from rotoscope.base.manifest import FrameInput, FrameOutput, Manifest
from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
from rotoscope.runtime.models.model_file import open_model
from rotoscope.runtime.network.pair import FlowModel, InterpolationModel


@pytest.fixture
def flow_file(tmp_path):
    """dx is the mean of red, dy of green, of the second picture less the first, in 0..255."""
    manifest = Manifest(
        name="flow", kind="flow", frame=FrameInput(tensor="in", range=(0, 255), multiple=8), second=tiny_models.NEXT,
        output=FrameOutput(tensor="flow", content="flow"),
    )  # fmt: skip
    nodes = [
        helper.make_node("Sub", ["second", "in"], ["difference"]),
        helper.make_node("Slice", ["difference", "begin", "end", "axis"], ["flow"]),
    ]
    constants = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in (("begin", 0), ("end", 2), ("axis", 1))
    ]
    return tiny_models.save_pair(tmp_path / "flow.onnx", nodes, manifest, {"flow": ("N", 2, "H", "W")}, constants)


def opened(kind, path, **options):
    return kind(open_model(path), OnnxRuntimeEngine(path), **options)


def flat(red, green, size=(21, 30)):
    picture = np.zeros((*size, 3), np.uint8)
    picture[..., 0], picture[..., 1] = red, green
    return picture


def test_a_flow_model_gives_pixels_on_the_grid_of_the_first_picture(flow_file):
    flow = opened(FlowModel, flow_file)(flat(10, 20), flat(13, 16))
    assert flow.shape == (21, 30, 2)
    np.testing.assert_allclose(flow, np.broadcast_to([3, -4], flow.shape), atol=1e-4)


def test_a_flow_from_a_smaller_size_is_longer_in_full_pixels(flow_file):
    flow = opened(FlowModel, flow_file, working="15x7")(flat(10, 20), flat(13, 16))
    assert flow.shape == (21, 30, 2)
    np.testing.assert_allclose(flow, np.broadcast_to([6, -12], flow.shape), atol=1e-3)


def test_sizes_may_change_from_pair_to_pair_but_not_within_one(flow_file):
    model = opened(FlowModel, flow_file)
    for size in ((8, 8), (21, 30)):
        assert model(flat(0, 0, size), flat(1, 0, size)).shape == (*size, 2)
    with pytest.raises(ValueError, match="two of one size"):
        model(flat(0, 0), flat(0, 0, (8, 8)))


def test_a_model_of_another_kind_is_refused(flow_file, identity):
    with pytest.raises(rotoscope.UsageError, match="of kind translate; this needs one of kind flow"):
        opened(FlowModel, identity)
    with pytest.raises(rotoscope.UsageError, match="of kind flow; this needs one of kind interpolate"):
        opened(InterpolationModel, flow_file)


def test_an_interpolator_mixes_by_time_and_tells_where_pixels_come_from(tmp_path):
    path = tiny_models.interpolator(tmp_path / "between.onnx", flow=(2.0, -3.0))
    made = opened(InterpolationModel, path)(Picture((flat(100, 0),)), Picture((flat(200, 40),)), 0.25)
    assert made.picture.shape == (21, 30, 4)
    np.testing.assert_allclose(made.picture[5, 5, :3] * 255, [125, 10, 0], atol=1e-3)
    np.testing.assert_allclose(made.to_first[20, 29], [2, -3])
    np.testing.assert_allclose(made.to_second[0, 0], [-2, 3])
    assert made.visibility.shape == (21, 30)
    np.testing.assert_allclose(made.visibility, 0.25)
