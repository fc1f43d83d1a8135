"""A network for measurements: 1 - x, whose calls take a chosen time."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnx
from onnx import TensorProto, helper

from rotoscope.assembly.model import Model
from rotoscope.base.device import Device
from rotoscope.base.engine import Engine, Shapes, Tensors
from rotoscope.base.manifest import METADATA_KEY, FrameInput, FrameOutput, Manifest
from rotoscope.base.options import ModelOptions

NAME = "invert"
CHUNK = 1 << 15  # values: some ten microseconds of work at a time


def inverting_model(folder: Path, seconds: float) -> Model:
    """Write `1 - x` as an .onnx file into a folder, and open it; each call takes at least `seconds`."""
    path = folder / f"{NAME}.onnx"
    shape = ("N", 3, "H", "W")
    graph = helper.make_graph(
        [helper.make_node("Sub", ["one", "in"], ["out"])],
        NAME,
        [helper.make_tensor_value_info("in", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        initializer=[helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    manifest = Manifest(name=NAME, frame=FrameInput(tensor="in"), output=FrameOutput(tensor="out"))
    proto.metadata_props.add(key=METADATA_KEY, value=manifest.model_dump_json())
    onnx.save(proto, path)
    model = _CostedModel.open(path, ModelOptions())
    model.seconds = seconds
    return model


class _CostedModel(Model):
    """A model whose engines take at least `seconds` for a call."""

    seconds = 0.0

    def engine(self, *, threads: int, calls: int, shared: bool = True, path: Path | None = None) -> Engine:
        """An engine as the options name it, slowed down."""
        return CostedEngine(super().engine(threads=threads, calls=calls, shared=shared, path=path), self.seconds)

    def with_options(self, given: Mapping[str, Any]) -> Self:
        """The same model with some options replaced."""
        model = super().with_options(given)
        model.seconds = self.seconds
        return model


class CostedEngine:
    """Runs another engine and then computes on one core until the call has taken `seconds`, as a real network would."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine, self._seconds = engine, seconds

    @property
    def device(self) -> Device:
        """Device of the network."""
        return self._engine.device

    @property
    def description(self) -> str:
        """Name of the engine and the least time of a call."""
        return f"{self._engine.description}, at least {self._seconds * 1e3:g} ms"

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:
        """Call the network once."""
        end = time.perf_counter() + self._seconds
        self._engine.run(inputs, state, out, out_state)
        values = np.ones(CHUNK, np.float32)
        while time.perf_counter() < end:
            np.sqrt(values, out=values)  # releases the interpreter's lock

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """Shapes of the outputs."""
        return self._engine.shapes(inputs, state)
