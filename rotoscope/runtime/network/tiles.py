"""Run a network on tiles of a large picture, so that its memory does not grow with the picture.

Tiles overlap. If the graph shows how far the network looks, the overlap is that far, and the result is that of the whole
picture. With an overlap that the user names, tiles are blended into each other over it.
"""

import re
import threading
from dataclasses import dataclass

import numpy as np

from rotoscope.base.device import CPU
from rotoscope.base.engine import Engine, Shapes, Tensors
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.base.manifest import Manifest
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.models.reach import NotLocal, Reach, reach_of

SMALLEST = 64  # pixels of a side


@dataclass(frozen=True)
class Tiling:
    """Side of a tile in pixels of the network's input, and the overlap of neighbours; `blends`: the user named the overlap."""

    side: int
    overlap: int
    alignment: int
    blends: bool


@dataclass(frozen=True)
class _Span:
    """One tile along one axis: the pixels that go in, and those of them that are kept."""

    start: int
    stop: int
    first: int
    last: int


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
    twice = 2 * (-(-reach.pixels // alignment) * alignment)
    least = max(SMALLEST, twice + 2 * alignment)
    if side < least:
        raise UsageError(
            f"--tile {text}: {manifest.name} looks {reach.pixels} pixels to each side; accepted: a side from {least} on"
        )
    return Tiling(_down(side, alignment), twice, alignment, blends=False)


def _reach(file: ModelFile, text: str, *, frozen: bool) -> Reach:
    manifest = file.manifest
    frame, output = manifest.frame, manifest.output
    keep = manifest.number.tensor if frozen and manifest.number else None
    try:
        if frame.layout != output.layout:
            raise NotLocal("its input and output have different layouts")
        return reach_of(file.path, frame.tensor, output.tensor, nhwc=frame.layout == "NHWC", frozen=keep)
    except NotLocal as why:
        raise UsageError(
            f"--tile {text}: a pixel of {manifest.name} depends on the whole picture: {why}, so tiles would differ "
            f"from it; --tile {text}:{max(16, int(text) // 8)} takes tiles that differ, and blends them at the seams"
        ) from None


def in_tiles(file: ModelFile, engine: Engine, text: str | None, *, frozen: bool) -> Engine:
    """The engine, or one that gives it tiles if `text` says how large."""
    return engine if text is None else TiledEngine(engine, file.manifest, tiling_of(file, text, frozen=frozen))


class TiledEngine:
    """An engine that gives another one tiles of the picture, and puts its results together.

    Arrays are NumPy's, wherever the other engine runs; so pictures stay on the host.
    """

    device = CPU

    def __init__(self, engine: Engine, manifest: Manifest, tiling: Tiling) -> None:
        self._engine, self._manifest, self._tiling = engine, manifest, tiling
        self.description = f"{engine.description} in tiles of {tiling.side}"
        beside = (manifest.second, manifest.mask, manifest.instances)
        self._pictures = {manifest.frame.tensor, *(item.tensor for item in beside if item)}
        self._shapes: dict[tuple[int, int], Shapes] = {}  # of the outputs, by (height, width) of a tile
        self._lock = threading.Lock()

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:  # noqa: ARG002
        """Call the network once for each tile; `out_state` is not written."""
        name = self._manifest.output.tensor
        whole = out[name]
        down, across = self._axes(self._manifest.output.layout, whole.ndim)
        height, width = self._size(inputs)
        for rows in _spans(height, self._tiling):
            strip: Array | None = None  # a row of tiles, blended from left to right before it is blended downwards
            for columns in _spans(width, self._tiling):
                part = self._part(inputs, rows, columns)
                made = np.empty(self._shapes_of(part, state)[name], whole.dtype)
                self._engine.run(part, state, {name: made}, {})
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
        rows, columns = _spans(height, self._tiling)[0], _spans(width, self._tiling)[0]
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

    def _part(self, inputs: Tensors, rows: _Span, columns: _Span) -> dict[str, Array]:
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

    def _join(self, whole: Array, tile: Array, axis: int, span: _Span) -> None:
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


def _spans(length: int, tiling: Tiling) -> list[_Span]:
    """Tiles along one axis: all of one side but the last; neighbours share the overlap, and meet in its middle."""
    if length <= tiling.side:
        return [_Span(0, length, 0, length)]
    step = tiling.side - tiling.overlap
    starts = [0]
    while starts[-1] + tiling.side < length:
        starts.append(starts[-1] + _down(step, tiling.alignment))
    starts[-1] = -(-(length - tiling.side) // tiling.alignment) * tiling.alignment
    stops = [min(start + tiling.side, length) for start in starts]
    cuts = [0, *((start + stop) // 2 for start, stop in zip(starts[1:], stops, strict=False)), length]
    return [
        _Span(start, stop, first, last) for start, stop, first, last in zip(starts, stops, cuts, cuts[1:], strict=False)
    ]


def _down(pixels: int, multiple: int) -> int:
    return pixels // multiple * multiple
