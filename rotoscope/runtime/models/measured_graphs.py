"""The graphs of a network whose statistics are measured over tiles: one for each pass that measures, and the last one.

In all of them a statistic is an input, with the value for the whole picture. A pass computes what it measures on the part of a
tile that no other tile has.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.inliner import inline_local_functions

from rotoscope.runtime.models.graph_view import attribute
from rotoscope.runtime.models.reach import Reach, Statistic

FLOAT, HALF, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64


def whole_names(statistic: Statistic) -> tuple[str, ...]:
    """Names of the inputs that hold a statistic of the whole picture: mean and variance of a norm, or one value."""
    name = statistic.output
    return (f"{name}.mean", f"{name}.variance") if statistic.kind == "norm" else (f"{name}.whole",)


def part_names(statistic: Statistic) -> tuple[str, ...]:
    """Names of what a pass computes of a tile: the shape of the part (int64), then for all but shapes its values (float32)."""
    shape, name = f"{statistic.output}.shape", statistic.output
    if statistic.kind == "shape":
        return (shape,)
    if statistic.kind == "norm":
        return shape, f"{name}.part_mean", f"{name}.part_variance"
    return shape, f"{name}.part"


def place_names(statistic: Statistic) -> tuple[str, str]:
    """Names of the inputs that say which rows and columns of the source are measured: (2,) int64 starts, (2,) int64 ends."""
    return f"{statistic.output}.starts", f"{statistic.output}.ends"


class MeasuredGraphs:
    """The graphs of one network file.

    `shapes` of the methods are those of the statistics that were measured in passes before, by the names of their inputs.
    """

    def __init__(self, path: Path, output: str, reach: Reach) -> None:
        proto = onnx.load(path)
        self._proto = inline_local_functions(proto) if proto.functions else proto
        self._output, self._statistics = output, reach.statistics
        self._kinds = self._element_types()
        whole = {one.output: whole_names(one)[0] for one in reach.statistics if one.kind != "norm"}
        norms = {one.output: one for one in reach.statistics if one.kind == "norm"}
        self._nodes = list[onnx.NodeProto]()
        for node in self._proto.graph.node:
            if node.output and node.output[0] in norms:
                self._nodes.extend(self._normalising(node, norms[node.output[0]]))
                continue
            changed = onnx.NodeProto()
            changed.CopyFrom(node)
            if not reach.unmeasured.intersection(node.output):
                changed.input[:] = [self._given(whole[name]) if name in whole else name for name in node.input]
            self._nodes.append(changed)
        self._nodes.extend(
            _cast(name, self._kinds[one.source])
            for one in reach.statistics
            if one.kind != "shape" and self._kinds[one.source] != FLOAT
            for name in whole_names(one)
        )

    @property
    def passes(self) -> list[list[Statistic]]:
        """The statistics of each pass that measures."""
        count = max(one.number for one in self._statistics) + 1
        return [[one for one in self._statistics if one.number == number] for number in range(count)]

    def measuring(self, number: int, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
        """The graph of one pass, with the outputs `part_names`."""
        nodes, outputs = list(self._nodes), []
        makers = {node.output[0]: node for node in self._proto.graph.node if node.output}
        for one in self.passes[number]:
            nodes.extend(self._measure(one, makers[one.output]))
            kinds = (INT64, FLOAT, FLOAT)
            outputs += [
                helper.make_tensor_value_info(*pair, None) for pair in zip(part_names(one), kinds, strict=False)
            ]
        return self._model(nodes, outputs, shapes)

    def last(self, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
        """The graph that makes the output of the network."""
        return self._model(self._nodes, [one for one in self._proto.graph.output if one.name == self._output], shapes)

    def _element_types(self) -> dict[str, int]:
        """Element types of the sources; float32 where nothing is fp16."""
        sources = {one.source for one in self._statistics}
        kinds = dict.fromkeys(sources, int(FLOAT))
        if any(tensor.data_type == HALF for tensor in self._proto.graph.initializer):
            found = onnx.shape_inference.infer_shapes(self._proto).graph
            for value in (*found.value_info, *found.input, *found.output):
                if value.name in sources:
                    kinds[value.name] = value.type.tensor_type.elem_type or FLOAT
        return kinds

    def _given(self, name: str) -> str:
        """The name under which nodes read a statistic: with a cast, if the network is not in float32."""
        for one in self._statistics:
            if one.kind != "shape" and name in whole_names(one) and self._kinds[one.source] != FLOAT:
                return f"{name}.cast"
        return name

    def _normalising(self, node: onnx.NodeProto, statistic: Statistic) -> list[onnx.NodeProto]:
        """An instance norm with given mean and variance is a batch norm."""
        epsilon = attribute(node, "epsilon")
        given = [self._given(name) for name in whole_names(statistic)]
        return [
            helper.make_node(
                "BatchNormalization", [*node.input, *given], [node.output[0]],
                epsilon=epsilon.f if epsilon is not None else 1e-5,
            )
        ]  # fmt: skip

    def _measure(self, one: Statistic, maker: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The nodes that measure a statistic on a part of its source, in float32."""
        name, (starts, ends) = one.output, place_names(one)
        axes, part = f"{name}.axes", f"{name}.source_part"
        cut = part if one.kind == "shape" or self._kinds[one.source] == FLOAT else f"{part}.cast"
        nodes = [
            helper.make_node("Constant", [], [axes], value=numpy_helper.from_array(np.array(one.axes, np.int64))),
            helper.make_node("Slice", [one.source, starts, ends, axes], [part]),
            helper.make_node("Shape", [part], [part_names(one)[0]]),
        ]
        if cut != part:
            nodes.append(_cast(part, FLOAT))
        if one.kind == "norm":
            _, mean, variance = part_names(one)
            nodes += [
                helper.make_node("GlobalAveragePool", [cut], [mean]),
                helper.make_node("Sub", [cut, mean], [f"{name}.centred"]),
                helper.make_node("Mul", [f"{name}.centred", f"{name}.centred"], [f"{name}.squared"]),
                helper.make_node("GlobalAveragePool", [f"{name}.squared"], [variance]),
            ]
        elif one.kind != "shape":
            reduction = onnx.NodeProto()
            reduction.CopyFrom(maker)
            reduction.input[0], reduction.output[0] = cut, part_names(one)[1]
            nodes.append(reduction)
        return nodes

    def _model(
        self,
        nodes: Sequence[onnx.NodeProto],
        outputs: Sequence[onnx.ValueInfoProto],
        shapes: Mapping[str, Sequence[int]],
    ) -> onnx.ModelProto:
        """A model of the nodes that the outputs need, in an order in which they can run."""
        ordered = _needed(nodes, [value.name for value in outputs])
        read = {name for node in ordered for name in node.input}
        graph = self._proto.graph
        constants = [tensor for tensor in graph.initializer if tensor.name in read]
        named = {tensor.name for tensor in constants}
        inputs = [value for value in graph.input if value.name in read and value.name not in named]
        for one in self._statistics:
            kind = INT64 if one.kind == "shape" else FLOAT
            inputs += [
                helper.make_tensor_value_info(name, kind, shapes[name]) for name in whole_names(one) if name in read
            ]
            inputs += [helper.make_tensor_value_info(name, INT64, [2]) for name in place_names(one) if name in read]
        return helper.make_model(
            helper.make_graph(ordered, "measured", inputs, outputs, initializer=constants),
            opset_imports=self._proto.opset_import,
            ir_version=max(4, self._proto.ir_version),  # from 4 on, initialisers need not be inputs
        )


def _cast(name: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [name], [f"{name}.cast"], to=to)


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that make these values, each after what it reads."""
    makers = {name: node for node in nodes for name in node.output if name}
    done, ordered = set[int](), list[onnx.NodeProto]()
    waiting = [(name, False) for name in outputs]
    while waiting:
        name, is_ready = waiting.pop()
        node = makers.get(name)
        if node is None or id(node) in done:
            continue
        if is_ready:
            done.add(id(node))
            ordered.append(node)
        else:
            waiting.append((name, True))
            waiting.extend((read, False) for read in node.input if read)
    return ordered
