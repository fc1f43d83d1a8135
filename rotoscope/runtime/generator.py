"""One network on one engine: picture in, float picture out, through buffers that are allocated once per thread."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rotoscope.errors import ModelRefused, RotoscopeError, UsageError
from rotoscope.frame import Array, Picture
from rotoscope.kernels.interleave import interleave
from rotoscope.kernels.warp import warp
from rotoscope.manifest import Composite, Manifest
from rotoscope.runtime.engines.engine import Engine, Held
from rotoscope.runtime.feed import Feed
from rotoscope.runtime.float_picture import float_picture, resized
from rotoscope.runtime.golden import first_state
from rotoscope.runtime.model_file import ModelFile
from rotoscope.runtime.sizes import Placement, Size, place
from rotoscope.runtime.stage_times import StageTimes


class NotFinite(RotoscopeError):
    """The network produced NaN or Inf."""


@dataclass(frozen=True)
class View:
    """What one call sees of a stream: the pictures of its window, oldest first (one without a window), and what is beside them.

    `masks` ((H,W) bool, True in the hole) and `instances` belong to the same frames; `translated` is what another network
    made of the last of them.
    """

    pictures: tuple[Picture, ...]
    masks: tuple[Array | None, ...] = ()
    instances: tuple[Picture | None, ...] = ()
    translated: Picture | None = None


@dataclass
class _Buffers:
    """What one thread needs for one input size."""

    placement: Placement
    feed: Feed
    outputs: dict[str, Array]
    scale: int


class NetworkState:
    """The recurrent tensors of one stream: double-buffered, handed in and out of each call.

    They stay where the engine holds them, or on the CPU where pictures are finished outside the graph.
    """

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        self._manifest, self._engine = manifest, engine
        self._tensors: dict[str, Held] | None = None
        self._spare: dict[str, Held] = {}

    def reset(self) -> None:
        """Forget everything: the next frame is a first frame."""
        self._tensors = None

    def saved(self) -> dict[str, Array] | None:
        """A copy of everything, by input name; None before a first frame."""
        return None if self._tensors is None else {name: np.array(tensor) for name, tensor in self._tensors.items()}

    def restore(self, saved: Mapping[str, Array] | None) -> None:
        """Go on from what `saved` gave, or from arrays of the same names and shapes."""
        wanted = {tensor.input for tensor in self._manifest.state}
        if saved is not None and set(saved) != wanted:
            raise UsageError(f"state {', '.join(sorted(saved))}; {self._manifest.name} has {', '.join(sorted(wanted))}")
        if saved is None:
            self._tensors = None
        else:
            self._begin({tensor.input: saved[tensor.input].astype(tensor.dtype) for tensor in self._manifest.state})

    def current(self, inputs: Mapping[str, Array], height: int, width: int) -> tuple[dict[str, Held], dict[str, Held]]:
        """(state inputs, places for the state outputs) for a network input of this size; `inputs` are the others."""
        shapes = {tensor.input: tensor.resolve(height, width) for tensor in self._manifest.state}
        if self._tensors is None or any(self._tensors[name].shape != shape for name, shape in shapes.items()):
            self._begin(first_state(self._manifest, inputs, height, width))
            assert self._tensors is not None
        return self._tensors, {name: self._spare[name] for name in self._manifest.state_outputs}

    def finish(self, composite: Composite, outputs: Mapping[str, Array]) -> Array:
        """Make the picture that the graph left unfinished, (3,H,W), and put it into its history."""
        assert self._tensors is not None
        (tensor,) = (tensor for tensor in self._manifest.state if tensor.input == composite.state)
        before: Array = np.asarray(self._tensors[tensor.input])[0]
        after: Array = np.asarray(self._spare[tensor.output])[0]
        flow = np.ascontiguousarray(np.moveaxis(outputs[composite.flow][0], 0, 2))
        picture = warp(np.ascontiguousarray(before[-3:]), flow)
        picture *= outputs[composite.carried][0]
        picture += outputs[composite.drawn][0]
        after[:-3], after[-3:] = before[3:], picture
        finished: Array = after[-3:]
        return finished

    def advance(self) -> None:
        """What came out becomes what goes in."""
        assert self._tensors is not None
        for tensor in self._manifest.state:
            self._tensors[tensor.input], self._spare[tensor.output] = (
                self._spare[tensor.output],
                self._tensors[tensor.input],
            )

    def _begin(self, arrays: Mapping[str, Array]) -> None:
        """Take these values, and make places for the next."""
        places = {tensor.output: np.empty(arrays[tensor.input].shape, tensor.dtype) for tensor in self._manifest.state}
        if self._manifest.composite:
            self._tensors, self._spare = dict(arrays), dict(places)
        else:
            self._tensors = {name: self._engine.held(array) for name, array in arrays.items()}
            self._spare = {name: self._engine.held(array) for name, array in places.items()}


def filled(source: Picture, mask: Array | None, result: Array, region: tuple[int, int, int, int]) -> Array:
    """A region (left, top, width, height) of the source; its hole, and only that, from what was made of the region."""
    assert mask is not None
    left, top, width, height = region
    part = slice(top, top + height), slice(left, left + width)
    return np.where(mask[part][..., None], resized(result, (width, height)), float_picture(source)[part])


class Generator:
    """Runs one model file on pictures of any size.

    Thread-safe for models without state; a model with state takes one frame after the other. `style` is as in `Feed`.
    """

    def __init__(
        self,
        model: ModelFile,
        engine: Engine,
        *,
        working: str | None = None,
        fit: str = "pad",
        style: Array | None = None,
        times: StageTimes,
    ) -> None:
        self.model, self.engine = model, engine
        self._working, self._fit, self._style, self._times = working, fit, style, times
        self._local = threading.local()
        self._output_shapes: dict[Size, dict[str, tuple[int, ...]]] = {}
        self._lock = threading.Lock()
        self.state = NetworkState(model.manifest, engine)
        black, white = model.manifest.output.range
        self._out_scale = [1 / (white - black)] * 3
        self._out_offset = [-black / (white - black)] * 3

    @property
    def is_stateless(self) -> bool:
        """Frames may be translated in any order and at the same time."""
        return not self.model.manifest.state

    def placement(self, picture: Size) -> Placement:
        """Where a picture of this size goes in the network's input."""
        return place(picture, self.model.manifest.frame, working=self._working, fit=self._fit)

    def scale(self, picture: Size) -> int:
        """How many times larger what comes out is than the part of the picture that went in."""
        return self._buffers(picture).scale

    def output_size(self, picture: Size) -> Size:
        """(width, height) of what comes out for a picture of this size; runs the network once."""
        buffers = self._buffers(picture)
        if self.model.manifest.mask:  # what is known stays as sharp as it is
            return buffers.placement.crop[2], buffers.placement.crop[3]
        return buffers.placement.content[0] * buffers.scale, buffers.placement.content[1] * buffers.scale

    def __call__(self, view: View, label: str) -> Array:
        """Translate what the view shows -> (H,W,4) float32 RGB in [0,1]; `label` names the frame in errors."""
        picture = view.pictures[0]
        buffers = self._buffers((picture.width, picture.height))
        with self._times.measure("prepare"):
            self._prepare(view, buffers.feed)
        with self._times.measure("translate"):
            raw = self._run(buffers, label)
        with self._times.measure("unpack"):
            out = self._unpacked(raw, buffers, label)
            window = self.model.manifest.frame.window
            now = window.offsets.index(0) if window else 0
            if self.model.manifest.mask:
                out = filled(view.pictures[now], view.masks[now], out, buffers.placement.crop)
        return out

    def _prepare(self, view: View, feed: Feed) -> None:
        manifest = self.model.manifest
        feed.pictures(view.pictures)
        if manifest.mask:
            feed.masks(view.masks or (None,) * len(view.pictures))
        if manifest.instances:
            feed.instances(view.instances or (None,) * len(view.pictures))
        if manifest.second:
            if view.translated is None:
                raise UsageError(
                    f"{manifest.name} steadies what another model made: give that one first (-m A -m {manifest.name})"
                )
            feed.second(view.translated)

    def _run(self, buffers: _Buffers, label: str) -> Array:
        """One call of the engine -> its raw picture, without the batch; the state, if there is one, moves on."""
        width, height = buffers.placement.network
        manifest, inputs, outputs = self.model.manifest, buffers.feed.arrays, buffers.outputs
        state, out_state = ({}, {}) if self.is_stateless else self.state.current(inputs, height, width)
        try:
            self.engine.run(inputs, state, outputs, out_state)
        except RotoscopeError:
            raise
        except Exception as error:  # engines raise their own, undocumented kinds
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise RotoscopeError(f"{label}: {self.engine.description} failed: {reason}") from error
        finished = [self.state.finish(composite, outputs) for composite in manifest.composite]
        if not self.is_stateless:
            self.state.advance()
        return finished[0] if finished else outputs[manifest.output.tensor][0]

    def _unpacked(self, raw: Array, buffers: _Buffers, label: str) -> Array:
        output = self.model.manifest.output
        width, height = (side * buffers.scale for side in buffers.placement.content)
        out = np.empty((height, width, 4), np.float32)
        planar = np.ascontiguousarray(np.moveaxis(raw, 2, 0) if output.layout == "NHWC" else raw, np.float32)
        bad = interleave(planar, out, scale=self._out_scale, offset=self._out_offset, bgr=output.order == "BGR")
        if bad:
            share = bad / (3 * width * height)
            raise NotFinite(
                f"{label}: {share:.0%} of what {self.model.name} made of it is NaN or infinite ({self.engine.description})"
            )
        return out

    def _buffers(self, picture: Size) -> _Buffers:
        """The calling thread's buffers for pictures of this size."""
        mine: dict[Size, _Buffers] = self._local.__dict__.setdefault("buffers", {})
        if picture not in mine:
            mine.clear()  # sizes change once in a blue moon, and then for good
            mine[picture] = self._allocate(picture)
        return mine[picture]

    def _allocate(self, picture: Size) -> _Buffers:
        manifest = self.model.manifest
        placement = self.placement(picture)
        width, height = placement.network
        feed = Feed(manifest, placement, style=self._style)
        with self._lock:
            if placement.network not in self._output_shapes:
                state = first_state(manifest, feed.arrays, height, width)
                self._output_shapes[placement.network] = self.engine.output_shapes(feed.arrays, state)
            shapes = self._output_shapes[placement.network]
        # Whatever else the graph puts out is not asked for.
        further = {output.tensor for output in manifest.further}
        outputs = {
            name: np.empty(shapes[name], manifest.output.dtype) for name in manifest.outputs if name not in further
        }
        return _Buffers(placement, feed, outputs, self._scale(shapes[manifest.outputs[0]], placement))

    def _scale(self, shape: tuple[int, ...], placement: Placement) -> int:
        """How many times larger the output is; the file's word must agree with what the graph does."""
        output = self.model.manifest.output
        height, width = shape[2:] if output.layout == "NCHW" else shape[1:3]
        scale = max(1, height // placement.network[1])
        if scale != output.scale and not self.model.inferred:
            raise ModelRefused(f"{self.model.path}: says scale {output.scale}, but the output is {width}x{height}")
        network = placement.network[0] * scale, placement.network[1] * scale
        # Some networks round odd sides up by themselves; anything else is not a whole multiple.
        if any(not 0 <= made - wanted < 8 * scale for made, wanted in zip((width, height), network, strict=True)):
            size = f"{placement.network[0]}x{placement.network[1]}"
            raise ModelRefused(
                f"{self.model.path}: gives {width}x{height} for an input of {size}, no whole multiple of it; it may need "
                "sides that are a multiple of more than it says (--multiple)"
            )
        return scale
