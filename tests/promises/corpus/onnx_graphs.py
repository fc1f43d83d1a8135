"""Graphs for ONNX files: a sound one, and builders of bad ones."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PICTURE = ("N", 3, "H", "W")
ESCAPES = "\x1b]0;pwned\x07\x1b[31m\nrotoscope: done"
FLOAT = TensorProto.FLOAT


def value(name: str, shape: object = PICTURE, dtype: int = FLOAT) -> onnx.ValueInfoProto:
    """An input or output of a graph."""
    return helper.make_tensor_value_info(name, dtype, shape)


def model(
    *nodes: onnx.NodeProto, inputs: object = None, outputs: object = None, constants: object = (), domains: object = ()
) -> onnx.ModelProto:
    """A model from `in` to `out`; with no nodes, one that returns its input."""
    graph = helper.make_graph(
        nodes or [helper.make_node("Identity", ["in"], ["out"])],
        "bad",
        inputs or [value("in")],
        outputs or [value("out")],
        list(constants),
    )
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def constant(name: str, values: object, dtype: object = np.float32) -> onnx.TensorProto:
    """A constant tensor."""
    return numpy_helper.from_array(np.array(values, dtype), name)


def node(kind: str, inputs: str, outputs: str = "out", **attributes: object) -> onnx.NodeProto:
    """A node; inputs and outputs are separated by blanks."""
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def loop_graph(count: int) -> onnx.ModelProto:
    body = helper.make_graph(
        [node("Identity", "go", "go_on"), node("Add", "carried one", "next")],
        "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("carried")],
        [value("go_on", [], TensorProto.BOOL), value("next")],
        [constant("one", 1)],
    )
    constants = [constant("count", count, np.int64), constant("go0", True, bool)]
    return model(node("Loop", "count go0 in", body=body), constants=constants)


def nested_graph(depth: int) -> onnx.ModelProto:
    graph = helper.make_graph([node("Identity", "in", "b0")], "inner", [], [value("b0")])
    for level in range(1, depth):
        graph = helper.make_graph(
            [node("If", "yes", f"b{level}", then_branch=graph, else_branch=graph)], "inner", [], [value(f"b{level}")]
        )
    return model(node("If", "yes", then_branch=graph, else_branch=graph), constants=[constant("yes", True, bool)])


def typed_graph(dtype: int) -> onnx.ModelProto:
    proto = model(inputs=[value("in", PICTURE, FLOAT)])
    proto.graph.input[0].type.tensor_type.elem_type = dtype
    proto.graph.output[0].type.tensor_type.elem_type = dtype
    return proto


def named_graph(name: str) -> onnx.ModelProto:
    shape = constant("shape", [7, 7], np.int64)
    reshape = helper.make_node("Reshape", ["in", "shape"], ["q"], name=name)
    return model(reshape, node("Add", "in q"), constants=[shape])


def properties_graph(**items: str) -> onnx.ModelProto:
    proto = model()
    for key, text in items.items():
        proto.metadata_props.add(key=key, value=text)
    return proto


def fill_graph(*shape: int) -> onnx.ModelProto:
    made = node("ConstantOfShape", "shape", "large")
    return model(
        made,
        node("ReduceSum", "large", "sum", keepdims=0),
        node("Add", "in sum"),
        constants=[constant("shape", shape, np.int64)],
    )


def resize_graph(factor: float) -> onnx.ModelProto:
    return model(
        helper.make_node("Resize", ["in", "", "scales"], ["out"], mode="nearest"),
        outputs=[value("out", ("N", 3, "OH", "OW"))],
        constants=[constant("scales", [1, 1, factor, factor])],
    )


def opset_graph(version: int | None) -> onnx.ModelProto:
    proto = model()
    del proto.opset_import[:]
    if version is not None:
        proto.opset_import.append(helper.make_opsetid("", version))
    return proto


def version_graph(number: int) -> onnx.ModelProto:
    proto = model()
    proto.ir_version = number
    return proto


def without_graph(change: Callable[[onnx.GraphProto], None]) -> onnx.ModelProto:
    proto = model()
    change(proto.graph)
    return proto


def sequence_graph() -> onnx.ModelProto:
    sequence = helper.make_tensor_sequence_value_info("in", FLOAT, PICTURE)
    return model(node("ConcatFromSequence", "in", axis=0), inputs=[sequence])


def dims_lie_graph() -> onnx.ModelProto:
    tensor = constant("w", [1.0])
    tensor.dims[0] = 1_000_000
    return model(node("Add", "in w"), constants=[tensor])


def dims_graph(side: int) -> onnx.ModelProto:
    tensor = constant("w", [1.0])
    tensor.dims[:] = [side, side]
    return model(node("Add", "in w"), constants=[tensor])


def constant_type_graph() -> onnx.ModelProto:
    tensor = constant("w", [1.0])
    tensor.data_type = 999
    return model(node("Add", "in w"), constants=[tensor])


def conv_graph(**attributes: object) -> onnx.ModelProto:
    return model(
        helper.make_node("Conv", ["in", "w"], ["out"], **attributes), constants=[constant("w", np.ones((3, 3, 1, 1)))]
    )


def empty_strides_graph() -> onnx.ModelProto:
    proto = conv_graph(strides=[1, 1])
    proto.graph.node[0].attribute[0].ClearField("ints")
    return proto


def documented_graph() -> onnx.ModelProto:
    proto = model()
    proto.doc_string = proto.graph.doc_string = ESCAPES * 1000
    proto.producer_name = ESCAPES
    return proto
