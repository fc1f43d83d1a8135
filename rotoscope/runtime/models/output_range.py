"""Find out which output values stand for black and white, from the graph alone.

Backward from the output, through operators that change no value or that scale and shift all values alike, to an operator with
bounds (Tanh, Sigmoid, Clip).
"""

import numpy as np
import onnx

from rotoscope.runtime.models.arithmetic import (
    ARITHMETIC,
    BOUNDED,
    CAFFE_MEAN,
    IDENTITY,
    IMAGENET_MEAN,
    MOST_STEPS,
    MOVES,
    USUAL,
    Affine,
    Ends,
    Range,
    bounds_of,
    data_input,
    order_of,
    scalar_of,
    step_of,
)
from rotoscope.runtime.models.graph_view import GraphView


def output_range(view: GraphView, output: str) -> Ends:
    """The range of an output."""
    return _Backward(view).follow(output, IDENTITY)


class _Backward:
    """Follows values back to an operator with bounds, over at most MOST_STEPS nodes on all ways together."""

    def __init__(self, view: GraphView) -> None:
        self._view, self._steps_left = view, MOST_STEPS

    def follow(self, name: str, after: Affine) -> Ends:
        """Find the bounds of a value; `after` is the arithmetic from here to the output."""
        view = self._view
        while self._steps_left > 0:
            self._steps_left -= 1
            node = view.maker(name)
            if node is None or not node.input:
                return Ends(None)
            kind = node.op_type
            if (bounds := bounds_of(view, node)) is not None:
                found = _named(bounds, after, kind, is_scaled=after is not IDENTITY)
                if kind in BOUNDED:
                    return found
                if found.range is not None:  # an activation before the clip shows what the network itself works with
                    inner = self.follow(data_input(view, node), after)
                    return found._replace(own=inner.own or (bounds if bounds in USUAL else None))
                name = data_input(view, node)
            elif kind in MOVES:
                name = node.input[0]
            elif kind in ("Clip", "Relu", "Max", "Min", "LeakyRelu"):
                name = data_input(view, node)
            elif kind == "Concat":
                return _agreeing([self.follow(item, after) for item in node.input])
            elif kind in ARITHMETIC and (step := step_of(view, node)) is not None:
                name, factor = step
                after = Affine(after.gain * factor.gain, after.gain * factor.shift + after.shift)
                if shown := _undone_normalisation(after):
                    return shown
            elif kind == "Add" and (blended := _blend(view, node)) is not None:
                return _agreeing([found for item in blended if (found := self.follow(item, after)).range])
            else:
                return Ends(None)
        return Ends(None)


def _named(bounds: Range, after: Affine, kind: str, *, is_scaled: bool) -> Ends:
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


def _undone_normalisation(after: Affine) -> Ends | None:
    """Recognise `x * std + mean` of ImageNet at the end of a graph: the result is 0..1, or 0..255."""
    for unit, means, span in ((1, IMAGENET_MEAN, USUAL[0]), (255, IMAGENET_MEAN, USUAL[2]), (1, CAFFE_MEAN, USUAL[2])):
        order = order_of(after.shift, np.multiply(unit, means))
        if order:
            return Ends(span, "it adds the means of ImageNet at the end", order=order)
    return None


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
                    and scalar_of(view, made.input[0]) == 1
                    and made.input[1] == one
                ):
                    return [picture, other]
    return None


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
