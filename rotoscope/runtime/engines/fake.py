"""FakeEngine: an engine without a network, for tests and for measuring everything around the network."""

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.device import CPU
from rotoscope.base.engine import Shapes, Tensors
from rotoscope.base.manifest import Manifest


class FakeEngine:
    """Computes the output from the frame input with a NumPy function; by default it returns the frame.

    function  called with the frame tensor and the number of the call, counted from 0
    seconds   of sleep in each call, in place of the work of a network
    """

    device = CPU
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

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:
        """Apply the function; each state output is its state input plus 1."""
        with self._lock:
            call, self.calls = self.calls, self.calls + 1
        if self.seconds:
            time.sleep(self.seconds)
        out[self.manifest.output.tensor][...] = self.function(inputs[self.manifest.frame.tensor], call)
        for tensor in self.manifest.state:
            np.copyto(out_state[tensor.output], state[tensor.input] + 1)

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """Return the shape of the function's result, and for each state output that of its input."""
        shapes = {tensor.output: state[tensor.input].shape for tensor in self.manifest.state}
        probe = self.function(inputs[self.manifest.frame.tensor], 0)
        return {self.manifest.output.tensor: probe.shape, **shapes}
