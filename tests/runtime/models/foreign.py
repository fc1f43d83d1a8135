"""Tiny ONNX files as strangers write them, without a description, for known answers."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, FLOAT16, UINT8 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8
NCHW, NHWC = ("N", 3, "H", "W"), ("N", "H", "W", 3)
node = helper.make_node


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def const(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def ints(name, values):
    return const(name, values, np.int64)


def matrix(rows):
    """The weights of a 1x1 convolution with these rows: one for each channel that comes out."""
    return np.array(rows, np.float64)[:, :, None, None]


def gain(factor, channels=3):
    return matrix(np.eye(channels) * factor)


def save(path, nodes, constants=(), *, inputs=None, outputs=None, opset=17, ir=8, metadata=None):
    """Write a graph; by default from `x` to `y`, both (N,3,H,W) float32."""
    graph = helper.make_graph(
        list(nodes), "g", inputs or [value("x", NCHW)], outputs or [value("y", NCHW)], list(constants)
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    proto.ir_version = ir
    for key, text in (metadata or {}).items():
        proto.metadata_props.add(key=key, value=text)
    onnx.save(proto, path)
    return path


def steps(begin, end, *given):
    """(nodes, constants) of a chain of scalar arithmetic: ("Div", 127.5), ("Sub", 1.0) ..."""
    nodes, constants = [], []
    for place, (kind, amount) in enumerate(given):
        name, out = f"{end}_c{place}", end if place == len(given) - 1 else f"{end}_{place}"
        constants.append(const(name, amount))
        nodes.append(node(kind, [begin, name], [out]))
        begin = out
    return nodes, constants
