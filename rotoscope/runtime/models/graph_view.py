"""GraphView: the nodes of an ONNX graph with their neighbours and small constants, for inference."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.inliner import inline_local_functions

MOST_VALUES = 4096  # of a constant that is read; larger ones are weights
KEEPS_CONSTANT = {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "DequantizeLinear", "Transpose"}


class GraphView:
    """The main graph of a model; functions of the model are expanded.

    inputs   name -> description of every input that is not an initialiser
    outputs  name -> description
    """

    def __init__(self, proto: onnx.ModelProto) -> None:
        if proto.functions:
            proto = inline_local_functions(proto)
        graph = proto.graph
        self.nodes: list[onnx.NodeProto] = list(graph.node)
        self.metadata = {prop.key: prop.value for prop in proto.metadata_props}
        self.initialisers = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = {value.name: value for value in graph.input if value.name not in self.initialisers}
        self.outputs = {value.name: value for value in graph.output}
        self._maker = {name: node for node in self.nodes for name in node.output if name}
        self._users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                self._users[name].append(node)

    def maker(self, name: str) -> onnx.NodeProto | None:
        """The node that makes a value; None for inputs and initialisers."""
        return self._maker.get(name)

    def users(self, name: str) -> list[onnx.NodeProto]:
        """The nodes that read a value."""
        return self._users.get(name, [])

    def dims(self, name: str, depth: int = 8) -> list[int] | None:
        """Shape of an initialiser or of the value of a Constant node, without reading it; None for other values."""
        tensor = self.initialisers.get(name)
        node = self.maker(name)
        if tensor is None and node is not None and node.op_type == "Constant":
            tensor = next((item.t for item in node.attribute if item.name == "value"), None)
        if tensor is not None:
            return list(tensor.dims)
        if node is not None and node.op_type in ("Identity", "Cast", "DequantizeLinear") and depth:
            return self.dims(node.input[0], depth - 1)
        return None

    def constant(self, name: str, depth: int = 8) -> NDArray[np.float64] | None:
        """A constant of at most 4096 values as float64; None for anything else, also for values kept in another file."""
        tensor = self.initialisers.get(name)
        if tensor is not None:
            return _values(tensor)
        node = self.maker(name)
        if node is None or depth == 0:
            return None
        if node.op_type == "Constant":
            return _constant_value(node)
        if node.op_type in KEEPS_CONSTANT and node.input:
            inner = self.constant(node.input[0], depth - 1)
            if inner is None or node.op_type != "DequantizeLinear":
                return inner
            scale, zero = self.constant(node.input[1], 1), None
            if len(node.input) > 2 and node.input[2]:
                zero = self.constant(node.input[2], 1)
            if scale is None or scale.size != 1:
                return None
            return (inner - (0.0 if zero is None else zero.flat[0])) * scale.flat[0]
        return None


def attribute(node: onnx.NodeProto, name: str) -> onnx.AttributeProto | None:
    """The attribute of this name; None if the node has none."""
    return next((item for item in node.attribute if item.name == name), None)


def integers(node: onnx.NodeProto, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
    """An attribute of several integers."""
    found = attribute(node, name)
    return default if found is None else tuple(found.ints)


def ancestors(view: GraphView, name: str) -> Iterator[onnx.NodeProto]:
    """Yield every node that a value depends on, once each."""
    waiting, seen = [name], set[str]()
    while waiting:
        node = view.maker(waiting.pop())
        if node is None or node.output[0] in seen:
            continue
        seen.add(node.output[0])
        yield node
        waiting.extend(node.input)


def _values(tensor: onnx.TensorProto) -> NDArray[np.float64] | None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or np.prod(tensor.dims, dtype=float) > MOST_VALUES:
        return None
    try:
        return np.asarray(numpy_helper.to_array(tensor)).astype(np.float64)
    except (TypeError, ValueError):  # texts, and damaged tensors, which an engine refuses
        return None


def _constant_value(node: onnx.NodeProto) -> NDArray[np.float64] | None:
    for item in node.attribute:
        if item.name == "value":
            return _values(item.t)
        if item.name == "value_float":
            return np.array(item.f, np.float64)
        if item.name == "value_int":
            return np.array(item.i, np.float64)
        if item.name == "value_floats":
            return np.array(item.floats, np.float64)
        if item.name == "value_ints":
            return np.array(item.ints, np.float64)
    return None
