"""OpenVINO: the fastest engine on Intel and recent AMD CPUs, in fp32 or bf16, whichever was asked for."""

import functools
import threading
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from rotoscope.base.engine import State, Tensors
from rotoscope.base.errors import ModelRefused, UsageError

_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


@functools.cache
def core() -> openvino.Core:
    """The one of this process, never given up.

    Its CPU plugin puts a signal stack of its own under the thread that loads it. A second one that outlives the first gives
    the thread a stack back that is gone (seen in 2026.4); then the next signal, a Ctrl-C or a child's end, ends the process.
    """
    return openvino.Core()


def has_bf16() -> bool:
    """Whether this CPU has bf16 arithmetic."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoEngine:
    """A compiled model on the CPU with `streams` independent lanes of `threads` threads each."""

    def __init__(
        self, model: Path, *, threads: int = 1, streams: int = 1, device: str = "cpu", precision: str = "fp32"
    ) -> None:
        if precision not in _PRECISIONS:
            raise UsageError(f"--precision {precision} with openvino; accepted: {', '.join(_PRECISIONS)}")
        if device != "cpu":
            raise UsageError(f"--device {device} with openvino; accepted: cpu")
        if precision == "bf16" and not has_bf16():
            raise UsageError("--precision bf16: this CPU has no bf16 arithmetic; fp32 works")
        settings = {
            # Left alone, OpenVINO silently takes bf16 where the CPU has it.
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": str(threads * streams),
        }
        try:
            graph = core().read_model(str(model))
            if any(operator.get_type_name() == "Loop" for operator in graph.get_ops()):
                raise ModelRefused(
                    f"{model}: has a loop, which OpenVINO could not stop if it never ends; onnxruntime can"
                )
            self._compiled = core().compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            raise ModelRefused(f"{model}: OpenVINO refuses it: {_last_line(error)}") from error
        self._requests = threading.local()
        self.description = f"openvino {precision} cpu"

    def held(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """The array itself: the network reads and writes it in place."""
        return array

    def run(self, inputs: Tensors, state: State, out: Tensors, out_state: State) -> None:
        """One call on this thread's own request; results are written into the arrays given."""
        request = self._request()
        for name, array in (*inputs.items(), *state.items(), *out.items(), *out_state.items()):
            request.set_tensor(name, openvino.Tensor(np.asarray(array), shared_memory=True))
        request.infer()

    def output_shapes(self, inputs: Tensors, state: Tensors) -> dict[str, tuple[int, ...]]:
        """Shapes as the graph produces them."""
        request = self._compiled.create_infer_request()
        for name, array in (*inputs.items(), *state.items()):
            request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        given = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
        try:
            request.infer()
        except RuntimeError as error:
            raise ModelRefused(f"OpenVINO cannot run this model on {given}: {_last_line(error)}") from error
        shapes = {port.any_name: tuple(request.get_tensor(port).shape) for port in self._compiled.outputs}
        if any(0 in shape for shape in shapes.values()):
            # Some graphs, warps of several pictures at once, fail without an error, and a second call ends the process.
            raise ModelRefused(f"OpenVINO fails on {given}: onnxruntime runs it")
        return shapes

    def _request(self) -> openvino.InferRequest:
        if not hasattr(self._requests, "mine"):
            self._requests.mine = self._compiled.create_infer_request()
        return self._requests.mine


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1][:200]
