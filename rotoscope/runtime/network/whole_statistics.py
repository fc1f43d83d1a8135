"""Statistics of a whole picture, measured on its tiles: means, norms and sizes that a network takes from all pixels.

A pass gives the network's first layers every tile and measures the statistics that need no others; the next pass uses them
and measures what is behind them. So a network with 10 norms one after the other has 10 passes and the last call, each over all
tiles and each longer than the one before. The result is that of the whole picture, up to rounding.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from rotoscope.base.device import CPU, Device
from rotoscope.base.engine import Engine, Shapes, Tensors
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.runtime.models.measured_graphs import MeasuredGraphs, part_names, place_names, whole_names
from rotoscope.runtime.models.reach import Reach, Statistic

TO_THE_END = np.iinfo(np.int32).max  # OpenVINO computes places in 32 bits


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels: what goes in, and what of it is kept."""

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class Tile:
    """Rows and columns of a tile."""

    rows: Span
    columns: Span


class WholeStatistics:
    """Measures the statistics of one network.

    engine_of  makes an engine for the ONNX file of a pass

    An engine lives for one pass over one picture, so that the memory of one pass is in use at a time.
    """

    def __init__(self, path: Path, output: str, reach: Reach, engine_of: Callable[[Path], Engine]) -> None:
        self._graphs = MeasuredGraphs(path, output, reach)
        self._engine_of = engine_of
        self._part_shapes: dict[int, Shapes] = {}  # by number of the pass
        self.num_passes = len(self._graphs.passes)

    def measure(
        self, tiles_for: Callable[[int], Sequence[Tile]], part_of: Callable[[Tile], dict[str, Array]], state: Tensors
    ) -> dict[str, Array]:
        """Measure a picture: the values of all statistics by the names of the inputs that take them.

        tiles_for  the tiles whose kept parts may depend on so many pixels around them
        part_of    the inputs of the network for a tile
        """
        measured: dict[str, Array] = {}
        for number, statistics in enumerate(self._graphs.passes):
            engine = self._engine(self._graphs.measuring(number, _shapes(measured)), measured)
            tiles = tiles_for(max(one.reach_px for one in statistics))
            totals = [_Total(one) for one in statistics]
            for tile in tiles:
                inputs = part_of(tile) | {
                    name: place for one in statistics for name, place in _places(one, tile, tiles[-1]).items()
                }
                if number not in self._part_shapes:
                    self._part_shapes[number] = engine.shapes(inputs, state)
                made = {
                    name: np.empty(self._part_shapes[number][name], np.int64 if place == 0 else np.float32)
                    for one in statistics
                    for place, name in enumerate(part_names(one))
                }
                engine.run(inputs, state, made, {})
                for total in totals:
                    total.add(tile, [made[name] for name in part_names(total.statistic)])
            for total in totals:
                measured |= total.values()
        return measured

    def last_engine(self, measured: Mapping[str, Array]) -> Engine:
        """The engine that translates tiles with these statistics."""
        return self._engine(self._graphs.last(_shapes(measured)), measured)

    def _engine(self, proto: onnx.ModelProto, measured: Mapping[str, Array]) -> Engine:
        with TemporaryDirectory(prefix="rotoscope-tiles-") as folder:
            path = Path(folder, "pass.onnx")
            onnx.save(proto, path)
            engine = self._engine_of(path)
        return _WithInputs(engine, {value.name for value in proto.graph.input}, measured)


class _WithInputs:
    """An engine that gets, beside the inputs of its network, some values that stay; it is given no others than it takes."""

    def __init__(self, engine: Engine, taken: set[str], fixed: Mapping[str, Array]) -> None:
        self._engine, self._taken, self._fixed = engine, taken, fixed
        self.description = engine.description

    @property
    def device(self) -> Device:
        """Arrays are NumPy's."""
        return CPU

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:
        """Call the network once."""
        self._engine.run(self._given(inputs, state), {}, out, out_state)

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """Shapes of all outputs."""
        return self._engine.shapes(self._given(inputs, state), {})

    def _given(self, inputs: Tensors, state: Tensors) -> dict[str, Array]:
        return {name: array for name, array in {**inputs, **state, **self._fixed}.items() if name in self._taken}


class _Total:
    """One statistic, put together from its parts in float64."""

    def __init__(self, statistic: Statistic) -> None:
        self.statistic = statistic
        self._count = 0.0
        self._value: Array | None = None
        self._spread: Array | None = None  # of a norm: sum of squared differences from the mean
        self._shape: list[int] = []
        self._sides = (0, 0)

    def add(self, tile: Tile, made: Sequence[Array]) -> None:
        """Add what was measured on the kept part of a tile."""
        kind, (shape, *values) = self.statistic.kind, made
        down, across = self.statistic.axes
        height, width = int(shape[down]), int(shape[across])
        self._sides = (
            self._sides[0] + (height if tile.columns.first == 0 else 0),
            self._sides[1] + (width if tile.rows.first == 0 else 0),
        )
        self._shape = [int(side) for side in shape]
        if not values or height * width == 0:
            return
        count, value = float(height * width), values[0].astype(np.float64)
        if kind == "norm" and value.shape[0] != 1:
            raise UsageError("--tile: the network has norms over several pictures at once; give it whole pictures")
        if self._value is None:
            self._value, self._count = value, count
            if kind == "norm":
                self._spread = values[1].astype(np.float64) * count
            return
        if kind in ("max", "min"):
            self._value = np.maximum(self._value, value) if kind == "max" else np.minimum(self._value, value)
            return
        if kind == "sum":
            self._value = self._value + value
            return
        share = count / (self._count + count)
        change = value - self._value
        if kind == "norm":
            assert self._spread is not None
            self._spread = self._spread + values[1] * count + change**2 * (self._count * share)
        self._value = self._value + change * share
        self._count += count

    def values(self) -> dict[str, Array]:
        """The values for the whole picture, by the names of the inputs that take them."""
        names = whole_names(self.statistic)
        if self.statistic.kind == "shape":
            for axis, side in zip(self.statistic.axes, self._sides, strict=True):
                self._shape[axis] = side
            return {names[0]: np.array(self._shape[slice(*self.statistic.sizes)], np.int64)}
        assert self._value is not None
        if self._spread is None:
            return {names[0]: self._value.astype(np.float32)}
        return {
            names[0]: self._value.reshape(-1).astype(np.float32),
            names[1]: (self._spread / self._count).reshape(-1).astype(np.float32),
        }


def _places(one: Statistic, tile: Tile, last: Tile) -> dict[str, Array]:
    """Which rows and columns of a statistic's source are the kept part of a tile."""
    starts, ends = [], []
    for span, step, end in zip(
        (tile.rows, tile.columns), one.steps_px, (last.rows.last, last.columns.last), strict=True
    ):
        starts.append(int((span.first - span.start) / step))
        ends.append(TO_THE_END if span.last == end else int((span.last - span.start) / step))
    names = place_names(one)
    return {names[0]: np.array(starts, np.int64), names[1]: np.array(ends, np.int64)}


def _shapes(measured: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in measured.items()}
