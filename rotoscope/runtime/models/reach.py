"""How far a network looks: the pixels around an output pixel that it depends on, from the operators of its graph.

A value is local (its pixels depend on pixels around them), or the same for the whole picture. What leads from the one to the
other is a statistic: a mean, a norm, a size. It is measured over all tiles before what depends on it can be computed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm
from pathlib import Path

import onnx

from rotoscope.runtime.models.graph_view import GraphView, ancestors, attribute, integers
from rotoscope.runtime.models.reach_axis import Axis, NotLocal, through

REDUCTIONS = {"ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max", "ReduceMin": "min"}
POOLS = {"GlobalAveragePool": "mean", "GlobalMaxPool": "max"}
SIZE_MAKERS = {"ConstantOfShape", "Range", "EyeLike"}  # all their inputs say how large a value is
SIZE_CHANGERS = {"Expand", "Tile", "Reshape", "Resize", "Upsample", "Pad", "Slice"}  # all but the first do
FIRST_OPSET = 10  # in which Slice takes its places as inputs


@dataclass(frozen=True)
class Statistic:
    """A value that is measured over the whole picture.

    output     its name; of a norm, the name of the normalised value
    source     name of the local value that it is measured on
    kind       "norm" (mean and variance of each channel), "mean", "sum", "max", "min", or "shape" (the size of the source)
    number     number of the pass that measures it, from 0: what it depends on was measured in passes before
    axes       places of rows and columns in the shape of the source
    steps_px   input pixels for a row and for a column of the source
    reach_px   of the source
    sizes      of a shape: which axes it names, from the first to before the second
    """

    output: str
    source: str
    kind: str
    number: int
    axes: tuple[int, int]
    steps_px: tuple[Fraction, Fraction]
    reach_px: int
    sizes: tuple[int, int] = (0, 4)


@dataclass(frozen=True)
class Reach:
    """The part of the input that an output pixel depends on.

    pixels      of the input, on either side of the output pixel
    alignment   tiles must begin at multiples of this, because the network takes pixels in steps
    statistics  of the whole picture, in the order of the graph
    unmeasured  names of values that read a size, but none of the picture's sides
    """

    pixels: int
    alignment: int
    statistics: tuple[Statistic, ...] = ()
    unmeasured: frozenset[str] = frozenset()

    @property
    def most_pixels(self) -> int:
        """The reach of the output, or of a statistic if it is larger."""
        return max(self.pixels, *(one.reach_px for one in self.statistics), 0)


def reach_of(path: Path, pictures: Collection[str], output: str, *, nhwc: bool, frozen: Collection[str] = ()) -> Reach:
    """The reach of a network from its inputs of pictures to one of its outputs; raises NotLocal.

    pictures  names of the inputs that are cut into tiles
    nhwc      the layout of its inputs and output
    frozen    names of inputs that hold statistics measured before and the share of them that is kept, 1: what the graph
              measures is multiplied by 1 minus it
    """
    proto = onnx.load(path, load_external_data=False)
    view = GraphView(proto)
    for name in pictures:
        if len(view.inputs[name].type.tensor_type.shape.dim) != 4:
            raise NotLocal(f"its input {name} has other than 4 axes")
    walk = _Walk(view, pictures, (1, 2) if nhwc else (2, 3), frozen)
    needed = {node.output[0] for node in ancestors(view, output)}
    nodes = [node for node in view.nodes if node.output and node.output[0] in needed]
    for node in nodes:
        walk.add(node)
    if output in walk.whole:
        raise NotLocal("it has statistics that do not stay")
    found = walk.values.get(output)
    if found is None:
        raise NotLocal("its output does not depend on the picture")
    read = {name for node in nodes if node.output[0] not in walk.unmeasured for name in node.input}
    statistics = tuple(one for one in walk.statistics if one.kind == "norm" or one.output in read)
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    if statistics and versions.get("", FIRST_OPSET) < FIRST_OPSET:
        raise NotLocal(
            f"it measures the picture in operators of version {versions['']} (from {FIRST_OPSET} on, tiles can)"
        )
    return Reach(_pixels(found), lcm(*walk.steps), statistics, frozenset(walk.unmeasured))


class _Walk:
    """Follows the graph from the pictures.

    values      what rows and columns of a local value depend on
    passes      of all values that depend on the picture: passes that must have ended before they can be computed
    whole       values made of statistics while others are frozen, which a factor of 0 must remove
    steps       the whole steps of all values, in input pixels
    """

    def __init__(
        self, view: GraphView, pictures: Collection[str], axes: tuple[int, int], frozen: Collection[str]
    ) -> None:
        self.steps = {1}
        self.statistics: list[Statistic] = []
        self.unmeasured = set[str]()
        self.whole = set[str]()
        start = Axis(Fraction(1), Fraction(0), Fraction(0))
        self.values: dict[str, tuple[Axis, Axis]] = dict.fromkeys(pictures, (start, start))
        self.passes = dict.fromkeys(pictures, 0)
        self._view = view
        self._axes = dict.fromkeys(pictures, axes)
        self._frozen = set(frozen)  # values that are made of these alone
        self._rest = set[str]()  # of those: 1 minus the share that is kept, which is 0
        self._sized = set[str]()  # values made of the picture's size
        self._sides: dict[
            str, set[int]
        ] = {}  # of shapes: the places of the picture's sides, from the front and from the end

    def add(self, node: onnx.NodeProto) -> None:
        """Follow one node; all before it were followed."""
        if any(item.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for item in node.attribute):
            raise NotLocal(f"it has {node.op_type}")
        given = [name for name in node.input if name]
        varying = {name for name in given if self._view.constant(name) is None}
        if varying and varying <= self._frozen:
            one = self._view.constant(node.input[0])
            is_rest = node.op_type == "Sub" and one is not None and bool((one == 1).all())
            self._frozen.update(node.output)
            if is_rest or varying <= self._rest:
                self._rest.update(node.output)
            return
        if self.whole.intersection(given):
            if not (node.op_type == "Mul" and self._rest.intersection(given)):  # a factor of 0 while they are frozen
                self.whole.update(node.output)
            return
        if node.op_type == "Gather" and not self._reads_a_side(node):
            self.unmeasured.update(node.output)
            return
        touched = [name for name in given if name in self.passes]
        if not touched:
            return
        local = [name for name in touched if name in self.values]
        if node.op_type == "Shape":
            self._add_shape(node, local, touched)
        elif local:
            self._add_local(node, local, touched)
        else:
            sizes = (
                node.input if node.op_type in SIZE_MAKERS else node.input[1:] if node.op_type in SIZE_CHANGERS else ()
            )
            if self._sized.intersection(sizes):
                raise NotLocal(f"{node.op_type} to a size that depends on the picture's")
            self._add_whole(node, max(self.passes[name] for name in touched))
            if self._sized.intersection(touched):
                self._sized.update(node.output)

    def _add_shape(self, node: onnx.NodeProto, local: Sequence[str], touched: Sequence[str]) -> None:
        start, end = (attribute(node, name) for name in ("start", "end"))
        chosen = range(4)[slice(start.i if start is not None else 0, end.i if end is not None else 4)]
        if not local or not set(chosen) & set(self._axes[local[0]]):
            if not local:
                self._add_whole(node, self.passes[touched[0]])
            return
        places = {place for place, axis in enumerate(chosen) if axis in self._axes[local[0]]}
        self._sides[node.output[0]] = places | {place - len(chosen) for place in places}
        self._measure(node, local[0], "shape", (chosen.start, chosen.stop))
        self._sized.update(node.output)

    def _reads_a_side(self, node: onnx.NodeProto) -> bool:
        """Whether a Gather takes from a shape more than the number of pictures or channels."""
        sides = self._sides.get(node.input[0])
        taken = self._view.constant(node.input[1])
        return sides is None or taken is None or bool(sides & {int(place) for place in taken.reshape(-1)})

    def _add_whole(self, node: onnx.NodeProto, passes: int) -> None:
        self.passes.update(dict.fromkeys(filter(None, node.output), passes))

    def _measure(self, node: onnx.NodeProto, source: str, kind: str, sizes: tuple[int, int] = (0, 4)) -> None:
        value = self.values[source]
        self.statistics.append(
            Statistic(
                node.output[0], source, kind, self.passes[source], self._axes[source],
                (value[0].step, value[1].step), _pixels(value), sizes,
            )
        )  # fmt: skip
        self._add_whole(node, self.passes[source] + 1)

    def _add_local(self, node: onnx.NodeProto, local: Sequence[str], touched: Sequence[str]) -> None:
        axes = self._axes[local[0]]
        given = [self.values[name] for name in local]
        if node.op_type in REDUCTIONS or node.op_type in POOLS:
            kind = (REDUCTIONS | POOLS)[node.op_type]
            reduced = self._reduced(node)
            if set(axes) <= reduced:
                if self._frozen:
                    self.whole.update(node.output)
                else:
                    self._measure(node, local[0], kind)
                return
            keeps = attribute(node, "keepdims")
            if reduced & set(axes) or (keeps is not None and not keeps.i):
                raise NotLocal(f"{node.op_type} along a side of the picture")
            made = given[0]
        elif node.op_type == "InstanceNormalization" and axes == (2, 3) and local == [node.input[0]]:
            self._measure(node, local[0], "norm")
            made, touched = given[0], [*touched, node.output[0]]
        elif node.op_type == "Transpose":
            order = list(integers(node, "perm"))
            axes = (order.index(axes[0]), order.index(axes[1]))
            made = given[0]
        elif any(self._axes[name] != axes for name in local):
            raise NotLocal(f"{node.op_type} joins different layouts")
        else:
            made = (through(self._view, node, given, axes, 0), through(self._view, node, given, axes, 1))
        passes = max(self.passes[name] for name in touched)
        for name in filter(None, node.output):
            self.values[name], self._axes[name], self.passes[name] = made, axes, passes
        for axis in made:
            if axis.step >= 1 and axis.step.denominator != 1:
                raise NotLocal(f"{node.op_type} scales by no whole number")
            self.steps.add(max(1, axis.step.numerator))

    def _reduced(self, node: onnx.NodeProto) -> set[int]:
        """The axes that a reduction takes together."""
        if node.op_type in POOLS:
            return {2, 3}
        axes = integers(node, "axes")
        if not axes and len(node.input) > 1 and node.input[1]:
            found = self._view.constant(node.input[1])
            if found is None:
                raise NotLocal(f"{node.op_type} along axes that are computed")
            axes = tuple(int(axis) for axis in found.reshape(-1))
        return {axis % 4 for axis in axes} or {0, 1, 2, 3}


def _pixels(value: tuple[Axis, Axis]) -> int:
    return ceil(max(axis.reach for axis in value)) + 1
