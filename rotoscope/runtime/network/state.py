"""What a recurrent network hands to its own next call, for one stream."""

from collections.abc import Mapping

import numpy as np

from rotoscope.base.engine import Engine, Held
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.base.manifest import Composite, Manifest
from rotoscope.kernels.warp import warp
from rotoscope.runtime.models.golden import first_state


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
