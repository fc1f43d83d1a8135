"""What a graph shows about the values of black and white, at its input and at its output.

Backward from the output to an operator with bounds (Tanh, Sigmoid, Clip), forward from the input to the first convolution,
through operators that change no value or that scale and shift all values alike.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from rotoscope.runtime.models.graph_view import GraphView, attribute, integers

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
# Intervals that convolutions are usually given.
NETWORK_INTERVALS: tuple[Range, ...] = (
    (-1.0, 1.0), (0.0, 1.0), (-0.5, 0.5), (0.0, 255.0), (-127.5, 127.5), (-128.0, 127.0),
)  # fmt: skip
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # RGB, of values in 0..1
CAFFE_MEAN = (123.68, 116.779, 103.939)  # RGB, of values in 0..255
MOST_STEPS = 200


class Ends(NamedTuple):
    """What one end of a graph shows.

    range   values of black and white; None if nothing shows them
    reason  such as "its last operator is Tanh"
    own     bounds of the last activation, or else of the clip, before scaling: such as (-1, 1); None if there is none
    order   "RGB" or "BGR" if means of colours show it, else ""
    """

    range: Range | None
    reason: str = ""
    own: Range | None = None
    order: str = ""


class _Affine(NamedTuple):
    """value * gain + shift, per channel or alike; arrays of one or three elements."""

    gain: F64
    shift: F64

    def of(self, low: float, high: float) -> tuple[F64, F64]:
        return self.gain * low + self.shift, self.gain * high + self.shift


IDENTITY = _Affine(np.ones(1), np.zeros(1))


def output_range(view: GraphView, output: str) -> Ends:
    """The range of an output."""
    return _Backward(view).follow(output, IDENTITY)


class _Backward:
    """Follows values back to an operator with bounds, over at most MOST_STEPS nodes on all ways together."""

    def __init__(self, view: GraphView) -> None:
        self._view, self._steps_left = view, MOST_STEPS

    def follow(self, name: str, after: _Affine) -> Ends:
        """What bounds a value; `after` is what happens to it from here to the output."""
        view = self._view
        while self._steps_left > 0:
            self._steps_left -= 1
            node = view.maker(name)
            if node is None or not node.input:
                return Ends(None)
            kind = node.op_type
            if (bounds := _bounds(view, node)) is not None:
                found = _named(bounds, after, kind, is_scaled=after is not IDENTITY)
                if kind in BOUNDED:
                    return found
                if found.range is not None:  # an activation before the clip shows what the network itself works with
                    inner = self.follow(_data_input(view, node), after)
                    return found._replace(own=inner.own or (bounds if bounds in USUAL else None))
                name = _data_input(view, node)
            elif kind in MOVES:
                name = node.input[0]
            elif kind in ("Clip", "Relu", "Max", "Min", "LeakyRelu"):
                name = _data_input(view, node)
            elif kind == "Concat":
                return _agreeing([self.follow(item, after) for item in node.input])
            elif kind in ARITHMETIC and (step := step_of(view, node)) is not None:
                name, factor = step
                after = _Affine(after.gain * factor.gain, after.gain * factor.shift + after.shift)
                if shown := _undone_normalisation(after):
                    return shown
            elif kind == "Add" and (blended := _blend(view, node)) is not None:
                return _agreeing([found for item in blended if (found := self.follow(item, after)).range])
            else:
                return Ends(None)
        return Ends(None)


def _bounds(view: GraphView, node: onnx.NodeProto) -> Range | None:
    """Bounds of a node's output: of an activation, or of a clip at both ends."""
    if node.op_type in BOUNDED:
        return BOUNDED[node.op_type]
    if node.op_type == "Clip":
        low, high = (_limit(view, node, place, word) for place, word in ((1, "min"), (2, "max")))
    elif node.op_type in ("Min", "Max"):
        outer = [limit for item in node.input if (limit := _scalar(view, item)) is not None]
        inner = view.maker(_data_input(view, node))
        if len(outer) != 1 or inner is None or {inner.op_type, node.op_type} != {"Min", "Max"}:
            return None
        other = [limit for item in inner.input if (limit := _scalar(view, item)) is not None]
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
    return _scalar(view, node.input[place]) if len(node.input) > place and node.input[place] else None


def _scalar(view: GraphView, name: str) -> float | None:
    found = view.constant(name)
    return float(found.flat[0]) if found is not None and found.size == 1 else None


def _data_input(view: GraphView, node: onnx.NodeProto) -> str:
    """The input that is not a constant."""
    return str(next((item for item in node.input if item and view.constant(item) is None), node.input[0]))


def _named(bounds: Range, after: _Affine, kind: str, *, is_scaled: bool) -> Ends:
    """The usual range that the image of the bounds stands for; clips to unusual ranges, such as 0..6, say nothing."""
    low, high = (float(np.mean(side)) for side in after.of(*bounds))
    low, high = min(low, high), max(low, high)
    operator = f"Clip {bounds[0]:g}..{bounds[1]:g}" if kind in ("Clip", "Min", "Max") else kind
    reason = f"its last operator is {operator}{', scaled and shifted' if is_scaled else ''}"
    own = bounds if kind in BOUNDED else None
    for usual in (*USUAL, (0.0, 65535.0), (-0.5, 0.5), (-127.5, 127.5), (-128.0, 127.0)):
        if np.allclose((low, high), usual, atol=0.02 * (usual[1] - usual[0])):
            return Ends(usual, reason, own)
    for usual in USUAL:  # such as tanh * 150 + 127.5
        middle, half = (usual[0] + usual[1]) / 2, (usual[1] - usual[0]) / 2
        if (
            kind in BOUNDED
            and abs((low + high) / 2 - middle) < 0.05 * half
            and 0.7 * half < (high - low) / 2 < 2 * half
        ):
            return Ends(usual, f"{reason}, {low:g}..{high:g}", usual)
    if kind in BOUNDED and high - low > 1e-3:
        return Ends((low, high), reason, (low, high))
    return Ends(None)


def _undone_normalisation(after: _Affine) -> Ends | None:
    """Recognise `x * std + mean` of ImageNet at the end of a graph: the result is 0..1, or 0..255."""
    for unit, means, span in ((1, IMAGENET_MEAN, USUAL[0]), (255, IMAGENET_MEAN, USUAL[2]), (1, CAFFE_MEAN, USUAL[2])):
        order = _order_of(after.shift, np.multiply(unit, means))
        if order:
            return Ends(span, "it adds the means of ImageNet at the end", order=order)
    return None


def _order_of(values: F64, means: object) -> str:
    """Return "RGB" or "BGR" if three values are these means in that order, else nothing."""
    wanted = np.asarray(means, np.float64)
    if values.size != 3:
        return ""
    if np.allclose(values, wanted, rtol=0.02):
        return "RGB"
    return "BGR" if np.allclose(values, wanted[::-1], rtol=0.02) else ""


def _agreeing(found: list[Ends]) -> Ends:
    shown = {item.range for item in found}
    return found[0] if len(shown) == 1 and found else Ends(None)


def _blend(view: GraphView, node: onnx.NodeProto) -> list[str] | None:
    """The pictures of `a * share + b * (1 - share)`; None if the node is another sum."""
    products = [view.maker(item) for item in node.input]
    if any(item is None or item.op_type != "Mul" for item in products):
        return None
    first, second = ([str(name) for name in item.input] for item in products if item is not None)
    for share, picture in (first, first[::-1]):
        for rest, other in (second, second[::-1]):
            for one, two in ((share, rest), (rest, share)):
                made = view.maker(two)
                if (
                    made is not None
                    and made.op_type == "Sub"
                    and _scalar(view, made.input[0]) == 1
                    and made.input[1] == one
                ):
                    return [picture, other]
    return None


def step_of(view: GraphView, node: onnx.NodeProto) -> tuple[str, _Affine] | None:
    """(the value that is not constant, what the node does to it); None unless the constant is one number or one per channel."""
    first, second = node.input
    constant = view.constant(second)
    data, is_swapped = first, False
    if constant is None:
        constant, data, is_swapped = view.constant(first), second, True
    if constant is None or constant.size not in (1, 3) or view.constant(data) is not None:
        return None
    value, one, zero = constant.reshape(-1), np.ones(1), np.zeros(1)
    if node.op_type == "Add":
        return data, _Affine(one, value)
    if node.op_type == "Sub":
        return data, _Affine(-one, value) if is_swapped else _Affine(one, -value)
    if node.op_type == "Mul":
        return data, _Affine(value, zero)
    if is_swapped or not value.all():
        return None
    return data, _Affine(1 / value, zero)


def residual_of(view: GraphView, output: str, frame: str) -> bool:
    """Whether the output is the input picture plus or minus something: then both have one range."""
    name = output
    for _ in range(MOST_STEPS):
        node = view.maker(name)
        if node is None:
            return name == frame
        if node.op_type in MOVES or node.op_type == "Clip":
            name = node.input[0]
        else:
            return node.op_type in ("Add", "Sub") and any(_is_moved(view, item, frame) for item in node.input)
    return False


def _is_moved(view: GraphView, name: str, frame: str) -> bool:
    """Whether a value is the input picture, moved or resized."""
    for _ in range(MOST_STEPS):
        if name == frame:
            return True
        node = view.maker(name)
        if node is None or node.op_type not in MOVES:
            return False
        name = node.input[0]
    return False


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
    before: _Affine
    steps: tuple[str, ...]
    is_flipped: bool  # red and blue are exchanged


def _further(view: GraphView, node: onnx.NodeProto, place: _Place) -> list[_Place] | None:
    """The values behind a node that moves, scales or shifts; None for another node."""
    name, before, steps, is_flipped = place
    if node.op_type in ("Shape", "Size"):
        return []
    if node.op_type in MOVES - {"QuantizeLinear"} and node.input[0] == name:
        if _flips(view, node):
            before, is_flipped = _Affine(before.gain[::-1], before.shift[::-1]), not is_flipped
        return [_Place(item, before, steps, is_flipped) for item in node.output]
    if node.op_type == "Concat":
        return [_Place(node.output[0], before, steps, is_flipped)]
    if node.op_type in ARITHMETIC and (step := step_of(view, node)) is not None and step[0] == name:
        factor = step[1]
        both = _Affine(before.gain * factor.gain, before.shift * factor.gain + factor.shift)
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
            bounds = _bounds(view, node)
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


def _normalised(before: _Affine, steps: tuple[str, ...]) -> Ends:
    """The usual range whose image is one that networks are given; None if there is none, or more than one."""
    reason = f"it computes x {' '.join(steps)} first"
    for usual, unit in ((USUAL[0], 1), (USUAL[2], 255)):
        mean = -before.shift / before.gain if before.gain.all() else np.zeros(1)
        for means, scale in ((IMAGENET_MEAN, unit), (CAFFE_MEAN, unit / 255)):
            if order := _order_of(mean, np.multiply(means, scale)):
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
    scale = _scalar(view, node.input[1])
    zero = _scalar(view, node.input[2]) if len(node.input) > 2 and node.input[2] else 0.0
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
    """What an ImageScaler (ONNX Model Zoo, Core ML) adds to each channel."""
    bias = attribute(node, "bias")
    mean = np.array([] if bias is None else [-value for value in bias.floats], np.float64)
    if mean.size == 0 or abs(mean).max() <= 2:
        return Ends(None)
    order = _order_of(abs(mean), CAFFE_MEAN)
    return Ends(USUAL[2], "it subtracts means of 8-bit values itself", order=order)


def _batch_norm(view: GraphView, node: onnx.NodeProto) -> Ends:
    """A BatchNormalization right behind the input shows the mean and variance of the pictures of the training."""
    if len(node.input) < 5:
        return Ends(None)
    mean, variance = view.constant(node.input[3]), view.constant(node.input[4])
    if mean is None or variance is None or mean.size not in (1, 3):
        return Ends(None)
    if (mean > 20).all() and (mean < 235).all() and (variance > 100).all():
        return Ends(
            USUAL[2], f"it subtracts means of 8-bit values, {_numbers(mean)}", order=_order_of(mean, CAFFE_MEAN)
        )
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
