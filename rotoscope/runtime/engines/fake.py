"""An engine without a network, for tests and for measuring everything else."""

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.engine import State, Tensors
from rotoscope.base.manifest import Manifest


class FakeEngine:
    """Computes the output with a NumPy function of the frame input; by default returns the frame itself.

    `function(frame, call)` gets the frame tensor and the number of the call, counted from 0. `seconds` of sleep stand for
    the work of a real network.
    """

    description = "fake"

    def __init__(
        self,
        manifest: Manifest,
        function: Callable[[NDArray[np.generic], int], NDArray[np.generic]] = lambda frame, _call: frame,
        *,
        seconds: float = 0.0,
    ) -> None:
        self.manifest = manifest
        self.function = function
        self.seconds = seconds
        self.calls = 0
        self._lock = threading.Lock()

    def held(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """The array itself."""
        return array

    def run(self, inputs: Tensors, state: State, out: Tensors, out_state: State) -> None:
        """Apply the function; state outputs are the state inputs plus one."""
        with self._lock:
            call, self.calls = self.calls, self.calls + 1
        if self.seconds:
            time.sleep(self.seconds)
        out[self.manifest.output.tensor][...] = self.function(inputs[self.manifest.frame.tensor], call)
        for tensor in self.manifest.state:
            np.copyto(np.asarray(out_state[tensor.output]), np.asarray(state[tensor.input]) + 1)

    def output_shapes(self, inputs: Tensors, state: Tensors) -> dict[str, tuple[int, ...]]:
        """The frame's shape for the picture, the inputs' for the state."""
        shapes = {tensor.output: state[tensor.input].shape for tensor in self.manifest.state}
        probe = self.function(inputs[self.manifest.frame.tensor], 0)
        return {self.manifest.output.tensor: probe.shape, **shapes}
