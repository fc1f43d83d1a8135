"""Every network on every engine: torch, ONNX Runtime and OpenVINO on the same inputs and the same state, call by call."""

import numpy as np
import pytest
import torch
from catalogue import traced_cases

from rotoscope.base.device import CPU
from rotoscope.base.engine import EngineSetup
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.export.graph import as_graph
from rotoscope.export.onnx import write_onnx
from rotoscope.export.options import ExportOptions
from rotoscope.export.parity import Form, Pair, run_random
from rotoscope.export.torch_engine import TorchEngine, open_engine
from rotoscope.networks import from_state_dict
from rotoscope.networks.resnet import ResnetGenerator
from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
from rotoscope.runtime.engines.openvino import OpenVinoEngine, has_bf16
from rotoscope.runtime.models.golden import golden_inputs
from rotoscope.runtime.models.model_file import open_model

# Their random weights magnify the last bit of a number: no two orders of summing agree within the bound.
CHAOTIC = ("VINet", "VINet at double size")
# Their flow in bf16 is wrong by whole pixels, 20 and 40 times the flow itself.
NOT_IN_BF16 = (*CHAOTIC, "vid2vid, three scales with foreground")

SLOW = ("vid2vid of street scenes", "RAFT-small")  # test_onnx.py runs them on ONNX Runtime, among many sizes


def form(kind, path, manifest, graph):
    """By its name, "onnxruntime fp32" or the like."""
    engine, precision = kind.split()
    made = {
        "torch": lambda: TorchEngine(graph, precision=precision),
        "onnxruntime": lambda: OnnxRuntimeEngine(path),
        "openvino": lambda: OpenVinoEngine(path, precision=precision),
    }[engine]()
    return Form(kind, manifest, made, precision)


def supported_here(kind):
    if kind == "openvino bf16" and not has_bf16():
        pytest.skip("this CPU has no bf16 arithmetic")


# The first test of a network exports it. The order is reversed, because another process may export the first ones at the
# same time, for test_onnx.py.
@pytest.mark.parametrize("case", traced_cases(but=SLOW)[::-1])
@pytest.mark.parametrize("kind", ["onnxruntime fp32", "openvino fp32", "openvino bf16", "torch bf16"])
def test_every_network_is_the_same_on_every_engine(kind, case, exported):
    supported_here(kind)
    path, manifest, loaded = exported(case)
    if str(case) in (NOT_IN_BF16 if "bf16" in kind else CHAOTIC):
        pytest.skip("random weights that no precision but the same one reproduces")
    graph = as_graph(loaded, ExportOptions(name=str(case)))
    pair = Pair(form("torch fp32", path, manifest, graph), form(kind, path, manifest, graph))
    multiple = manifest.frame.multiple
    least = max(manifest.frame.minimum, 24)
    for batch in (1, 2):  # another number of cells for each
        run_random(pair, height=least, width=least + batch * multiple, batch=batch, calls=2 if manifest.state else 1)
    assert pair.is_within, pair.found


@pytest.fixture
def graph():
    torch.manual_seed(0)
    return as_graph(from_state_dict(ResnetGenerator(width=2, num_blocks=2).state_dict()), ExportOptions(name="net"))


def test_the_torch_engine_leaves_the_network_as_it_is(graph):
    before = {key: value.clone() for key, value in graph.module.state_dict().items()}
    engine = TorchEngine(graph, precision="fp64")
    inputs, state = golden_inputs(graph.manifest, seed=0, height=16, width=20)
    out = np.empty((1, 3, 16, 20), np.float32)
    engine.run(inputs, state, {"picture": out}, {})
    assert all(torch.equal(value, before[key]) for key, value in graph.module.state_dict().items())
    expected = graph.module(torch.from_numpy(inputs["frame"]))[0]
    np.testing.assert_allclose(out, expected.numpy(), rtol=0, atol=1e-5)


def test_the_torch_engine_refuses_what_it_cannot_do(graph):
    with pytest.raises(UsageError, match="--precision int8 with torch; accepted: fp64, fp32, tf32, fp16, bf16"):
        TorchEngine(graph, precision="int8")
    with pytest.raises(UsageError, match="--device tpu with torch; this machine has: cpu"):
        TorchEngine(graph, device="tpu")
    graph.module.train()
    with pytest.raises(ModelRefused, match="training mode"):
        TorchEngine(graph)


def test_the_torch_engine_says_which_shape_does_not_fit(graph):
    with pytest.raises(ModelRefused, match=r"torch cannot run this network on frame \[1, 4, 16, 16\]"):
        TorchEngine(graph).shapes({"frame": np.zeros((1, 4, 16, 16), np.float32)}, {})


@pytest.mark.parametrize("kind", ["onnxruntime fp32", "openvino fp32", "torch fp32"])
@pytest.mark.parametrize("case", [case for case in traced_cases() if case.id.startswith("TransformNet")])
def test_a_state_of_the_engines_device_goes_from_call_to_call(case, kind, exported):
    path, manifest, loaded = exported(case)
    engine = form(kind, path, manifest, as_graph(loaded, ExportOptions(name=str(case)))).engine
    inputs, state = golden_inputs(manifest, seed=0, height=32, width=40)
    shapes = engine.shapes(inputs, state)
    out = {name: np.empty(shapes[name], np.float32) for name in manifest.outputs}

    def places(empty):
        return {tensor.output: empty(shapes[tensor.output], np.float32) for tensor in manifest.state}

    def following(made):
        return {tensor.input: made[tensor.output] for tensor in manifest.state}

    handed, again = places(np.empty), places(np.empty)
    engine.run(inputs, state, out, handed)
    engine.run(inputs, following(handed), out, again)
    expected = out[manifest.outputs[0]].copy()

    device = engine.device
    assert device == CPU
    placed = {name: device.asarray(array) for name, array in state.items()}
    first, second = places(device.empty), places(device.empty)
    engine.run(inputs, placed, out, first)
    engine.run(inputs, following(first), out, second)
    np.testing.assert_array_equal(out[manifest.outputs[0]], expected)
    for name, array in second.items():
        np.testing.assert_array_equal(device.to_host(array), again[name])


@pytest.mark.parametrize("kind", ["onnxruntime fp32", "openvino fp32", "torch fp32"])
def test_an_engine_keeps_no_array_of_its_caller(kind, graph, tmp_path):
    write_onnx(graph, tmp_path / "net.onnx")
    engine = form(kind, tmp_path / "net.onnx", graph.manifest, graph).engine
    first, second = (golden_inputs(graph.manifest, seed=seed, height=16, width=20)[0] for seed in (0, 1))
    outs = [{"picture": np.full((1, 3, 16, 20), np.nan, np.float32)} for _ in range(3)]
    engine.run(first, {}, outs[0], {})
    kept = outs[0]["picture"].copy()
    engine.run(second, {}, outs[1], {})
    engine.run(first, {}, outs[2], {})
    np.testing.assert_array_equal(outs[0]["picture"], kept)
    np.testing.assert_array_equal(outs[2]["picture"], kept)
    assert np.isfinite(kept).all() and (outs[1]["picture"] != kept).any()


@pytest.mark.parametrize(("setup", "said"), [
    ({"op_library": "any.so"}, "--op-library with torch; only onnxruntime"),
    ({}, "--engine torch runs checkpoints, and net.onnx is ONNX: onnxruntime or openvino run it"),
])  # fmt: skip
def test_torch_refuses_libraries_and_onnx_files(setup, said, graph, tmp_path):
    write_onnx(graph, tmp_path / "net.onnx")
    with pytest.raises(UsageError, match=said):
        open_engine(open_model(tmp_path / "net.onnx"), EngineSetup(**setup))
