"""One network on one engine: picture in, float picture out, through buffers that are allocated once per thread."""

import math
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rotoscope.base.device import CPU
from rotoscope.base.engine import Engine, Tensors
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.frame import Array, Frame, Picture
from rotoscope.base.gpu_run import Download, GpuRun
from rotoscope.base.sizes import Placement, Size, place
from rotoscope.base.times import StageTimes
from rotoscope.kernels.interleave import interleave
from rotoscope.runtime.models.golden import first_state
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.batches import takes_batches
from rotoscope.runtime.network.call import NotFinite, call, coloured, filled
from rotoscope.runtime.network.clipped import ClippedShare
from rotoscope.runtime.network.feed import Feed
from rotoscope.runtime.network.state import NetworkState

MOVING_S = 2.0  # time constant of moving statistics: after this time 1/e of the old ones is left


@dataclass(frozen=True)
class CallInput:
    """Input of one call.

    pictures    those of the window, oldest first; one without a window
    masks       (H,W) bool of the same frames, True in the hole
    instances   object ids, or second drawings, of the same frames
    translated  what another network made of the last picture; for models of kind "stabilise"
    elapsed_s   seconds since the call before
    """

    pictures: tuple[Picture, ...]
    masks: tuple[Array | None, ...] = ()
    instances: tuple[Picture | None, ...] = ()
    translated: Picture | None = None
    elapsed_s: float = 0.0

    @classmethod
    def of(cls, frames: Sequence[Frame], elapsed_s: float = 0.0) -> "CallInput":
        """The input that the frames of one window make."""
        return cls(
            tuple(frame.source for frame in frames),
            masks=tuple(frame.mask for frame in frames),
            instances=tuple(frame.instances for frame in frames),
            elapsed_s=elapsed_s,
        )


@dataclass(frozen=True)
class _Sizes:
    """Values that depend on a picture's size: its placement, the output shapes, and the scale of the output."""

    placement: Placement
    shapes: Mapping[str, tuple[int, ...]]
    scale: int


@dataclass(frozen=True)
class _Counted:
    """A call on a GPU whose NaN and infinite values are being counted there."""

    num_bad: Download
    num_values: int
    label: str


@dataclass
class _Buffers:
    """Buffers of one thread for one picture size."""

    sizes: _Sizes
    feed: Feed
    outputs: dict[str, Array]


class Network:
    """Runs one model file on pictures of any size.

    gpu  of a run whose pictures are on the engine's GPU; None: pictures are on the CPU, and the engine copies them

    Thread-safe for models without state; a model with state takes one frame after the other. `style` and `settings` are as in
    `Feed`; `style` may be changed between two frames. With `keep_colour` a result has the luma of the output and the colour
    differences of the input.
    `statistics` are those of `statistics.calibrate`: every frame is normalised with them, in any order. Without them, a model
    with shared statistics lets them move with the stream: after t seconds exp(-t / 2 s) of the old ones is left.
    """

    def __init__(
        self,
        model: ModelFile,
        engine: Engine,
        *,
        working: str | None = None,
        fit: str = "pad",
        style: Array | None = None,
        settings: Mapping[str, Array] | None = None,
        keep_colour: bool = False,
        statistics: Mapping[str, Array] | None = None,
        times: StageTimes,
        gpu: GpuRun | None = None,
    ) -> None:
        self.model, self.engine = model, engine
        given = manifest_style.tensor if (manifest_style := model.manifest.style) else ""
        self.style = (settings or {}).get(given, style)
        self._working, self._fit, self._settings, self._times = working, fit, settings, times
        self._keeps_colour = keep_colour or model.manifest.output.keeps_colour
        self._clipped = ClippedShare(model.manifest.output, model.name)
        self._device = CPU if gpu is None else gpu.device
        self._gpu = gpu
        self._counted: deque[_Counted] = deque()  # on a GPU: calls whose values are not checked yet, oldest first
        self._local = threading.local()
        self._shapes: dict[Size, dict[str, tuple[int, ...]]] = {}  # by the size of the network's input
        self._batchable: dict[Size, bool] = {}  # by the same
        self._lock = threading.Lock()
        self.state = NetworkState(model.manifest, engine, self._device)
        self._frozen: Tensors | None = None
        if statistics is not None:
            self._frozen = {name: engine.device.asarray(array) for name, array in statistics.items()}
        black, white = model.manifest.output.range
        self._out_scale = [1 / (white - black)] * 3
        self._out_offset = [-black / (white - black)] * 3

    @property
    def is_stateless(self) -> bool:
        """Frames may be translated in any order and at the same time."""
        return self._frozen is not None or not self.model.manifest.state

    @property
    def notes(self) -> list[str]:
        """Guesses about the file, and the share of the output so far that was clipped, if it is large."""
        return [*self.model.guesses, *filter(None, [self._clipped.note])]

    def placement(self, picture: Size) -> Placement:
        """Placement of a picture of this size in the network's input."""
        return place(picture, self.model.manifest.frame, working=self._working, fit=self._fit)

    def scale(self, picture: Size) -> int:
        """Side of the result divided by side of the part of the picture that went in; a new size runs the network once."""
        return self._sizes_for(picture).scale

    def output_size(self, picture: Size) -> Size:
        """(width, height) of the result for a picture of this size; a new size runs the network once."""
        sizes = self._sizes_for(picture)
        if self.model.manifest.mask:  # outside the hole the source is kept at its own resolution
            return sizes.placement.crop[2], sizes.placement.crop[3]
        return sizes.placement.content[0] * sizes.scale, sizes.placement.content[1] * sizes.scale

    def __call__(self, given: CallInput, label: str) -> Array:
        """Translate -> (H,W,4) float32 RGB in [0,1]; `label` names the frame in errors."""
        (out,) = self._called([given], [label])
        return out

    def several(self, given: Sequence[CallInput], labels: Sequence[str]) -> list[Array]:
        """The results of several calls, as `__call__` gives them: in one call of the engine where the network allows it.

        For networks without state, and pictures of one size.
        """
        if len(given) > 1 and self._takes_batches(given[0].pictures[0].size):
            return self._called(given, labels)
        return [self(one, label) for one, label in zip(given, labels, strict=True)]

    def _called(self, given: Sequence[CallInput], labels: Sequence[str]) -> list[Array]:
        window = self.model.manifest.frame.window
        now = window.offsets.index(0) if window else 0
        buffers = self._buffers(given[0].pictures[now].size, len(given))
        with self._times.measure("prepare"):
            for one, feed in zip(given, buffers.feed.parts, strict=True):
                self.prepare(one, feed)
        with self._times.measure("translate"):
            raw = self._run(buffers, labels[0])
        with self._times.measure("unpack"):
            pictures = [_alone(raw)] if len(given) == 1 else list(raw)
            finished = zip(given, pictures, labels, strict=True)
            return [
                self._finished(one, self._unpacked(made, buffers.sizes, label), now, buffers)
                for one, made, label in finished
            ]

    def _finished(self, given: CallInput, out: Array, now: int, buffers: _Buffers) -> Array:
        """The result with what it keeps of the source: its colours, or everything outside the hole."""
        crop = buffers.sizes.placement.crop
        if self._keeps_colour:
            out = coloured(out, given.pictures[now], crop)
        if self.model.manifest.mask:
            out = filled(given.pictures[now], given.masks[now], out, crop)
        return out

    def prepare(self, given: CallInput, feed: Feed) -> None:
        """Write the network's inputs."""
        manifest = self.model.manifest
        if manifest.shares_statistics and self._frozen is None:
            feed.number(math.exp(-given.elapsed_s / MOVING_S))
        feed.style(self.style)
        feed.pictures(given.pictures)
        if manifest.mask:
            feed.masks(given.masks or (None,) * len(given.pictures))
        if manifest.instances:
            feed.instances(given.instances or (None,) * len(given.pictures))
        if manifest.second and manifest.second.what == "drawing":
            feed.drawings(given.instances or (None,) * len(given.pictures))
        elif manifest.second:
            if given.translated is None:
                raise UsageError(
                    f"{manifest.name} steadies what another model made: give that one first (-m A -m {manifest.name})"
                )
            feed.second(given.translated)

    def _run(self, buffers: _Buffers, label: str) -> Array:
        """One call of the engine -> its raw picture or pictures; the state, if there is one, advances."""
        width, height = buffers.sizes.placement.network
        manifest, inputs, outputs = self.model.manifest, buffers.feed.arrays, buffers.outputs
        if self.is_stateless:
            call(self.engine, label, inputs, self._frozen or {}, outputs)
            return outputs[manifest.output.tensor]
        state, out_state = self.state.current(inputs, height, width)
        call(self.engine, label, inputs, state, outputs, out_state)
        finished = [self.state.finish(composite, outputs) for composite in manifest.composite]
        if name := self.state.first_not_finite():
            raise NotFinite(
                f"{label}: state {name} of {self.model.name} is NaN or infinite ({self.engine.description})"
            )
        self.state.advance()
        return finished[0] if finished else outputs[manifest.output.tensor]

    def _unpacked(self, raw: Array, sizes: _Sizes, label: str) -> Array:
        output = self.model.manifest.output
        width, height = (side * sizes.scale for side in sizes.placement.content)
        out = self._device.empty((height, width, 4), np.float32)
        planar = np.moveaxis(raw, 2, 0) if output.layout == "NHWC" else raw
        planar = np.broadcast_to(planar, (3, *planar.shape[1:])) if output.channels == 1 else planar[:3]
        coding: dict[str, Any] = {"scale": self._out_scale, "offset": self._out_offset, "bgr": output.order == "BGR"}
        if self._gpu is None:
            self._clipped.add(planar)
            bad = interleave(np.ascontiguousarray(planar, np.float32), out, **coding)
            self._check(bad, 3 * width * height, label)
            return out
        if planar.dtype == np.uint8:
            planar = planar.astype(np.float32)
        counter = self._device.empty((1,), np.uint32)
        counter.fill(0)
        interleave(planar, out, counter=counter, **coding)
        self._counted.append(_Counted(self._gpu.download(counter), 3 * width * height, label))
        return out

    def check_calls(self, most_unchecked: int) -> None:
        """On a GPU: raise NotFinite if a call gave NaN or infinite values. The last `most_unchecked` calls stay unchecked."""
        while len(self._counted) > most_unchecked:
            called = self._counted.popleft()
            (counter,) = called.num_bad.wait()
            self._check(int(counter[0]), called.num_values, called.label)

    def forget_calls(self) -> None:
        """On a GPU: leave the calls so far unchecked."""
        self._counted.clear()

    def _check(self, num_bad: int, num_values: int, label: str) -> None:
        if num_bad:
            raise NotFinite(
                f"{label}: output of {self.model.name} is {num_bad / num_values:.0%} NaN or infinite "
                f"({self.engine.description})"
            )

    def _buffers(self, picture: Size, calls: int) -> _Buffers:
        """The calling thread's buffers for pictures of this size, `calls` at a time; only those of one size are kept."""
        mine: dict[tuple[Size, int], _Buffers] = self._local.__dict__.setdefault("buffers", {})
        if (picture, calls) not in mine:
            if any(size != picture for size, _ in mine):
                mine.clear()
            sizes = self._sizes_for(picture)
            manifest = self.model.manifest
            further = {output.tensor for output in manifest.further}  # not asked for
            shapes = {name: shape if calls == 1 else (calls, *shape[1:]) for name, shape in sizes.shapes.items()}
            outputs = {
                name: self._device.empty(shapes[name], manifest.output.dtype)
                for name in manifest.outputs
                if name not in further
            }
            feed = Feed(
                manifest, sizes.placement, style=self.style, settings=self._settings, device=self._device, calls=calls
            )
            mine[picture, calls] = _Buffers(sizes, feed, outputs)
        return mine[picture, calls]

    def _takes_batches(self, picture: Size) -> bool:
        """Whether one call may stand for several; a new size of the network's input runs it four times."""
        size = self.placement(picture).network
        with self._lock:
            if size not in self._batchable:
                self._batchable[size] = takes_batches(self.model.manifest, self.engine, *size)
            return self._batchable[size]

    def _sizes_for(self, picture: Size) -> _Sizes:
        """The sizes for this picture; a new size of the network's input costs one call of the network, on black."""
        placement = self.placement(picture)
        with self._lock:
            if placement.network not in self._shapes:
                manifest = self.model.manifest
                width, height = placement.network
                feed = Feed(manifest, placement, style=self.style, settings=self._settings)
                state = first_state(manifest, feed.arrays, height, width)
                self._shapes[placement.network] = self.engine.shapes(feed.arrays, state)
            shapes = self._shapes[placement.network]
        return _Sizes(placement, shapes, self._scale(shapes[self.model.manifest.outputs[0]], placement))

    def _scale(self, shape: tuple[int, ...], placement: Placement) -> int:
        """Side of the output divided by side of the input; raises ModelRefused if the description says otherwise."""
        output = self.model.manifest.output
        height, width = shape[-2:] if output.layout == "NCHW" else shape[-3:-1]
        scale = max(1, height // placement.network[1])
        if scale != output.scale and not self.model.inferred:
            raise ModelRefused(f"{self.model.path}: says scale {output.scale}, but the output is {width}x{height}")
        network = placement.network[0] * scale, placement.network[1] * scale
        # Some networks round odd sides up by themselves; anything else is not a whole multiple.
        if any(not 0 <= made - wanted < 8 * scale for made, wanted in zip((width, height), network, strict=True)):
            size = f"{placement.network[0]}x{placement.network[1]}"
            raise ModelRefused(
                f"{self.model.path}: gives {width}x{height} for an input of {size}, not a whole multiple of it; it may need "
                "sides that are a larger multiple than its description says (--multiple)"
            )
        return scale


def _alone(raw: Array) -> Array:
    """The first picture of an output, (C,H,W) or (H,W,C); an output of three axes has no batch."""
    alone: Array = raw[0] if raw.ndim > 3 else raw
    return alone
