"""The process in which a stranger's file is tried: it ends with its parent, and what comes out of it is bounded."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rotoscope.assembly.trial_calls import tried_apart
from rotoscope.base.errors import ModelRefused
from rotoscope.runtime.engines.trial_engine import PROCESS
from rotoscope.runtime.engines.trial_process import receive, send
from rotoscope.runtime.models.model_file import open_model

SECONDS = 120  # a generous limit


def saved(path, nodes, **constants):
    pictures = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["N", 3, "H", "W"]), ("y", list("NChw")))
    ]
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", pictures[:1], pictures[1:], initializer=initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def endless(path):
    def value(name, kind=TensorProto.FLOAT, shape=()):
        return helper.make_tensor_value_info(name, kind, shape)

    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Identity", ["v"], ["w"])],
        "body",
        [value("i", TensorProto.INT64), value("go", TensorProto.BOOL), value("v", shape=list("NChw"))],
        [value("goes", TensorProto.BOOL), value("w", shape=list("NChw"))],
    )
    loop = helper.make_node("Loop", ["most", "yes", "x"], ["y"], body=body)
    return saved(path, [loop], most=np.int64(1 << 62), yes=np.bool_(True))


def test_it_ends_with_its_parent_in_the_middle_of_a_call(tmp_path):
    command = [sys.executable, "-P", "-m", PROCESS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            send(process.stdin, {"do": "open", "path": str(endless(tmp_path / "endless.onnx"))})
            assert "refused" not in receive(process.stdout)[0]
            picture = np.zeros((1, 3, 64, 64), np.float32)
            send(process.stdin, {"do": "end", "seconds": 100 * SECONDS}, inputs={"x": picture})
            process.stdin.close()  # as when the parent is killed
            assert process.wait(SECONDS) == 1
        finally:
            process.kill()


def test_an_output_that_is_far_larger_than_its_picture_is_refused(tmp_path):
    resize = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
    path = saved(tmp_path / "huge.onnx", [resize], scales=np.array([1, 1, 40, 40], np.float32))
    with pytest.raises(ModelRefused, match=r"huge\.onnx: the output for a picture of 67x65 is \[1, 3, 2600, 2680\]"):
        tried_apart(open_model(path))
