"""How large the output of a graph is, and of which number its sides must be multiples."""

import numpy as np
import onnx

from rotoscope.base.manifest import FrameInput
from rotoscope.runtime.models.graph_view import GraphView, attribute
from rotoscope.runtime.models.tensors import PictureTensor


def multiple_of(view: GraphView) -> int:
    """Return the product of all strides, at most 256. With parallel branches this is more than needed, and only pads more."""
    product = 1
    for node in view.nodes:
        strides = attribute(node, "strides")
        if node.op_type in ("Conv", "MaxPool", "AveragePool") and strides is not None:
            product *= max(strides.ints)
        if node.op_type == "SpaceToDepth" and (size := attribute(node, "blocksize")) is not None:
            product *= size.i
    return min(product, 256)


def scale_of(view: GraphView, frame: FrameInput, picture: PictureTensor) -> int:
    """Side of the output over side of the input: from fixed shapes, else from the operators on the way."""
    for inner, outer in ((frame.height, picture.height), (frame.width, picture.width)):
        if inner and outer:
            return min(16, max(1, outer // inner))
    found = _factor(view, picture.tensor.name, frame.tensor, {})
    return min(16, max(1, round(found))) if found else 1


def _factor(view: GraphView, name: str, frame: str, known: dict[str, float | None], depth: int = 900) -> float | None:
    """How much larger a value is than the input, along the first way to it that is found; None if there is none."""
    way: list[onnx.NodeProto] = []
    while name != frame:
        node = view.maker(name)
        if node is None or len(way) > depth:
            break
        way.append(node)
        name = next((item for item in node.input if item == frame or _depends(view, item, frame, known)), "")
    if name != frame:
        return None
    factor = 1.0
    for node in way:
        factor *= _enlarges(view, node)
    return factor


def _depends(view: GraphView, name: str, frame: str, known: dict[str, float | None]) -> bool:
    """Whether a value depends on the input, through anything but its shape."""
    waiting, seen = [name], set[str]()
    while waiting:
        item = waiting.pop()
        if item == frame or known.get(item):
            known[name] = 1.0
            return True
        if item in seen:
            continue
        seen.add(item)
        node = view.maker(item)
        if node is not None and node.op_type not in ("Shape", "Constant"):
            waiting.extend(node.input)
    return False


def _enlarges(view: GraphView, node: onnx.NodeProto) -> float:
    """Side of a node's output over side of its input."""
    strides, blocks = attribute(node, "strides"), attribute(node, "blocksize")
    if node.op_type == "DepthToSpace" and blocks is not None:
        return float(blocks.i)
    if node.op_type == "SpaceToDepth" and blocks is not None:
        return 1 / blocks.i
    if node.op_type == "ConvTranspose" and strides is not None:
        return float(max(strides.ints))
    if node.op_type in ("Conv", "MaxPool", "AveragePool") and strides is not None:
        return 1 / float(max(strides.ints))
    if node.op_type in ("Resize", "Upsample"):
        old = attribute(node, "scales")
        place = 2 if node.op_type == "Resize" and len(node.input) > 2 else 1
        scales = np.array(old.floats) if old is not None else None
        if scales is None and len(node.input) > place and node.input[place]:
            scales = view.constant(node.input[place])
        if scales is not None and scales.size:
            return float(np.max(scales))
    return 1.0
