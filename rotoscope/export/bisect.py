"""Find the first tensor, in the order of computation, that differs between two ONNX files of one network by more than a bound.

Every tensor that has the same name in both graphs can be made an output. If a tensor is beyond the bound, the tensors computed
from it usually are too, so bisection finds the first one in about log2(n) runs instead of n. An engine cannot fuse operators
across an output: if the difference came from such a fusion, no tensor is found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from rotoscope.base.engine import Engine, Tensors

MakeEngine = Callable[[Path], Engine]


@dataclass(frozen=True)
class Parting:
    """The first tensor beyond the bound.

    operator    type of the node that makes it
    difference  largest difference over its largest value
    place, of   its number, from 1, among the tensors of both files
    """

    tensor: str
    operator: str
    difference: float
    place: int
    of: int

    def __str__(self) -> str:
        return (
            f"{self.tensor} (tensor {self.place} of {self.of}, made by {self.operator}): off by {self.difference:.1e}"
        )


def first_difference(
    a: Path, make_a: MakeEngine, b: Path, make_b: MakeEngine, inputs: Tensors, *, bound: float
) -> Parting | None:
    """Return the first tensor whose largest difference is more than `bound` of its largest value; None if there is none.

    inputs  of both files by name, state included
    """
    protos = onnx.load(a), onnx.load(b)
    names = shared_tensors(*protos)
    makers = {name: node.op_type for node in protos[0].graph.node for name in node.output}

    def difference(place: int) -> float:
        values = [
            tensor_of(proto, names[place], make, inputs) for proto, make in zip(protos, (make_a, make_b), strict=True)
        ]
        return relative_difference(*values)

    low, high = 0, len(names)  # the first one beyond the bound is in [low, high]
    found = {}
    while low < high:
        middle = (low + high) // 2
        found[middle] = difference(middle)
        if found[middle] > bound:
            high = middle
        else:
            low = middle + 1
    if low == len(names):
        return None
    return Parting(names[low], makers[names[low]], found[low], low + 1, len(names))


def shared_tensors(a: onnx.ModelProto, b: onnx.ModelProto) -> list[str]:
    """Return the floating tensors that both graphs compute under the same name, in the order of the first graph."""
    there = {name for node in b.graph.node for name in node.output}
    inferred = onnx.shape_inference.infer_shapes(a)
    values = (*inferred.graph.value_info, *inferred.graph.output)
    floating = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    made = (name for node in a.graph.node for name in node.output)
    return [name for name in made if name in there and kinds.get(name) in floating]


def tensor_of(proto: onnx.ModelProto, name: str, make: MakeEngine, inputs: Tensors) -> NDArray[np.floating]:
    """Compute one tensor of a graph, by adding it to the outputs."""
    opened = onnx.ModelProto()
    opened.CopyFrom(proto)
    if name not in {value.name for value in opened.graph.output}:
        inferred = onnx.shape_inference.infer_shapes(proto)
        known = {value.name: value for value in inferred.graph.value_info}
        opened.graph.output.append(known.get(name) or helper.make_empty_tensor_value_info(name))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "opened.onnx"
        onnx.save(opened, path)
        engine = make(path)
        shape = engine.shapes(inputs, {})[name]
        kind = next(value.type.tensor_type.elem_type for value in opened.graph.output if value.name == name)
        out = np.empty(shape, helper.tensor_dtype_to_np_dtype(kind))
        engine.run(inputs, {}, {name: out}, {})
    return out


def relative_difference(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return the largest difference over the largest value; infinite for different shapes and for NaN."""
    if a.shape != b.shape:
        return float("inf")
    distance = np.abs(a.astype(np.float64) - b.astype(np.float64))
    if not np.isfinite(distance).all():
        return float("inf")
    return float(distance.max(initial=0.0)) / (float(np.abs(a).max(initial=0.0)) or 1.0)
