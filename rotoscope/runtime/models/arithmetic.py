"""Arithmetic of a graph that scales and shifts all values of a picture alike, or each channel alike; and bounds of values."""

from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from rotoscope.runtime.models.graph_view import GraphView, attribute

F64 = NDArray[np.float64]
Range = tuple[float, float]

# Operators whose output holds values of their first input, or mixtures of them.
MOVES = {
    "Identity", "Cast", "CastLike", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Pad", "Crop",
    "Dropout", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth", "Gather", "Split", "Expand", "Round", "Floor",
    "Ceil", "CenterCropPad", "QuantizeLinear", "DequantizeLinear", "Tile",
}  # fmt: skip
ARITHMETIC = {"Add", "Sub", "Mul", "Div"}
BOUNDED: dict[str, Range] = {
    "Tanh": (-1, 1), "Sigmoid": (0, 1), "HardSigmoid": (0, 1), "Softsign": (-1, 1), "Softmax": (0, 1), "Erf": (-1, 1),
}  # fmt: skip
USUAL: tuple[Range, ...] = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB, of values in 0..1
CAFFE_MEAN = (123.68, 116.779, 103.939)  # RGB, of values in 0..255
MOST_STEPS = 200


class Ends(NamedTuple):
    """Evidence from one end of a graph.

    range   values of black and white; None if nothing shows them
    reason  such as "its last operator is Tanh"
    own     bounds of the last activation, or else of the clip, before scaling: such as (-1, 1); None if there is none
    order   "RGB" or "BGR" if means of colours show it, else ""
    """

    range: Range | None
    reason: str = ""
    own: Range | None = None
    order: str = ""


class Affine(NamedTuple):
    """value * gain + shift, per channel or alike; arrays of one or three elements."""

    gain: F64
    shift: F64

    def of(self, low: float, high: float) -> tuple[F64, F64]:
        """Image of an interval."""
        return self.gain * low + self.shift, self.gain * high + self.shift


IDENTITY = Affine(np.ones(1), np.zeros(1))


def step_of(view: GraphView, node: onnx.NodeProto) -> tuple[str, Affine] | None:
    """(the value that is not constant, what the node does to it); None for other constants than one or three finite numbers."""
    first, second = node.input
    constant = view.constant(second)
    data, is_swapped = first, False
    if constant is None:
        constant, data, is_swapped = view.constant(first), second, True
    if constant is None or constant.size not in (1, 3) or view.constant(data) is not None:
        return None
    if not np.isfinite(constant).all():
        return None
    value, one, zero = constant.reshape(-1), np.ones(1), np.zeros(1)
    if node.op_type == "Add":
        return data, Affine(one, value)
    if node.op_type == "Sub":
        return data, Affine(-one, value) if is_swapped else Affine(one, -value)
    if node.op_type == "Mul":
        return data, Affine(value, zero)
    if is_swapped or not value.all():
        return None
    return data, Affine(1 / value, zero)


def scalar_of(view: GraphView, name: str) -> float | None:
    """A constant of one element; None for anything else."""
    found = view.constant(name)
    return float(found.flat[0]) if found is not None and found.size == 1 else None


def data_input(view: GraphView, node: onnx.NodeProto) -> str:
    """The input that is not a constant."""
    return str(next((item for item in node.input if item and view.constant(item) is None), node.input[0]))


def order_of(values: F64, means: object) -> str:
    """Return "RGB" or "BGR" if three values are these means in that order, else nothing."""
    wanted = np.asarray(means, np.float64)
    if values.size != 3:
        return ""
    if np.allclose(values, wanted, rtol=0.02):
        return "RGB"
    return "BGR" if np.allclose(values, wanted[::-1], rtol=0.02) else ""


def bounds_of(view: GraphView, node: onnx.NodeProto) -> Range | None:
    """Bounds of a node's output: of an activation, or of a clip at both ends."""
    if node.op_type in BOUNDED:
        return BOUNDED[node.op_type]
    if node.op_type == "Clip":
        low, high = (_limit(view, node, place, word) for place, word in ((1, "min"), (2, "max")))
    elif node.op_type in ("Min", "Max"):
        outer = [limit for item in node.input if (limit := scalar_of(view, item)) is not None]
        inner = view.maker(data_input(view, node))
        if len(outer) != 1 or inner is None or {inner.op_type, node.op_type} != {"Min", "Max"}:
            return None
        other = [limit for item in inner.input if (limit := scalar_of(view, item)) is not None]
        low, high = sorted((outer[0], *other)) if len(other) == 1 else (None, None)
    else:
        return None
    if low is None or high is None or not low < high or not np.isfinite([low, high]).all() or high - low > 1e6:
        return None
    return low, high


def _limit(view: GraphView, node: onnx.NodeProto, place: int, word: str) -> float | None:
    old = attribute(node, word)
    if old is not None:
        return old.f
    return scalar_of(view, node.input[place]) if len(node.input) > place and node.input[place] else None
