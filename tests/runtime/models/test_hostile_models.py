"""Hostile .onnx files and descriptions: one short, printable line, and nothing is allocated for what a file only claims."""

import json

import numpy as np
import onnx
import pytest
import tiny_clips
import tiny_models
from onnx import TensorProto, helper, numpy_helper

from rotoscope.base.errors import ModelRefused
from rotoscope.base.text import MAX_LINE_BYTES
from rotoscope.runtime.models.model_file import open_model

ONE = [helper.make_node("Identity", ["in"], ["out"])]
STYLE = {"tensor": "s", "shape": [1, 8, 1, 1]}
STATE = {"input": "s", "output": "s2", "shape": ["N", 3, "H", "W"]}
ESCAPE = "\x1b]0;pwned\x07\x1b[31m"
LONG = "k" * 100_000

DESCRIPTIONS = {
    "escape in the name": {"name": ESCAPE},
    "line in the name": {"name": "a\nrotoscope: fake\n"},
    "NUL in the name": {"name": "a\0"},
    "folder in the name": {"name": "a/b"},
    "long name": {"name": "n" * 101},
    "empty name": {"name": ""},
    "hidden name": {"name": ".bashrc"},
    "long key": {LONG: 1},
    "long key below": {"frame": {"tensor": "in", LONG: 1}},
    "long value": {"kind": LONG},
    "minimum": {"frame": {"tensor": "in", "minimum": 10**9}},
    "fixed size": {"frame": {"tensor": "in", "height": 60000, "width": 60000}},
    "sizes together": {"frame": {"tensor": "in", "height": 16384, "width": 16384}},
    "size and window together": {
        "frame": {"tensor": "in", "height": 4096, "width": 4096, "window": {"offsets": list(range(-31, 1))}}
    },
    "equal range": {"output": {"tensor": "out", "range": [1, 1]}},
    "range of NaN": {"output": {"tensor": "out", "range": [float("nan"), 1]}},
    "range of infinity": {"frame": {"tensor": "in", "range": [0, float("inf")]}},
    "range that vanishes": {"output": {"tensor": "out", "range": [0, 1e-300]}},
    "deviation of NaN": {"frame": {"tensor": "in", "std": [float("nan"), 1, 1]}},
    "negative style": {"style": {**STYLE, "shape": [-1, 4]}},
    "large style": {"style": {**STYLE, "shape": [30000, 30000]}},
    "huge style": {"style": {**STYLE, "shape": [10**6, 10**6, 10**6]}},
    "style of many dimensions": {"style": {**STYLE, "shape": [1] * 1000}},
    "negative state": {"state": [{**STATE, "shape": [-1, 1, 1, 1]}]},
    "huge state": {"state": [{**STATE, "shape": ["N", 10**6, 10**6, 1]}]},
    "states together": {"state": [{**STATE, "input": f"i{n}", "output": f"o{n}", "shape": [1 << 24]} for n in range(40)]},
    "digits in a state": {"state": [{**STATE, "shape": ["H/" + "9" * 5000, 1, 1, 1]}]},
    "unknown letter in a state": {"state": [{**STATE, "shape": ["Q"]}]},
    "state unlike its initial": {"state": [{**STATE, "shape": ["N", 7, "H", "W"], "initial": "in"}]},
    "unknown initial": {"state": [{**STATE, "initial": "nothing"}]},
    "far window": {"frame": {"tensor": "in", "window": {"offsets": [0, 10**30]}}},
    "long window": {"frame": {"tensor": "in", "window": {"offsets": list(range(-10000, 1))}}},
    "window without its frame": {"frame": {"tensor": "in", "window": {"offsets": [-2, -1]}}},
    "labels": {"frame": {"tensor": "in", "dtype": "int32", "padding": "edge", "labels": {"num": 10**12}}},
    "colours": {"frame": {"tensor": "in", "padding": "edge", "labels": {"num": 1, "palette": [[0, 0, 10**30]]}}},
    "scale": {"output": {"tensor": "out", "scale": 10**9}},
    "number": {"number": {"tensor": "t", "what": "time", "value": float("nan")}},
    "golden size": {"golden": {"seed": 0, "height": 10**6, "width": 10**6, "values": [0] * 64, "tolerance": 1}},
    "golden seed": {"golden": {"seed": -1, "height": 64, "width": 64, "values": [0] * 64, "tolerance": 1}},
    "a list": [],
    "a number": 5,
}  # fmt: skip


def refused(path, **how):
    with pytest.raises(ModelRefused) as error:
        open_model(path, **how)
    line = str(error.value)
    assert line.startswith(str(path)) and line.isprintable() and len(line) - len(str(path)) < 350
    return line


def described(path, change):
    whole = {"name": "n", "frame": {"tensor": "in"}, "output": {"tensor": "out"}}
    content = {**whole, **change} if isinstance(change, dict) else change
    return tiny_models.identity(path, metadata={"rotoscope": json.dumps(content)})


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_a_hostile_description_is_refused(what, tmp_path):
    assert "description is not valid" in refused(described(tmp_path / "m.onnx", DESCRIPTIONS[what]))


def test_a_description_that_is_nested_deeply_is_refused(tmp_path):
    deep = '{"frame": ' + '{"a": ' * 5000 + "1" + "}" * 5001
    refused(tiny_models.identity(tmp_path / "m.onnx", metadata={"rotoscope": deep}))


def test_an_unknown_element_type_is_refused(tmp_path):
    proto = onnx.load(tiny_models.identity(tmp_path / "m.onnx"))
    proto.graph.input[0].type.tensor_type.elem_type = 999
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    assert "element type 999" in refused(tmp_path / "m.onnx")


@pytest.mark.parametrize("name", ["a" * 100_000, ESCAPE])
def test_names_of_the_graph_are_cut_in_messages(name, tmp_path):
    values = [helper.make_tensor_value_info(item, TensorProto.FLOAT, tiny_models.ANY) for item in (name, name + "2")]
    path = tiny_models.save(tmp_path / "m.onnx", ONE, inputs=values)
    with pytest.raises(ModelRefused) as error:
        open_model(path)
    assert len(str(error.value)) < 400 + len(str(path))


@pytest.mark.parametrize("place", [b"\x0a\x02in", b"\x0a\x03out", b"\x22\x08Identity", b"\x0a\x09rotoscope", b'"name"'])
def test_names_that_are_not_text_are_refused(place, tmp_path):
    path = described(tmp_path / "m.onnx", {})
    data = path.read_bytes()
    assert place in data
    path.write_bytes(data.replace(place, place[:-2] + b"\xff\xfe"))
    assert "not text" in refused(path)


def external(location):
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


@pytest.mark.parametrize("location", ["w.bin\0", "w\n.bin", "a" * 5000, "\x1b[31m"])
def test_the_place_of_external_weights_is_a_printable_name(location, tmp_path):
    path = tiny_models.save(tmp_path / "m.onnx", [helper.make_node("Add", ["in", "w"], ["out"])])
    proto = onnx.load(path)
    proto.graph.initializer.append(external(location))
    path.write_bytes(proto.SerializeToString())
    assert "outside its folder" in refused(path)


@pytest.mark.parametrize("place", ["default of a function", "training", "sparse tensors of an attribute"])
def test_external_weights_are_found_wherever_they_stand(place, tmp_path):
    path = tiny_models.save(tmp_path / "m.onnx", ONE)
    proto = onnx.load(path)
    attribute = onnx.AttributeProto(name="value", type=onnx.AttributeProto.TENSOR)
    attribute.t.CopyFrom(external("../secret.bin"))
    if place == "training":
        proto.training_info.add().algorithm.initializer.append(external("../secret.bin"))
    elif place == "default of a function":
        opsets = [helper.make_opsetid("", 18)]
        function = helper.make_function(
            "local", "F", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], opsets
        )
        function.attribute_proto.append(attribute)
        proto.functions.append(function)
    else:
        sparse = onnx.AttributeProto(name="many", type=onnx.AttributeProto.SPARSE_TENSORS)
        sparse.sparse_tensors.add().values.CopyFrom(external("../secret.bin"))
        proto.graph.node[0].attribute.append(sparse)
    path.write_bytes(proto.SerializeToString())
    assert "../secret.bin" in refused(path)


@pytest.mark.parametrize("has_op_library", [False, True])
def test_an_engine_that_was_built_elsewhere_is_refused(has_op_library, tmp_path):
    node = helper.make_node("EPContext", ["in"], ["out"], domain="com.microsoft", ep_cache_context=b"program")
    path = tiny_models.save(tmp_path / "m.onnx", [node])
    assert "a program" in refused(path, has_op_library=has_op_library)


def test_the_log_of_onnx_runtime_does_not_reach_the_terminal(tmp_path, rotoscope_main):
    shape = numpy_helper.from_array(np.array([7, 7], np.int64), "shape")
    nodes = [
        helper.make_node("Reshape", ["in", "shape"], ["q"], name=ESCAPE),
        helper.make_node("Add", ["in", "q"], ["out"]),
    ]
    path = tiny_models.save(tmp_path / "m.onnx", nodes, constants=[shape])
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4")
    code, _, err = rotoscope_main("translate", clip, tmp_path / "out.mp4", "-m", path, "--threads", "1")
    assert code == 4 and err.count("\n") == 1 and "\x1b" not in err and len(err.encode()) < MAX_LINE_BYTES + 20
