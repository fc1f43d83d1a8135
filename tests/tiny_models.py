"""Small ONNX files whose answers are known."""

import onnx
from onnx import TensorProto, helper

ANY = ("N", 3, "H", "W")


def save(
    path,
    nodes,
    *,
    shape=ANY,
    out_shape=None,
    dtype=TensorProto.FLOAT,
    constants=(),
    inputs=(),
    outputs=(),
    metadata=None,
):
    """A graph from `in` to `out`; further inputs and outputs are value infos."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("in", dtype, shape), *inputs],
        [helper.make_tensor_value_info("out", dtype, out_shape or shape), *outputs],
        initializer=list(constants),
    )
    opsets = [
        helper.make_opsetid("", 18),
        *(helper.make_opsetid(name, 1) for name in {n.domain for n in nodes} if name),
    ]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    for key, value in (metadata or {}).items():
        proto.metadata_props.add(key=key, value=value)
    onnx.save(proto, path)
    return path


def identity(path, **kwargs):
    return save(path, [helper.make_node("Identity", ["in"], ["out"])], **kwargs)


def affine(path, factor, shift, **kwargs):
    """out = in * factor + shift."""
    constants = [scalar("factor", factor, **kwargs), scalar("shift", shift, **kwargs)]
    nodes = [
        helper.make_node("Mul", ["in", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["out"]),
    ]
    return save(path, nodes, constants=constants, **kwargs)


def invert(path, **kwargs):
    return affine(path, -1.0, 1.0, **kwargs)


def upscale(path, factor):
    """Every pixel becomes factor x factor pixels."""
    scales = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, factor, factor])
    node = helper.make_node(
        "Resize",
        ["in", "", "scales"],
        ["out"],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return save(path, [node], constants=[scales], out_shape=("N", 3, "OH", "OW"))


def nan_above(path, limit):
    """The picture, but NaN where a value exceeds `limit`."""
    constants = [scalar("limit", limit), scalar("nan", float("nan"))]
    nodes = [
        helper.make_node("Greater", ["in", "limit"], ["bad"]),
        helper.make_node("Where", ["bad", "nan", "in"], ["out"]),
    ]
    return save(path, nodes, constants=constants)


def scalar(name, value, *, dtype=TensorProto.FLOAT, **_):
    return helper.make_tensor(name, dtype, [], [value])
