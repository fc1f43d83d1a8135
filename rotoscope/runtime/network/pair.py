"""Model files that take two pictures: optical flow between them, or the frame in between."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.device import CPU, Device
from rotoscope.base.engine import Engine
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.frame import Array, Picture
from rotoscope.base.manifest import Kind
from rotoscope.base.sizes import Placement, Size, place
from rotoscope.kernels.arrays import contiguous
from rotoscope.kernels.interleave import interleave
from rotoscope.kernels.resize_flow import resize_flow
from rotoscope.runtime.models.golden import first_state
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.batches import takes_batches
from rotoscope.runtime.network.call import call
from rotoscope.runtime.network.feed import Feed


class FlowModel:
    """A flow network (RAFT, PWC-Net) as a flow source; called like `runtime.flow.dis.DisFlow`. Not for several threads at once.

    model    of kind "flow": tensors of two pictures, `frame` and `second`, to `flow` (N,2,H,W), pixels (dx, dy)
    engine   runs it
    working  size that the network sees, such as "640x360" or "360p"; by default the pictures'
    `device` is the engine's: pictures on it stay there.
    """

    def __init__(self, model: ModelFile, engine: Engine, *, working: str | None = None) -> None:
        self._call = _Call(model, engine, "flow", working)
        self.device = engine.device

    def __call__(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Flow F_ab, (H,W,2) float32 pixels (dx, dy) on the grid of a: what a shows at p is at p + F_ab(p) in b.

        a, b  (H,W,3) RGB uint8, of one size; NumPy arrays, or CuPy arrays on the engine's GPU, where the flow then is too
        """
        made, content = self._call(Picture((a,)), Picture((b,)))
        (name,) = self._call.model.manifest.outputs
        flow: NDArray[np.float32] = self._call.flow(made[name], content, a.shape[:2])
        return flow

    def both_ways(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(F_ab, F_ba), each as `__call__` gives it; on a GPU in one call if the network takes two pairs."""
        first, second = Picture((a,)), Picture((b,))
        if not self._call.takes_batches(first):
            return self(a, b), self(b, a)
        made, content = self._call.both_ways(first, second)
        (name,) = self._call.model.manifest.outputs
        there, back = (self._call.flow(made[name][k : k + 1], content, a.shape[:2]) for k in range(2))
        return there, back


class Between(NamedTuple):
    """A frame between two, with the flows and visibility that it was made with.

    picture               (H,W,4) float32 RGB in [0,1]
    to_first, to_second   (H,W,2) float32 pixels, flow from it to the two frames
    visibility            (H,W) float32: 1 where it shows the first, 0 where it shows the second
    """

    picture: NDArray[np.float32]
    to_first: NDArray[np.float32]
    to_second: NDArray[np.float32]
    visibility: NDArray[np.float32]


class InterpolationModel:
    """A frame interpolator (Super SloMo); for one thread at a time.

    model    of kind "interpolate": two pictures and a time -> the picture, both flows and the visibility
    """

    def __init__(self, model: ModelFile, engine: Engine) -> None:
        self._call = _Call(model, engine, "interpolate", None)
        self._names = {output.what: output.tensor for output in model.manifest.further}
        if len(self._names) < 3:
            raise ModelRefused(f"{model.path} gives no flows beside its picture; HyperCon needs them for masks")
        self.name, self.device = model.name, engine.device

    def __call__(self, first: Picture, second: Picture, time: float) -> Between:
        """The frame at `time` in (0,1) from the first picture to the second, of their size and on their device."""
        if not 0 < time < 1:
            raise ValueError(f"{time=}; accepted: between 0 and 1")
        made, content = self._call(first, second, time)
        size = (first.height, first.width)
        output = self._call.model.manifest.output
        low, high = output.range
        picture = np.empty_like(first.planes[0], dtype=np.float32, shape=(*size, 4), order="C")
        planar = contiguous(made[output.tensor][0].astype(np.float32, copy=False))
        interleave(
            planar,
            picture,
            scale=[1 / (high - low)] * 3,
            offset=[-low / (high - low)] * 3,
            bgr=output.order == "BGR",
        )
        return Between(
            picture,
            self._call.flow(made[self._names["flow to frame"]], content, size),
            self._call.flow(made[self._names["flow to second"]], content, size),
            contiguous(made[self._names["visibility"]][0, 0, : size[0], : size[1]].astype(np.float32, copy=False)),
        )


class _Call:
    """Two pictures through an engine, in arrays that are allocated once for each size."""

    def __init__(self, model: ModelFile, engine: Engine, kind: Kind, working: str | None) -> None:
        if model.manifest.kind != kind:
            raise UsageError(
                f"{model.manifest.name} is a model of kind {model.manifest.kind}; this needs one of kind {kind}"
            )
        self.model, self._engine, self._working = model, engine, working
        self._allocated_for: tuple[Size, Device] | None = None
        self._placement: Placement
        self._arrays: dict[int, tuple[Feed, dict[str, Array]]] = {}  # number of pairs in a call -> inputs and outputs
        self._takes_batches: bool | None = None  # None: not tried at this size

    def __call__(self, first: Picture, second: Picture, number: float | None = None) -> tuple[dict[str, Array], Size]:
        """(outputs by name, (width, height) of the part of them that shows the picture)."""
        feed, out = self._arrays_for(first, second, pairs=1)
        feed.pictures((first,))
        feed.second(second)
        if number is not None:
            feed.number(number)
        call(self._engine, self.model.name, feed.arrays, {}, out)
        return out, self._placement.content

    def both_ways(self, first: Picture, second: Picture) -> tuple[dict[str, Array], Size]:
        """The same for two pairs in one call, (first, second) and (second, first); only if `takes_batches`."""
        feed, out = self._arrays_for(first, second, pairs=2)
        for part, (a, b) in zip(feed.parts, ((first, second), (second, first)), strict=True):
            part.pictures((a,))
            part.second(b)
        call(self._engine, self.model.name, feed.arrays, {}, out)
        return out, self._placement.content

    def takes_batches(self, picture: Picture) -> bool:
        """Whether two pairs of pictures on a GPU may share a call; tried once for each size. False on the CPU."""
        if picture.device == "cpu":
            return False
        self._arrays_for(picture, picture, pairs=1)
        if self._takes_batches is None:
            self._takes_batches = takes_batches(self.model.manifest, self._engine, *self._placement.network)
        return self._takes_batches

    @staticmethod
    def flow(raw: Array, content: Size, size: tuple[int, ...]) -> Array:
        """(1,2,H',W') as (H,W,2) float32 of a picture's size."""
        width, height = content
        flow = contiguous(np.moveaxis(raw[0, :, :height, :width], 0, 2))
        return flow if flow.shape[:2] == size else resize_flow(flow, (size[0], size[1]))

    def _arrays_for(self, first: Picture, second: Picture, *, pairs: int) -> tuple[Feed, dict[str, Array]]:
        """The feed and the output arrays of calls with this number of pairs; only those of one size are kept."""
        size = (first.width, first.height)
        if (second.width, second.height) != size:
            raise ValueError(f"pictures of {size} and {(second.width, second.height)}; accepted: two of one size")
        device = CPU if first.device == "cpu" else self._engine.device
        if (size, device) != self._allocated_for:
            self._placement = place(size, self.model.manifest.frame, working=self._working, fit="stretch")
            self._arrays.clear()
            self._allocated_for, self._takes_batches = (size, device), None
        if pairs not in self._arrays:
            self._arrays[pairs] = self._allocated(device, pairs)
        return self._arrays[pairs]

    def _allocated(self, device: Device, pairs: int) -> tuple[Feed, dict[str, Array]]:
        manifest = self.model.manifest
        feed = Feed(manifest, self._placement, device=device, calls=pairs)
        width, height = self._placement.network
        shapes = self._engine.shapes(feed.arrays, first_state(manifest, feed.arrays, height, width))
        return feed, {name: device.empty(shapes[name], manifest.output.dtype) for name in manifest.outputs}
