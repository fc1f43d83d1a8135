"""NetworkState: what a recurrent network passes to its own next call, for one stream."""

from collections.abc import Mapping

import numpy as np

from rotoscope.base.device import CPU, Device
from rotoscope.base.engine import Engine
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Array
from rotoscope.base.manifest import Composite, Manifest
from rotoscope.kernels.arrays import contiguous
from rotoscope.kernels.composite import composite as compose
from rotoscope.runtime.models.golden import first_state


class NetworkState:
    """The recurrent tensors of one stream, in two sets: one is read by a call, the other written.

    They are arrays of the engine's device; if the picture is finished outside the graph (`composite`), of the device where
    pictures are.

    pictures  device of the pictures around the network: the engine's, or the CPU
    """

    def __init__(self, manifest: Manifest, engine: Engine, pictures: Device = CPU) -> None:
        self._manifest, self._engine = manifest, engine
        self._device = pictures if manifest.composite else engine.device
        self._tensors: dict[str, Array] | None = None
        self._spare: dict[str, Array] = {}

    def reset(self) -> None:
        """Forget everything: the next frame is a first frame."""
        self._tensors = None

    def saved(self) -> dict[str, Array] | None:
        """Return a copy of the state on the CPU, by input name; None before a first frame."""
        if self._tensors is None:
            return None
        return {name: np.array(self._device.to_host(tensor)) for name, tensor in self._tensors.items()}

    def restore(self, saved: Mapping[str, Array] | None) -> None:
        """Continue from what `saved` returned, or from NumPy arrays of the same names and shapes.

        Raises UsageError for other names.
        """
        wanted = {tensor.input for tensor in self._manifest.state}
        if saved is not None and set(saved) != wanted:
            raise UsageError(f"state {', '.join(sorted(saved))}; {self._manifest.name} has {', '.join(sorted(wanted))}")
        if saved is None:
            self._tensors = None
        else:
            self._begin({tensor.input: saved[tensor.input].astype(tensor.dtype) for tensor in self._manifest.state})

    def current(
        self, inputs: Mapping[str, Array], height: int, width: int
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return (state inputs, arrays for the state outputs) of the next call, for a network input of this size in pixels.

        inputs  the other inputs of the call; some models start their state from them
        """
        shapes = {tensor.input: tensor.resolve(height, width) for tensor in self._manifest.state}
        if self._tensors is None or any(self._tensors[name].shape != shape for name, shape in shapes.items()):
            starts = {tensor.initial for tensor in self._manifest.state} & set(inputs)
            on_host = {name: self._engine.device.to_host(inputs[name]) for name in starts}
            self._begin(first_state(self._manifest, on_host, height, width))
            assert self._tensors is not None
        return self._tensors, {name: self._spare[name] for name in self._manifest.state_outputs}

    def finish(self, composite: Composite, outputs: Mapping[str, Array]) -> Array:
        """Make the picture that the graph left unfinished, (3,H,W), and put it into its history."""
        assert self._tensors is not None
        (tensor,) = (tensor for tensor in self._manifest.state if tensor.input == composite.state)
        before: Array = self._tensors[tensor.input][0]
        after: Array = self._spare[tensor.output][0]
        after[:-3] = before[3:]
        names = composite.flow, composite.carried, composite.drawn
        parts = (outputs[name][0].astype(np.float32, copy=False) for name in names)
        finished: Array = compose(contiguous(before[-3:]), *parts, out=after[-3:])
        return finished

    def first_not_finite(self) -> str | None:
        """Name of a state output of the last call that holds NaN or infinity; None if all are finite.

        Only arrays on the CPU are looked at: on a GPU this would wait. What a state spoils shows in the next picture.
        """
        made = ((tensor.output, self._spare[tensor.output]) for tensor in self._manifest.state)
        return next((name for name, array in made if isinstance(array, np.ndarray) and not _is_finite(array)), None)

    def advance(self) -> None:
        """Make the state outputs of the last call the state inputs of the next."""
        assert self._tensors is not None
        for tensor in self._manifest.state:
            self._tensors[tensor.input], self._spare[tensor.output] = (
                self._spare[tensor.output],
                self._tensors[tensor.input],
            )

    def _begin(self, arrays: Mapping[str, Array]) -> None:
        """Take these values as state inputs, and allocate the state outputs."""
        device = self._device
        self._tensors = {name: device.asarray(array) for name, array in arrays.items()}
        self._spare = {
            tensor.output: device.empty(arrays[tensor.input].shape, tensor.dtype) for tensor in self._manifest.state
        }


def _is_finite(array: Array) -> bool:
    if array.dtype.kind != "f":
        return True
    with np.errstate(all="ignore"):
        # One pass without a temporary array; a sum of finite numbers that overflows is looked at again.
        is_sum_finite = bool(np.isfinite(np.sum(array, dtype=np.promote_types(array.dtype, np.float32))))
    return is_sum_finite or bool(np.isfinite(array).all())
