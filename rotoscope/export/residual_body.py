"""The residual blocks of a model file, as weights that a student can start with.

A block is x + norm(conv(ReLU(norm(conv(x))))) with 3x3 convolutions of as many channels in as out. The norm may be one node or
a chain of operators, and its scale and shift may be computed from a style: they are evaluated for the style that is used.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from rotoscope.runtime.models.graph_view import GraphView
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.style import style_codes

Values = NDArray[np.float32]
Block = dict[str, Values]
"""conv1.weight (C,C,3,3), norm1.weight (C,), norm1.bias (C,), and the same with 2"""

MOST_NODES_OF_NORM = 12  # between the convolution and the scale of a norm that is not one node
PICTURE_OPERATORS = {"Conv", "InstanceNormalization"}  # what they make is no constant, so the search ends there


def residual_blocks(file: ModelFile, style: Any) -> list[Block]:
    """Return the blocks of a model in their order; those of another width than the first are left out.

    style  as in the options of a model: of a network whose norms depend on it
    """
    fixed: dict[str, Any] = {}
    if file.manifest.style is not None:
        (fixed[file.manifest.style.tensor],) = style_codes([file.manifest], [style])
    proto = onnx.load(file.path)
    search = BlockSearch(GraphView(proto), list(proto.opset_import), fixed)
    sums = [node for node in search.view.nodes if node.op_type == "Add"]
    found = [block for node in sums if (block := search.block_before(node))]
    return [block for block in found if block["conv1.weight"].shape == found[0]["conv1.weight"].shape]


def is_plain(node: NodeProto) -> bool:
    """Return True for an operator of ONNX itself that holds no inner graph."""
    return node.domain in ("", "ai.onnx") and not any(attribute.HasField("g") for attribute in node.attribute)


class NormedConv(NamedTuple):
    """A 3x3 convolution and the norm after it."""

    source: str  # name of what it convolves, before padding
    kernel: Values
    scale: Values
    shift: Values


class BlockSearch(NamedTuple):
    """A graph with its operator sets, and the values of inputs that are fixed."""

    view: GraphView
    opsets: list[onnx.OperatorSetIdProto]
    fixed: Mapping[str, Any]  # arrays

    def block_before(self, add: NodeProto) -> Block | None:
        """Return the block whose sum this node is; None for any other sum."""
        for branch, skipped in (add.input, reversed(add.input)):
            second = self.normed_conv(branch)
            relu = None if second is None else self.view.maker(second.source)
            if second is None or relu is None or relu.op_type != "Relu":
                continue
            first = self.normed_conv(relu.input[0])
            if first is not None and first.source == skipped and first.kernel.shape == second.kernel.shape:
                block: Block = {}
                for number, part in enumerate((first, second), start=1):
                    block |= {f"conv{number}.weight": part.kernel}
                    block |= {f"norm{number}.weight": part.scale, f"norm{number}.bias": part.shift}
                return block
        return None

    def normed_conv(self, name: str) -> NormedConv | None:
        """Return the convolution and norm that make a value; None if it is made otherwise."""
        norm = self.view.maker(name)
        found = None if norm is None else self.scaled(norm)
        if found is None:
            return None
        value, scale, shift = found
        conv = self.view.maker(value)
        for _ in range(MOST_NODES_OF_NORM):  # x - mean(x), divided by its deviation
            if conv is None or conv.op_type not in ("Sub", "Mul", "Div"):
                break
            conv = self.view.maker(conv.input[0])
        if conv is None or conv.op_type != "Conv":
            return None
        kernel = self.evaluated(conv.input[1])
        if kernel is None or kernel.shape != (scale.size, shift.size, 3, 3):
            return None
        pad = self.view.maker(conv.input[0])
        source = pad.input[0] if pad is not None and pad.op_type == "Pad" else conv.input[0]
        return NormedConv(source, kernel, scale.ravel(), shift.ravel())

    def scaled(self, node: NodeProto) -> tuple[str, Values, Values] | None:
        """Return x, scale and shift of an instance norm, or of x * scale + shift; None for other nodes."""
        if node.op_type == "InstanceNormalization":
            scale, shift = self.evaluated(node.input[1]), self.evaluated(node.input[2])
            return None if scale is None or shift is None else (node.input[0], scale, shift)
        if node.op_type != "Add":
            return None
        for product, added in (node.input, reversed(node.input)):
            mul, shift = self.view.maker(product), self.evaluated(added)
            if mul is None or mul.op_type != "Mul" or shift is None:
                continue
            for value, factor in (mul.input, reversed(mul.input)):
                scale = self.evaluated(factor)
                if scale is not None:
                    return value, scale, shift
        return None

    def evaluated(self, name: str) -> Values | None:
        """Return a value that depends on constants and fixed inputs alone, as float32; None for any other."""
        needed: set[str] = set()
        constants: dict[str, TensorProto] = {}
        waiting, seen = [name], set[str]()
        while waiting:
            each = waiting.pop()
            if each in seen or not each:
                continue
            seen.add(each)
            maker = self.view.maker(each)
            if each in self.view.initialisers:
                constants[each] = self.view.initialisers[each]
            elif each in self.fixed:
                constants[each] = numpy_helper.from_array(np.asarray(self.fixed[each]), each)
            elif maker is None or maker.op_type in PICTURE_OPERATORS or not is_plain(maker):
                return None
            else:
                needed.update(maker.output)
                waiting += maker.input
        if name in constants:
            return numpy_helper.to_array(constants[name]).astype(np.float32)
        nodes = [node for node in self.view.nodes if needed.intersection(node.output)]
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        graph = helper.make_graph(nodes, "constants", [], [output], list(constants.values()))
        (value,) = ReferenceEvaluator(helper.make_model(graph, opset_imports=self.opsets)).run(None, {})
        return np.asarray(value, np.float32)
