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
    """Side of the output over side of the input: from fixed shapes, else from the operators on the first way between them."""
    for inner, outer in ((frame.height, picture.height), (frame.width, picture.width)):
        if inner and outer:
            return min(16, max(1, outer // inner))
    reached = _reached(view, frame.tensor)
    name, factor = picture.tensor.name, 1.0
    for _ in range(len(view.nodes)):
        node = view.maker(name)
        if node is None:
            break
        factor *= _enlarges(view, node)
        name = next((item for item in node.input if item in reached), "")
    return min(16, max(1, round(factor))) if name == frame.tensor else 1


def _reached(view: GraphView, frame: str) -> set[str]:
    """The names of values that depend on the input, through anything but its shape."""
    found, waiting = {frame}, [frame]
    while waiting:
        for node in view.users(waiting.pop()):
            if node.op_type not in ("Shape", "Size"):
                new = [item for item in node.output if item and item not in found]
                found.update(new)
                waiting += new
    return found


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
