"""Write an ONNX graph as Python expressions: every function adds a node and returns its output."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 10


class Graph:
    """An ONNX graph from the input `frame` (N,3,H,W) RGB to `picture`, of the same shape, in [0,1].

    frame  the input, limited to [0,1]: codes below 16 of a limited-range video are negative, and filters take square roots
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.frame = Value(self, "frame").clip(0.0, 1.0)

    def add(self, kind: str, *inputs: "Value | np.ndarray | float | None", **attributes: object) -> "Value":
        """Add a node with one output. Numbers and arrays become float32 constants, None an input that is left out."""
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.name_of(one) for one in inputs], [name], name, **attributes))
        return Value(self, name)

    def name_of(self, given: "Value | np.ndarray | float | None") -> str:
        """Return the name of a value, or that of a new constant."""
        if given is None:
            return ""
        if isinstance(given, Value):
            return given.name
        values = np.asarray(given)
        name = f"constant{len(self.constants)}"
        self.constants.append(
            numpy_helper.from_array(values if values.dtype == np.int64 else values.astype(np.float32), name)
        )
        return name

    def include(self, network: onnx.ModelProto, given: "Value") -> "Value":
        """Add a network of one input and one output, and return its output for this value."""
        inner = network.graph
        names = {"": "", inner.input[0].name: given.name}
        prefix = f"network{len(self.nodes)}_"

        def renamed(name: str) -> str:
            return names.get(name, prefix + name)

        for tensor in inner.initializer:
            constant = onnx.TensorProto()
            constant.CopyFrom(tensor)
            constant.name = renamed(tensor.name)
            self.constants.append(constant)
        for node in inner.node:
            added = onnx.NodeProto()
            added.CopyFrom(node)
            added.name = prefix + node.name
            added.input[:] = map(renamed, node.input)
            added.output[:] = map(renamed, node.output)
            self.nodes.append(added)
        return Value(self, renamed(inner.output[0].name))

    def model(self, picture: "Value") -> onnx.ModelProto:
        """Return the model whose output is this value."""
        self.nodes.append(helper.make_node("Identity", [picture.name], ["picture"], "picture"))
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, "H", "W"]) for name in ("frame", "picture")
        ]
        graph = helper.make_graph(self.nodes, "look", ends[:1], ends[1:], self.constants)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="rotoscope"
        )


class Value:
    """A tensor of a graph."""

    __array_ufunc__ = None  # so that NumPy leaves `array * value` to this class

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def __add__(self, other: "Value | np.ndarray | float") -> "Value":
        return self.graph.add("Add", self, other)

    def __radd__(self, other: "np.ndarray | float") -> "Value":
        return self + other

    def __rmul__(self, other: "np.ndarray | float") -> "Value":
        return self * other

    def __sub__(self, other: "Value | np.ndarray | float") -> "Value":
        return self.graph.add("Sub", self, other)

    def __rsub__(self, other: float) -> "Value":
        return self.graph.add("Sub", other, self)

    def __mul__(self, other: "Value | np.ndarray | float") -> "Value":
        return self.graph.add("Mul", self, other)

    def __truediv__(self, other: "Value | np.ndarray | float") -> "Value":
        return self.graph.add("Div", self, other)

    def __rtruediv__(self, other: float) -> "Value":
        return self.graph.add("Div", other, self)

    def apply(self, kind: str) -> "Value":
        """Apply an operator of one input, such as Sigmoid, to every element."""
        return self.graph.add(kind, self)

    def clip(self, low: float | None, high: float | None) -> "Value":
        """Limit every element."""
        return self.graph.add("Clip", self, low, high)

    def channels(self, begin: int, end: int) -> "Value":
        """Channels from `begin` to before `end`."""
        return self.graph.add("Slice", self, np.array([begin]), np.array([end]), np.array([1]))

    def mean(self, axes: Sequence[int]) -> "Value":
        """Mean over axes, which stay with length 1."""
        return self.graph.add("ReduceMean", self, np.array(axes), keepdims=1)

    def sum_channels(self) -> "Value":
        """Sum over channels: (N,C,H,W) -> (N,1,H,W)."""
        return self.graph.add("ReduceSum", self, np.array([1]), keepdims=1)

    def conv(self, weights: np.ndarray, *, groups: int = 1) -> "Value":
        """Convolve with weights (K,C/groups,kh,kw); the border is mirrored, and the size kept for odd kernels."""
        tall, wide = (side // 2 for side in weights.shape[2:])
        value = self
        if tall or wide:
            value = self.graph.add("Pad", self, np.array([0, 0, tall, wide, 0, 0, tall, wide]), mode="reflect")
        return self.graph.add("Conv", value, weights, group=groups)

    def halved(self, channels: int) -> "Value":
        """Half the size, after a blur of 1 3 3 1 in x and y that keeps fine patterns out (Zhang 2019)."""
        taps = np.array([1, 3, 3, 1]) / 8
        weights = np.tile(np.outer(taps, taps), (channels, 1, 1, 1))
        padded = self.graph.add("Pad", self, np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect")
        return self.graph.add("Conv", padded, weights, group=channels, strides=[2, 2])

    def doubled(self, channels: int) -> "Value":
        """Twice the size: bilinear, then a blur of 1 2 1 in x and y, which removes the kinks of bilinear interpolation."""
        scales = np.array([1, 1, 2, 2], np.float32)
        larger = self.graph.add(
            "Resize", self, None, scales, mode="linear", coordinate_transformation_mode="half_pixel"
        )
        taps = np.array([1, 2, 1]) / 4
        return larger.conv(np.tile(np.outer(taps, taps), (channels, 1, 1, 1)), groups=channels)


def joined(*values: Value) -> Value:
    """Concatenate along the channels."""
    return values[0].graph.add("Concat", *values, axis=1)
