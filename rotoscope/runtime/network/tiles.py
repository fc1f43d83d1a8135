"""Run a network on tiles of a large picture, so that its memory does not grow with the picture.

Tiles overlap. If the graph shows how far the network looks, the overlap is that far, and the result is that of the whole
picture. Statistics of the whole picture are measured over all tiles before, in passes of their own (`whole_statistics`). With
an overlap that the user names, tiles are blended into each other over it.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from rotoscope.base.device import CPU
from rotoscope.base.engine import Engine, Shapes, Tensors
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.base.manifest import Manifest
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.models.reach import Reach, reach_of
from rotoscope.runtime.models.reach_axis import NotLocal
from rotoscope.runtime.network.whole_statistics import Span, Tile, WholeStatistics

SMALLEST = 64  # pixels of a side


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut.

    side       of a tile, in pixels of the network's input
    overlap    of neighbours
    alignment  tiles begin at multiples of it, and their kept parts too
    blends     the user named the overlap
    reach      that the graph shows; None if the user named the overlap
    """

    side: int
    overlap: int
    alignment: int
    blends: bool
    reach: Reach | None = None

    def with_reach(self, pixels: int) -> "Tiling":
        """The same tiles with the overlap that this reach needs."""
        return replace(self, overlap=2 * (-(-pixels // self.alignment) * self.alignment))


def parse_tile(text: str) -> tuple[int, int | None]:
    """Parse 1024 (side) or 1024:128 (side and overlap), in pixels; raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,5})(?::([0-9]{1,5}))?", text)
    side, overlap = (int(found[1]), None if found[2] is None else int(found[2])) if found else (0, None)
    if side < SMALLEST or (overlap is not None and not 0 < 2 * overlap <= side):
        raise UsageError(
            f"--tile {text}; accepted: a side from {SMALLEST} pixels on such as 1024, or side:overlap such as 1024:128, the "
            "overlap at most half the side"
        )
    return side, overlap


def tiling_of(file: ModelFile, text: str, *, frozen: bool) -> Tiling:
    """The tiles for a network; raises UsageError for one whose tiles would not be parts of the whole result.

    frozen  its norms use statistics that were measured before
    """
    manifest = file.manifest
    side, overlap = parse_tile(text)
    if manifest.frame.fixed_size or manifest.frame.height or manifest.frame.width:
        raise UsageError(f"--tile {text}: {manifest.name} takes one size only, to which the picture is scaled")
    if (manifest.state and not frozen) or manifest.composite:
        raise UsageError(f"--tile {text}: {manifest.name} remembers the frame before; give it whole frames")
    multiple = manifest.frame.multiple
    if overlap is not None:
        return Tiling(_down(side, multiple), -(-overlap // multiple) * multiple, multiple, blends=True)
    reach = _reach(file, text, frozen=frozen)
    alignment = int(np.lcm(reach.alignment, multiple))
    tiling = Tiling(_down(side, alignment), 0, alignment, blends=False, reach=reach)
    least = max(SMALLEST, tiling.with_reach(reach.most_pixels).overlap + 2 * alignment)
    if side < least:
        raise UsageError(
            f"--tile {text}: {manifest.name} looks {reach.most_pixels} pixels to each side; accepted: a side from {least} on"
        )
    return tiling.with_reach(reach.pixels)


def _reach(file: ModelFile, text: str, *, frozen: bool) -> Reach:
    manifest = file.manifest
    frame, output = manifest.frame, manifest.output
    kept = (
        {*(tensor.input for tensor in manifest.state), manifest.number.tensor}
        if frozen and manifest.number
        else set[str]()
    )
    try:
        if frame.layout != output.layout:
            raise NotLocal("its input and output have different layouts")
        return reach_of(file.path, pictures_of(manifest), output.tensor, nhwc=frame.layout == "NHWC", frozen=kept)
    except DecodeError:
        raise UsageError(
            f"--tile {text}: {file.path} runs as a checkpoint; accepted: --engine onnxruntime, openvino"
        ) from None
    except NotLocal as why:
        raise UsageError(
            f"--tile {text}: a pixel of {manifest.name} depends on the whole picture: {why}, so tiles would differ "
            f"from it; --tile {text}:{max(16, int(text) // 8)} takes tiles that differ, and blends them at the seams"
        ) from None


def pictures_of(manifest: Manifest) -> set[str]:
    """Names of the inputs that are cut into tiles."""
    beside = (manifest.second, manifest.mask, manifest.instances)
    return {manifest.frame.tensor, *(item.tensor for item in beside if item)}


def in_tiles(
    file: ModelFile, engine: Engine, text: str | None, *, frozen: bool, engine_of: Callable[[Path], Engine]
) -> Engine:
    """The engine, or one that gives it tiles if `text` says how large.

    engine_of  makes an engine like it for another file
    """
    return engine if text is None else TiledEngine(engine, file, tiling_of(file, text, frozen=frozen), engine_of)


class TiledEngine:
    """An engine that gives another one tiles of the picture, and puts its results together.

    Arrays are NumPy's, wherever the other engine runs; so pictures stay on the host.
    """

    device = CPU

    def __init__(self, engine: Engine, file: ModelFile, tiling: Tiling, engine_of: Callable[[Path], Engine]) -> None:
        self._engine, self._manifest, self._tiling = engine, file.manifest, tiling
        self._pictures = pictures_of(file.manifest)
        self._shapes: dict[tuple[int, int], Shapes] = {}  # of the outputs, by (height, width) of a tile
        self._lock = threading.Lock()
        self._whole: WholeStatistics | None = None
        self.description = f"{engine.description} in tiles of {tiling.side}"
        if tiling.reach is not None and tiling.reach.statistics:
            self._whole = WholeStatistics(file.path, file.manifest.output.tensor, tiling.reach, engine_of)
            self.description += f", measured in {self._whole.num_passes} passes"

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:  # noqa: ARG002
        """Call the network once for each tile; `out_state` is not written."""
        height, width = self._size(inputs)
        if self._whole is None or max(height, width) <= self._tiling.side:
            self._translate(self._engine, inputs, state, out)
            return
        measured = self._whole.measure(
            lambda pixels: tiles_of(height, width, self._tiling.with_reach(pixels)),
            lambda tile: self._part(inputs, tile.rows, tile.columns),
            state,
        )
        self._translate(self._whole.last_engine(measured), inputs, state, out)

    def _translate(self, engine: Engine, inputs: Tensors, state: Tensors, out: Tensors) -> None:
        name = self._manifest.output.tensor
        whole = out[name]
        down, across = self._axes(self._manifest.output.layout, whole.ndim)
        height, width = self._size(inputs)
        for rows in spans(height, self._tiling):
            strip: Array | None = None  # a row of tiles, blended from left to right before it is blended downwards
            for columns in spans(width, self._tiling):
                part = self._part(inputs, rows, columns)
                made = np.empty(self._shapes_of(part, state)[name], whole.dtype)
                engine.run(part, state, {name: made}, {})
                if strip is None:
                    strip = np.empty(
                        (*made.shape[:across], whole.shape[across], *made.shape[across + 1 :]), whole.dtype
                    )
                self._join(strip, made, across, columns)
            assert strip is not None
            self._join(whole, strip, down, rows)

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """The shapes for the whole picture, from one call on the first tile."""
        height, width = self._size(inputs)
        rows, columns = spans(height, self._tiling)[0], spans(width, self._tiling)[0]
        found = dict(self._shapes_of(self._part(inputs, rows, columns), state))
        name = self._manifest.output.tensor
        shape = list(found[name])
        down, across = self._axes(self._manifest.output.layout, len(shape))
        scale = max(1, shape[down] // (rows.stop - rows.start))
        shape[down], shape[across] = height * scale, width * scale
        found[name] = tuple(shape)
        return found

    def _size(self, inputs: Tensors) -> tuple[int, int]:
        shape = inputs[self._manifest.frame.tensor].shape
        down, across = self._axes(self._manifest.frame.layout, len(shape))
        return shape[down], shape[across]

    @staticmethod
    def _axes(layout: str, count: int) -> tuple[int, int]:
        return (count - 2, count - 1) if layout == "NCHW" else (count - 3, count - 2)

    def _part(self, inputs: Tensors, rows: Span, columns: Span) -> dict[str, Array]:
        part = dict(inputs)
        for name in self._pictures:
            down, across = self._axes(self._manifest.frame.layout, inputs[name].ndim)
            where = [slice(None)] * inputs[name].ndim
            where[down], where[across] = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
            part[name] = np.ascontiguousarray(inputs[name][tuple(where)])
        return part

    def _shapes_of(self, part: Tensors, state: Tensors) -> Shapes:
        key = self._size(part)
        with self._lock:
            if key not in self._shapes:
                self._shapes[key] = self._engine.shapes(part, state)
            return self._shapes[key]

    def _join(self, whole: Array, tile: Array, axis: int, span: Span) -> None:
        """Write a tile's kept part along one axis, or blend it with what is there."""
        scale = max(1, tile.shape[axis] // (span.stop - span.start))
        first, last = (span.start, span.stop) if self._tiling.blends else (span.first, span.last)
        source: list[slice] = [slice(None)] * whole.ndim
        target = list(source)
        source[axis] = slice((first - span.start) * scale, (last - span.start) * scale)
        target[axis] = slice(first * scale, last * scale)
        place, taken = whole[tuple(target)], tile[tuple(source)]
        shared = 2 * (span.first - span.start) * scale if self._tiling.blends else 0  # with the tile before
        if shared:
            ramp = (np.arange(shared, dtype=np.float32) + 0.5) / shared
            weight = ramp.reshape([-1 if number == axis else 1 for number in range(whole.ndim)])
            source[axis] = slice(0, shared)
            edge = tuple(source)
            mixed = place[edge] * (1 - weight) + taken[edge] * weight
            place[edge] = np.rint(mixed) if place.dtype == np.uint8 else mixed
            source[axis] = slice(shared, None)
            place, taken = place[tuple(source)], taken[tuple(source)]
        place[...] = taken


def tiles_of(height: int, width: int, tiling: Tiling) -> list[Tile]:
    """The tiles of a picture, row by row."""
    return [Tile(rows, columns) for rows in spans(height, tiling) for columns in spans(width, tiling)]


def spans(length: int, tiling: Tiling) -> list[Span]:
    """Tiles along one axis: all of one side but the last; neighbours share the overlap, and meet in its middle."""
    if length <= tiling.side:
        return [Span(0, length, 0, length)]
    step = tiling.side - tiling.overlap
    starts = [0]
    while starts[-1] + tiling.side < length:
        starts.append(starts[-1] + _down(step, tiling.alignment))
    starts[-1] = -(-(length - tiling.side) // tiling.alignment) * tiling.alignment
    stops = [min(start + tiling.side, length) for start in starts]
    middles = ((start + stop) // 2 for start, stop in zip(starts[1:], stops, strict=False))
    cuts = [0, *(_down(middle, tiling.alignment) for middle in middles), length]
    return [
        Span(start, stop, first, last) for start, stop, first, last in zip(starts, stops, cuts, cuts[1:], strict=False)
    ]


def _down(pixels: int, multiple: int) -> int:
    return pixels // multiple * multiple
