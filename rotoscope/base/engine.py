"""What an engine is: one method that runs a network on one device, and a line that says what runs where."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[np.generic]]


class Held(Protocol):
    """A state tensor where its network runs: an array, or memory of a device, which NumPy copies when it is asked to."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        ...

    def __array__(self) -> NDArray[np.generic]:
        """Its values, on the CPU."""
        ...


State = Mapping[str, Held]


class Engine(Protocol):
    """Runs a model file. Safe to call from several threads at once as long as each brings its own arrays."""

    @property
    def description(self) -> str:
        """Name, precision and device of what really runs, for example "onnxruntime fp32 cpu"."""
        ...

    def held(self, array: NDArray[np.generic]) -> Held:
        """A state tensor that begins as this C-contiguous array of the model's dtype, where the network runs.

        It may share the array's memory. State that stays there is not copied from call to call.
        """
        ...

    def run(self, inputs: Tensors, state: State, out: Tensors, out_state: State) -> None:
        """One call of the network.

        All four map tensor names to C-contiguous arrays of the model's dtypes, those of the state also to tensors that `held`
        gave; `out` and `out_state` are written. Nothing is kept between calls: the caller owns the state and passes it in
        again.
        """
        ...

    def output_shapes(self, inputs: Tensors, state: Tensors) -> dict[str, tuple[int, ...]]:
        """The shapes of all outputs for inputs of these shapes; runs the network once."""
        ...
