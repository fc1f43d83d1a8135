"""One network on one engine: picture in, float picture out, through buffers that are allocated once per thread."""

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rotoscope.base.engine import Engine, Tensors
from rotoscope.base.errors import ModelRefused, RotoscopeError, UsageError
from rotoscope.base.frame import Array, Frame, Picture
from rotoscope.base.sizes import Placement, Size, place
from rotoscope.base.times import StageTimes
from rotoscope.kernels.float_picture import float_picture, resized
from rotoscope.kernels.interleave import interleave
from rotoscope.runtime.models.golden import first_state
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.feed import Feed
from rotoscope.runtime.network.state import NetworkState

MOVING_S = 2.0  # after so many seconds moving statistics hold 1/e of what they held


class NotFinite(RotoscopeError):
    """The network produced NaN or Inf."""


@dataclass(frozen=True)
class View:
    """What one call sees of a stream: the pictures of its window, oldest first (one without a window), and what is beside them.

    `masks` ((H,W) bool, True in the hole) and `instances` belong to the same frames; `translated` is what another network
    made of the last of them; `elapsed_s` is the time since the call before, in seconds.
    """

    pictures: tuple[Picture, ...]
    masks: tuple[Array | None, ...] = ()
    instances: tuple[Picture | None, ...] = ()
    translated: Picture | None = None
    elapsed_s: float = 0.0

    @classmethod
    def of(cls, frames: Sequence[Frame], elapsed_s: float = 0.0) -> "View":
        """What the frames of one window show."""
        return cls(
            tuple(frame.source for frame in frames),
            masks=tuple(frame.mask for frame in frames),
            instances=tuple(frame.instances for frame in frames),
            elapsed_s=elapsed_s,
        )


@dataclass
class _Buffers:
    """What one thread needs for one input size."""

    placement: Placement
    feed: Feed
    outputs: dict[str, Array]
    scale: int


def call(
    engine: Engine, label: str, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors | None = None
) -> None:
    """One call of an engine; whatever it raises becomes a RotoscopeError that begins with the label."""
    try:
        engine.run(inputs, state, out, out_state or {})
    except RotoscopeError:
        raise
    except Exception as error:  # engines raise their own, undocumented kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise RotoscopeError(f"{label}: {engine.description} failed: {reason}") from error


def filled(source: Picture, mask: Array | None, result: Array, region: tuple[int, int, int, int]) -> Array:
    """A region (left, top, width, height) of the source; its hole, and only that, from what was made of the region."""
    assert mask is not None
    left, top, width, height = region
    part = slice(top, top + height), slice(left, left + width)
    return np.where(mask[part][..., None], resized(result, (width, height)), float_picture(source)[part])


class Generator:
    """Runs one model file on pictures of any size.

    Thread-safe for models without state; a model with state takes one frame after the other. `style` is as in `Feed`.
    `statistics` are those of `shared_norm.calibrate`, which every frame is then normalised with, in any order; without them
    a model with shared statistics lets them move with the stream: after t seconds exp(-t / 2 s) of the old ones stay.
    """

    def __init__(
        self,
        model: ModelFile,
        engine: Engine,
        *,
        working: str | None = None,
        fit: str = "pad",
        style: Array | None = None,
        statistics: Mapping[str, Array] | None = None,
        times: StageTimes,
    ) -> None:
        self.model, self.engine = model, engine
        self._working, self._fit, self._style, self._times = working, fit, style, times
        self._local = threading.local()
        self._output_shapes: dict[Size, dict[str, tuple[int, ...]]] = {}
        self._lock = threading.Lock()
        self.state = NetworkState(model.manifest, engine)
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
            self.prepare(view, buffers.feed)
        with self._times.measure("translate"):
            raw = self._run(buffers, label)
        with self._times.measure("unpack"):
            out = self._unpacked(raw, buffers, label)
            window = self.model.manifest.frame.window
            now = window.offsets.index(0) if window else 0
            if self.model.manifest.mask:
                out = filled(view.pictures[now], view.masks[now], out, buffers.placement.crop)
        return out

    def prepare(self, view: View, feed: Feed) -> None:
        """Put what the view shows into the network's inputs."""
        manifest = self.model.manifest
        if manifest.shares_statistics and self._frozen is None:
            feed.number(math.exp(-view.elapsed_s / MOVING_S))
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
        if self.is_stateless:
            call(self.engine, label, inputs, self._frozen or {}, outputs)
            alone: Array = outputs[manifest.output.tensor][0]
            return alone
        state, out_state = self.state.current(inputs, height, width)
        call(self.engine, label, inputs, state, outputs, out_state)
        finished = [self.state.finish(composite, outputs) for composite in manifest.composite]
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
                self._output_shapes[placement.network] = self.engine.shapes(feed.arrays, state)
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
