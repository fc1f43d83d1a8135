"""How far a network looks: the pixels around an output pixel that it depends on, from the operators of its graph.

Of every value, along one axis of the picture: index i depends on the input pixels from step * i + first to step * i + last.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm
from pathlib import Path

import numpy as np
import onnx

from rotoscope.runtime.models.graph_view import GraphView, attribute, integers

POINTWISE = {
    "Abs", "Add", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Floor",
    "Gelu", "Greater", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "Log", "Max", "Mean", "Min", "Mish", "Mul",
    "Neg", "PRelu", "Pow", "QuantizeLinear", "DequantizeLinear", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sin",
    "Softplus", "Sqrt", "Sub", "Sum", "Swish", "Tanh", "Where", "ImageScaler", "Affine",
}  # fmt: skip
WHOLE = {"InstanceNormalization": "instance norm", "GlobalAveragePool": "a mean over the picture"}
REDUCTIONS = {"ReduceMean", "ReduceMin", "ReduceMax", "ReduceSum"}
_KERNELS = {"linear": 1, "cubic": 2, "nearest": 1}  # samples on either side that Resize takes


class NotLocal(Exception):
    """Output pixels depend on the whole picture, or on what the graph does not show; the text says on what."""


@dataclass(frozen=True)
class Reach:
    """The part of the input that an output pixel depends on.

    pixels     of the input, on either side of the output pixel
    alignment  tiles must begin at multiples of this, because the network takes pixels in steps
    """

    pixels: int
    alignment: int


@dataclass(frozen=True)
class _Axis:
    step: Fraction
    first: Fraction
    last: Fraction


_Value = tuple[_Axis, _Axis]  # rows, columns


def reach_of(path: Path, picture: str, output: str, *, nhwc: bool, frozen: str | None = None) -> Reach:
    """The reach of a network from its input of pictures to one of its outputs; raises NotLocal.

    nhwc    the layout of its input and output
    frozen  name of the input that is 1, so that statistics stay as they were: what is measured is multiplied by 1 minus it
    """
    view = GraphView(onnx.load(path, load_external_data=False))
    start = (_Axis(Fraction(1), Fraction(0), Fraction(0)),) * 2
    walk = _Walk(view, picture, start, (1, 2) if nhwc else (2, 3), frozen)
    found = walk.value(output)
    if walk.is_whole(output):
        raise NotLocal("it has statistics that do not stay")
    if found is None:
        raise NotLocal("its output does not depend on the picture")
    pixels = max(max(-axis.first, axis.last) for axis in found)
    return Reach(ceil(pixels) + 1, lcm(*walk.steps))


class _Walk:
    """Follows the graph from the input. `steps` are the whole steps of all values, in input pixels."""

    def __init__(
        self, view: GraphView, picture: str, start: tuple[_Axis, ...], axes: tuple[int, int], frozen: str | None
    ) -> None:
        self.steps = {1}
        self._shares = set[str]() if frozen is None else {frozen}  # values that are made of it alone
        self._whole = set[str]()  # values that depend on the whole picture
        self._axes: dict[str, tuple[int, int]] = {picture: axes}
        self._values: dict[str, _Value | None] = {picture: (start[0], start[1])}
        for node in view.nodes:
            self._add(view, node)

    def value(self, name: str) -> _Value | None:
        """The reach of a value; None if it does not depend on the picture."""
        return self._values.get(name)

    def is_whole(self, name: str) -> bool:
        """Whether a value depends on the whole picture."""
        return name in self._whole

    def _add(self, view: GraphView, node: onnx.NodeProto) -> None:
        given = {name for name in node.input if name}
        varying = {name for name in given if view.constant(name) is None}
        if varying and varying <= self._shares:
            self._shares.update(node.output)
            return
        if self._whole & given:
            if not (node.op_type == "Mul" and self._shares & given):  # a factor of 0 while statistics are frozen
                self._whole.update(node.output)
            return
        sources = [name for name in node.input if self._values.get(name) is not None]
        if not sources or node.op_type in ("Shape", "Size", "ConstantOfShape"):
            return
        if self._shares and node.op_type in REDUCTIONS:
            self._whole.update(node.output)
            return
        axes = self._axes[sources[0]]
        if node.op_type == "Transpose":
            order = list(integers(node, "perm"))
            axes = (order.index(axes[0]), order.index(axes[1]))
            made = self._values[sources[0]]
        elif any(self._axes[name] != axes for name in sources):
            raise NotLocal(f"{node.op_type} joins different layouts")
        else:
            made = tuple(self._through(view, node, sources, place) for place in (0, 1))  # type: ignore[assignment]
        assert made is not None
        for name in filter(None, node.output):
            self._values[name], self._axes[name] = made, axes
        for axis in made:
            if axis.step >= 1 and axis.step.denominator != 1:
                raise NotLocal(f"{node.op_type} scales by no whole number")
            self.steps.add(max(1, axis.step.numerator))

    def _through(self, view: GraphView, node: onnx.NodeProto, sources: list[str], place: int) -> _Axis:
        """One axis of what a node makes; place 0 is rows, 1 is columns."""
        values = [self._values[name] for name in sources]
        before = _joined(node, [value[place] for value in values if value is not None])
        kind = node.op_type
        training = attribute(node, "training_mode")
        if training is not None and training.i:
            raise NotLocal("it has batch norm with statistics of the frame")
        if kind in POINTWISE:
            if kind == "Concat" and _concat_axis(node) in self._axes[sources[0]]:
                raise NotLocal("Concat of pictures side by side")
            return before
        if kind in ("Conv", "MaxPool", "AveragePool", "ConvTranspose"):
            return _windowed(view, node, before, place)
        if kind in ("DepthToSpace", "SpaceToDepth"):
            block = attribute(node, "blocksize")
            size = block.i if block is not None else 1
            if kind == "SpaceToDepth":
                return _Axis(before.step * size, before.first, before.last + before.step * (size - 1))
            return _Axis(before.step / size, before.first - before.step, before.last)
        if kind in ("Resize", "Upsample"):
            return _resized(view, node, before, self._axes[sources[0]][place])
        if kind == "Pad":
            return _shifted(view, node, before, self._axes[sources[0]][place], "Pad")
        if kind == "Slice":
            return _shifted(view, node, before, self._axes[sources[0]][place], "Slice")
        raise NotLocal(f"it has {WHOLE.get(kind, kind)}")


def _joined(node: onnx.NodeProto, axes: list[_Axis]) -> _Axis:
    if len({axis.step for axis in axes}) > 1:
        raise NotLocal(f"{node.op_type} joins values of different sizes")
    return _Axis(axes[0].step, min(axis.first for axis in axes), max(axis.last for axis in axes))


def _concat_axis(node: onnx.NodeProto) -> int:
    axis = attribute(node, "axis")
    return (axis.i if axis is not None else 1) % 4


def _windowed(view: GraphView, node: onnx.NodeProto, before: _Axis, place: int) -> _Axis:
    """A convolution or a pooling."""
    kernel = integers(node, "kernel_shape") or tuple((view.dims(node.input[1]) or [0, 0, 1, 1])[2:])
    if len(kernel) != 2:
        raise NotLocal(f"{node.op_type} of {len(kernel)} axes")
    auto = attribute(node, "auto_pad")
    stride = integers(node, "strides", (1, 1))[place]
    reach = (kernel[place] - 1) * integers(node, "dilations", (1, 1))[place]
    pad = integers(node, "pads", (0, 0, 0, 0))[place]
    if auto is not None and auto.s in (b"SAME_UPPER", b"SAME_LOWER"):
        pad = -(-reach // 2) if auto.s == b"SAME_LOWER" else reach // 2
        if stride > 1:  # the pad depends on the size of the picture
            before = _Axis(before.step, before.first - before.step * stride, before.last + before.step * stride)
    step = before.step
    if node.op_type == "ConvTranspose":
        low, high = Fraction(pad - reach, stride), Fraction(pad, stride)
        return _Axis(step / stride, before.first + step * (low - 1), before.last + step * high)
    return _Axis(step * stride, before.first - step * pad, before.last + step * (reach - pad))


def _resized(view: GraphView, node: onnx.NodeProto, before: _Axis, axis: int) -> _Axis:
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
    return _Axis(before.step / factor, before.first - before.step * (wide + 1), before.last + before.step * (wide + 1))


def _shifted(view: GraphView, node: onnx.NodeProto, before: _Axis, axis: int, kind: str) -> _Axis:
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
    return _Axis(before.step, before.first + move, before.last + move)
