"""How an operator of a network changes what its values depend on, along one axis of the picture.

Of every value: index i depends on the input pixels from step * i + first to step * i + last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import onnx

from rotoscope.runtime.models.graph_view import GraphView, attribute, integers

POINTWISE = {
    "Abs", "Add", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Floor",
    "Gelu", "Greater", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "Log", "Max", "Mean", "Min", "Mish", "Mul",
    "Neg", "PRelu", "Pow", "QuantizeLinear", "DequantizeLinear", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sin",
    "Softplus", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "Where", "ImageScaler", "Affine", "Dropout",
    "Not", "And", "Or", "Sign", "GreaterOrEqual", "LessOrEqual", "ThresholdedRelu", "Celu", "Softsign", "Mod", "Tan", "Atan",
    "Sinh", "Cosh",
}  # fmt: skip
_KERNELS = {"linear": 1, "cubic": 2, "nearest": 1}  # samples on either side that Resize takes
_ALONG_ONE_AXIS = {"Concat": 1, "Split": 0}  # their axis, if the node does not name it


class NotLocal(Exception):
    """Output pixels depend on the whole picture, or on what the graph does not show; the text says on what."""


@dataclass(frozen=True)
class Axis:
    """One axis of a value, in pixels of the input."""

    step: Fraction
    first: Fraction
    last: Fraction

    @property
    def reach(self) -> Fraction:
        """Pixels on either side."""
        return max(-self.first, self.last)


def through(
    view: GraphView, node: onnx.NodeProto, given: Sequence[tuple[Axis, Axis]], axes: tuple[int, int], place: int
) -> Axis:
    """One axis of what a node makes; raises NotLocal.

    given  rows and columns of its inputs that have pixels
    axes   the places of rows and columns in their shapes
    place  0: rows, 1: columns
    """
    before = _joined(node, [value[place] for value in given])
    kind = node.op_type
    training = attribute(node, "training_mode")
    if training is not None and training.i:
        raise NotLocal("it has batch norm with statistics of the frame")
    if kind in POINTWISE or kind in _ALONG_ONE_AXIS:
        named = attribute(node, "axis")
        if kind in _ALONG_ONE_AXIS and (named.i if named is not None else _ALONG_ONE_AXIS[kind]) % 4 in axes:
            raise NotLocal(f"{kind} along a side of the picture")
        return before
    if kind in ("Conv", "MaxPool", "AveragePool", "ConvTranspose"):
        return _windowed(view, node, before, place)
    if kind in ("DepthToSpace", "SpaceToDepth"):
        block = attribute(node, "blocksize")
        size = block.i if block is not None else 1
        if kind == "SpaceToDepth":
            return Axis(before.step * size, before.first, before.last + before.step * (size - 1))
        return Axis(before.step / size, before.first - before.step, before.last)
    if kind in ("Resize", "Upsample"):
        return _resized(view, node, before, axes[place])
    if kind in ("Pad", "Slice"):
        return _shifted(view, node, before, axes[place], kind)
    raise NotLocal(f"it has {kind}")


def _joined(node: onnx.NodeProto, axes: list[Axis]) -> Axis:
    if len({axis.step for axis in axes}) > 1:
        raise NotLocal(f"{node.op_type} joins values of different sizes")
    return Axis(axes[0].step, min(axis.first for axis in axes), max(axis.last for axis in axes))


def _concat_axis(node: onnx.NodeProto) -> int:
    axis = attribute(node, "axis")
    return (axis.i if axis is not None else 1) % 4


def _windowed(view: GraphView, node: onnx.NodeProto, before: Axis, place: int) -> Axis:
    """A convolution or a pooling."""
    kernel = integers(node, "kernel_shape") or tuple((view.dims(node.input[1]) or [])[2:])
    if len(kernel) != 2:
        raise NotLocal(f"{node.op_type} of {len(kernel)} axes")
    auto = attribute(node, "auto_pad")
    stride = integers(node, "strides", (1, 1))[place]
    reach = (kernel[place] - 1) * integers(node, "dilations", (1, 1))[place]
    pad = integers(node, "pads", (0, 0, 0, 0))[place]
    if auto is not None and auto.s in (b"SAME_UPPER", b"SAME_LOWER"):
        pad = -(-reach // 2) if auto.s == b"SAME_LOWER" else reach // 2
        if stride > 1:  # the pad depends on the size of the picture
            before = Axis(before.step, before.first - before.step * stride, before.last + before.step * stride)
    step = before.step
    if node.op_type == "ConvTranspose":
        low, high = Fraction(pad - reach, stride), Fraction(pad, stride)
        return Axis(step / stride, before.first + step * (low - 1), before.last + step * high)
    return Axis(step * stride, before.first - step * pad, before.last + step * (reach - pad))


def _resized(view: GraphView, node: onnx.NodeProto, before: Axis, axis: int) -> Axis:
    old = attribute(node, "scales")
    index = 2 if node.op_type == "Resize" and len(node.input) > 2 else 1
    scales = np.array(old.floats) if old is not None else None
    if scales is None and len(node.input) > index and node.input[index]:
        scales = view.constant(node.input[index])
    if scales is None or scales.size <= axis:
        raise NotLocal(f"{node.op_type} to a size that depends on the picture's")
    corners = attribute(node, "coordinate_transformation_mode")
    if corners is not None and corners.s in (b"align_corners", b"tf_crop_and_resize"):
        raise NotLocal("Resize whose places depend on the picture's size (align_corners)")
    mode = attribute(node, "mode")
    samples = _KERNELS.get(mode.s.decode() if mode is not None else "nearest", 2)
    factor = Fraction(float(scales[axis])).limit_denominator(64)
    if factor == 1:
        return before
    wide = samples if factor > 1 else samples / factor
    return Axis(before.step / factor, before.first - before.step * (wide + 1), before.last + before.step * (wide + 1))


def _shifted(view: GraphView, node: onnx.NodeProto, before: Axis, axis: int, kind: str) -> Axis:
    """A border that is added or cut off: it moves the places of all pixels."""
    if kind == "Pad":
        pads: tuple[int, ...] | None = integers(node, "pads") or None
        if pads is None and len(node.input) > 1:
            values = view.constant(node.input[1])
            pads = None if values is None else tuple(int(value) for value in values)
        if pads is None or (len(node.input) > 3 and node.input[3]) or len(pads) != 8:
            raise NotLocal("Pad by what depends on the picture's size")
        shift = -pads[axis]
    else:
        starts, axes = (view.constant(name) if name else None for name in (node.input[1], (*node.input, "", "")[3]))
        steps = view.constant(node.input[4]) if len(node.input) > 4 and node.input[4] else np.ones(1)
        if starts is None or steps is None or not (steps == 1).all():
            raise NotLocal("Slice by what depends on the picture's size")
        places = [int(place) % 4 for place in (range(starts.size) if axes is None else axes.reshape(-1))]
        shift = int(starts.reshape(-1)[places.index(axis)]) if axis in places else 0
        if shift < 0:
            raise NotLocal("Slice from the far end")
    move = before.step * shift
    return Axis(before.step, before.first + move, before.last + move)
