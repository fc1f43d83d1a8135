"""Find out which input values stand for black and white, and the order of the channels, from the graph alone.

Forward from the input, through operators that change no value or that scale and shift all values alike, to the first other
operator, usually a convolution.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
import onnx

from rotoscope.runtime.models.arithmetic import (
    ARITHMETIC,
    CAFFE_MEAN,
    F64,
    IDENTITY,
    IMAGENET_MEAN,
    MOST_STEPS,
    MOVES,
    USUAL,
    Affine,
    Ends,
    Range,
    bounds_of,
    order_of,
    scalar_of,
    step_of,
)
from rotoscope.runtime.models.graph_view import GraphView, attribute, integers

# Intervals that convolutions are usually given.
NETWORK_INTERVALS: tuple[Range, ...] = (
    (-1.0, 1.0), (0.0, 1.0), (-0.5, 0.5), (0.0, 255.0), (-127.5, 127.5), (-128.0, 127.0),
)  # fmt: skip


def input_range(view: GraphView, frame: str) -> Ends:
    """The range of a picture input, from the arithmetic before the first convolution."""
    waiting: deque[_Place] = deque([_Place(frame, IDENTITY, (), is_flipped=False)])
    seen: set[str] = set()
    while waiting and len(seen) < MOST_STEPS:
        place = waiting.popleft()
        if place.name in seen:
            continue
        seen.add(place.name)
        for node in view.users(place.name):
            if (further := _further(view, node, place)) is not None:
                waiting.extend(further)
                continue
            found = _first_operator(view, node, place)
            if found.range is not None:
                order = {"RGB": "BGR", "BGR": "RGB"}.get(found.order, "") if place.is_flipped else found.order
                return found._replace(order=order)
    return Ends(None)


class _Place(NamedTuple):
    """A value on the way from the input: `before` is what happened to it, `steps` says it in words."""

    name: str
    before: Affine
    steps: tuple[str, ...]
    is_flipped: bool  # red and blue are exchanged


def _further(view: GraphView, node: onnx.NodeProto, place: _Place) -> list[_Place] | None:
    """The values behind a node that moves, scales or shifts; None for another node."""
    name, before, steps, is_flipped = place
    if node.op_type in ("Shape", "Size"):
        return []
    if node.op_type in MOVES - {"QuantizeLinear"} and node.input[0] == name:
        if _flips(view, node):
            before, is_flipped = Affine(before.gain[::-1], before.shift[::-1]), not is_flipped
        return [_Place(item, before, steps, is_flipped) for item in node.output]
    if node.op_type == "Concat":
        return [_Place(node.output[0], before, steps, is_flipped)]
    if node.op_type in ARITHMETIC and (step := step_of(view, node)) is not None and step[0] == name:
        factor = step[1]
        both = Affine(before.gain * factor.gain, before.shift * factor.gain + factor.shift)
        return [_Place(node.output[0], both, (*steps, _shown(view, node)), is_flipped)]
    return None


def _first_operator(view: GraphView, node: onnx.NodeProto, place: _Place) -> Ends:
    """What the first operator that does more than scale and shift shows, together with what happened before it."""
    before = place.before
    if node.op_type == "ImageScaler":
        return _scaled(node)
    if not place.steps:
        if node.op_type == "QuantizeLinear":
            return _quantised(view, node)
        if node.op_type == "BatchNormalization":
            return _batch_norm(view, node)
        if node.op_type == "Clip":
            bounds = bounds_of(view, node)
            return (
                Ends(bounds, f"it clips its input to {bounds[0]:g}..{bounds[1]:g}") if bounds in USUAL else Ends(None)
            )
        return Ends(None)
    return _normalised(before, place.steps)


def _flips(view: GraphView, node: onnx.NodeProto) -> bool:
    """Whether a Gather, or a Slice with the step -1, exchanges red and blue."""
    if node.op_type == "Gather":
        places = view.constant(node.input[1])
        return places is not None and places.reshape(-1).tolist() == [2, 1, 0]
    if node.op_type == "Slice" and len(node.input) > 4 and node.input[4]:
        steps = view.constant(node.input[4])
        return steps is not None and steps.reshape(-1).tolist() == [-1]
    return False


def _normalised(before: Affine, steps: tuple[str, ...]) -> Ends:
    """The usual range whose image is one that networks are given; None if there is none, or more than one."""
    reason = f"it computes x {' '.join(steps)} first"
    for usual, unit in ((USUAL[0], 1), (USUAL[2], 255)):
        mean = -before.shift / before.gain if before.gain.all() else np.zeros(1)
        for means, scale in ((IMAGENET_MEAN, unit), (CAFFE_MEAN, unit / 255)):
            if order := order_of(mean, np.multiply(means, scale)):
                return Ends(usual, f"it subtracts the means of ImageNet, {_numbers(mean)}", order=order)
    if before.gain.size == 3 and np.ptp(before.gain) + np.ptp(before.shift) > 0.02 * abs(before.gain).max():
        # Other means of colours: their unit is that of the values.
        mean = -before.shift / before.gain
        if (mean > 2).all() and (mean < 255).all():
            return Ends(USUAL[2], f"it subtracts means of 8-bit values, {_numbers(mean)}")
        if (mean > 0.05).all() and (mean < 0.95).all() and (before.gain > 0.9).all():
            return Ends(USUAL[0], f"it subtracts means, {_numbers(mean)}")
    fitting = []
    for usual in USUAL:
        low, high = (float(np.mean(side)) for side in before.of(*usual))
        if any(
            np.allclose((low, high), known, atol=min(0.3, 0.02 * (known[1] - known[0]))) for known in NETWORK_INTERVALS
        ):
            fitting.append(usual)
    return Ends(fitting[0], reason) if len(fitting) == 1 else Ends(None)


def _quantised(view: GraphView, node: onnx.NodeProto) -> Ends:
    """The range that a QuantizeLinear right behind the input can hold, if it is a usual one."""
    scale = scalar_of(view, node.input[1])
    zero = scalar_of(view, node.input[2]) if len(node.input) > 2 and node.input[2] else 0.0
    kind = view.initialisers.get(node.input[2]) if len(node.input) > 2 else None
    is_signed = kind is not None and kind.data_type == onnx.TensorProto.INT8
    if scale is None or zero is None:
        return Ends(None)
    codes = (-128, 127) if is_signed else (0, 255)
    held = tuple((code - zero) * scale for code in codes)
    for usual in USUAL:
        if np.allclose(held, usual, atol=0.02 * (usual[1] - usual[0])):
            return Ends(usual, f"it rounds its input to 256 steps from {usual[0]:g} to {usual[1]:g}")
    return Ends(None)


def _scaled(node: onnx.NodeProto) -> Ends:
    """The numbers that an ImageScaler (ONNX Model Zoo, Core ML) adds to each channel."""
    bias = attribute(node, "bias")
    mean = np.array([] if bias is None else [-value for value in bias.floats], np.float64)
    if mean.size == 0 or abs(mean).max() <= 2:
        return Ends(None)
    order = order_of(abs(mean), CAFFE_MEAN)
    return Ends(USUAL[2], "it subtracts means of 8-bit values itself", order=order)


def _batch_norm(view: GraphView, node: onnx.NodeProto) -> Ends:
    """A BatchNormalization right behind the input shows the mean and variance of the pictures of the training."""
    if len(node.input) < 5:
        return Ends(None)
    mean, variance = view.constant(node.input[3]), view.constant(node.input[4])
    if mean is None or variance is None or mean.size not in (1, 3):
        return Ends(None)
    if (mean > 20).all() and (mean < 235).all() and (variance > 100).all():
        return Ends(USUAL[2], f"it subtracts means of 8-bit values, {_numbers(mean)}", order=order_of(mean, CAFFE_MEAN))
    if (mean > 0.1).all() and (mean < 0.9).all() and (variance < 0.3).all():
        return Ends(USUAL[0], f"it subtracts means, {_numbers(mean)}")
    return Ends(None)


def _shown(view: GraphView, node: onnx.NodeProto) -> str:
    """Such as "/ 127.5"."""
    sign = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}[str(node.op_type)]
    values = next(value for item in reversed(node.input) if (value := view.constant(item)) is not None)
    return f"{sign} {_numbers(values)}"


def _numbers(values: F64) -> str:
    flat = values.reshape(-1)
    return f"{flat[0]:.4g}" if flat.size == 1 else f"({', '.join(f'{value:.4g}' for value in flat)})"


def channels_before_convolution(view: GraphView, frame: str) -> tuple[int, str] | None:
    """(channels, layout) of a picture input, from the weights of the first convolution; None if there is none in reach."""
    waiting: deque[tuple[str, tuple[int, ...]]] = deque([(frame, (0, 1, 2, 3))])
    for _ in range(MOST_STEPS):
        if not waiting:
            return None
        name, axes = waiting.popleft()
        for node in view.users(name):
            if node.op_type == "Conv" and node.input[0] == name:
                dims, group = view.dims(node.input[1]), attribute(node, "group")
                if dims is None or len(dims) != 4:
                    return None
                return dims[1] * (1 if group is None else group.i), "NHWC" if axes[1] == 3 else "NCHW"
            if node.op_type == "Transpose" and len(integers(node, "perm")) == 4:
                waiting.append((node.output[0], tuple(axes[place] for place in integers(node, "perm"))))
            elif node.op_type in MOVES | ARITHMETIC | {"Clip"} and node.input[0] == name:
                waiting.append((node.output[0], axes))
    return None
