"""Promise: NaN and infinity are found at the first bad frame, with every engine and precision, in pictures and in states."""

from fractions import Fraction

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import rotoscope
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.manifest import FrameInput, FrameOutput, Manifest, StateTensor
from rotoscope.export.graph import Graph
from rotoscope.export.torch_engine import TorchEngine
from rotoscope.runtime.engines.openvino import OpenVinoEngine, has_bf16
from rotoscope.runtime.models.model_file import open_model

BAD_FRAME, FRAMES = 7, 10
VALUES = {"NaN": np.nan, "infinity": np.inf, "minus infinity": -np.inf}
KINDS = [
    "onnxruntime fp32",
    "onnxruntime fp16",
    "onnxruntime int8",
    "openvino fp32",
    "openvino bf16",
    "torch fp32",
    "torch bf16",
]
ANY = ("N", 3, "H", "W")


def frames():
    """Dark frames; one pixel of one of them is bright."""
    for index in range(FRAMES):
        codes = np.full((16, 24, 3), 20, np.uint8)
        if index == BAD_FRAME:
            codes[5, 9] = 250
        yield Frame(index, index, Fraction(1, 25), 1, Picture((codes,)))


def manifest(where, dtype):
    memory = StateTensor(input="memory", output="memory_out", shape=("N", 3, "H", "W"), dtype=dtype)
    return Manifest(
        name="bad",
        frame=FrameInput(tensor="in", dtype=dtype),
        output=FrameOutput(tensor="out", dtype=dtype),
        state=(memory,) if where == "state" else (),
    )


def model(path, bad, *, where, kind):
    """`bad` in place of a bright value: in the picture, or in a state that the picture of that frame does not show."""
    half = kind == "onnxruntime fp16"
    dtype = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    constants = [
        helper.make_tensor(name, dtype, [], [value]) for name, value in (("limit", 0.5), ("bad", bad), ("zero", 0.0))
    ]
    nodes, frame = [], "in"
    if kind == "onnxruntime int8":
        constants += [
            helper.make_tensor("scale", TensorProto.FLOAT, [], [1 / 127]),
            helper.make_tensor("point", TensorProto.INT8, [], [0]),
        ]
        nodes = [
            helper.make_node("QuantizeLinear", ["in", "scale", "point"], ["codes"]),
            helper.make_node("DequantizeLinear", ["codes", "scale", "point"], ["frame"]),
        ]
        frame = "frame"
    nodes.append(helper.make_node("Greater", [frame, "limit"], ["is_bad"]))
    inputs = [helper.make_tensor_value_info("in", dtype, ANY)]
    outputs = [helper.make_tensor_value_info("out", dtype, ANY)]
    if where == "state":
        inputs.append(helper.make_tensor_value_info("memory", dtype, ANY))
        outputs.append(helper.make_tensor_value_info("memory_out", dtype, ANY))
        nodes += [
            helper.make_node("Mul", ["memory", "zero"], ["nothing"]),
            helper.make_node("Add", [frame, "nothing"], ["out"]),
            helper.make_node("Where", ["is_bad", "bad", frame], ["memory_out"]),
        ]
    else:
        nodes.append(helper.make_node("Where", ["is_bad", "bad", frame], ["out"]))
    graph = helper.make_graph(nodes, "bad", inputs, outputs, constants)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    described = manifest(where, "float16" if half else "float32")
    proto.metadata_props.add(key="rotoscope", value=described.model_dump_json())
    onnx.save(proto, path)
    return path


class Bad(torch.nn.Module):
    """The same network for torch."""

    def __init__(self, bad, where):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.bad, self.where = bad, where

    def forward(self, frame, *memory):
        spoilt = torch.where(frame > 0.5, torch.full_like(frame, self.bad), frame * self.weight)
        return (frame + 0 * memory[0], spoilt) if self.where == "state" else (spoilt,)


def engine(kind, path, bad, where):
    """The engine of a kind; None: ONNX Runtime, which runs the file as it is."""
    name, precision = kind.split()
    if name == "openvino":
        return OpenVinoEngine(path, precision=precision)
    if name == "torch":
        return TorchEngine(Graph(Bad(bad, where).eval(), open_model(path).manifest), precision=precision)
    return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["picture", "state"])
@pytest.mark.parametrize("bad", VALUES)
def test_it_is_found_at_the_first_bad_frame(bad, where, kind, tmp_path):
    if kind == "openvino bf16" and not has_bf16():
        pytest.skip("this CPU has no bf16 arithmetic")
    path = model(tmp_path / "bad.onnx", VALUES[bad], where=where, kind=kind)
    own = engine(kind, path, VALUES[bad], where)
    with (
        rotoscope.Translator(path, engine=own, steady="off", in_flight=1) as translator,
        pytest.raises(rotoscope.RotoscopeError, match="NaN or infinite") as error,
    ):
        list(translator.stream(frames()))
    assert str(error.value).startswith(
        f"frame {BAD_FRAME} (0.280 s): {'state memory_out' if where == 'state' else 'output'} of bad is "
    )


@pytest.mark.parametrize("steady", ["off", "blend", "ramp", "hypercon"])
@pytest.mark.parametrize("in_flight", [1, 2, 8])
def test_no_bad_frame_is_shown_by_any_method(steady, in_flight, tmp_path):
    path = model(tmp_path / "bad.onnx", np.nan, where="picture", kind="onnxruntime fp32")
    shown = []
    with (
        rotoscope.Translator(path, steady=steady, in_flight=in_flight) as translator,
        pytest.raises(rotoscope.RotoscopeError, match=f"^frame {BAD_FRAME} "),
    ):
        for frame in translator.stream(frames()):
            shown.append(frame.index)
            assert np.isfinite(frame.pixels()).all()
    assert shown == list(range(len(shown))) and len(shown) <= BAD_FRAME
