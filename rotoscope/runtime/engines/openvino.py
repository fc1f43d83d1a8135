"""OpenVINO: the fastest engine on Intel and recent AMD CPUs, in fp32 or bf16."""

import functools
import os
import threading
from pathlib import Path

from rotoscope.base.device import CPU
from rotoscope.base.engine import EngineSetup, Shapes, Tensors, check_process, last_line
from rotoscope.base.errors import ModelRefused, RotoscopeError, UsageError
from rotoscope.base.telemetry import without_telemetry
from rotoscope.runtime.models.model_file import ModelFile

with without_telemetry():
    import openvino

_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


def open_engine(file: ModelFile, setup: EngineSetup, _graph: object = None) -> "OpenVinoEngine":
    """Make an engine for an ONNX file; raise UsageError for what OpenVINO cannot do, ModelRefused for a bad file."""
    setup.refuse_op_library("openvino")
    setup.refuse_compiled("openvino")
    return OpenVinoEngine(
        file.path,
        threads=setup.threads,
        streams=setup.calls,
        device=setup.device,
        precision=setup.precision or "fp32",
    )


def core() -> openvino.Core:
    """Return the one OpenVINO core of this process, which is never freed.

    Its CPU plugin installs a signal stack for the thread that loads it. If a second core is freed after the first, the thread
    gets a freed stack back (seen in 2026.4); the next signal, such as Ctrl-C or the end of a child process, then ends the
    process. Raises RotoscopeError in a process that was forked from one that has a core: its threads are not copied by a
    fork, and a new core waits for them without end.
    """
    made_in, made = _core()
    if made_in != os.getpid():
        raise RotoscopeError(
            "openvino hangs in a forked process whose parent used it; accepted: onnxruntime, or processes that start with the "
            "spawn method"
        )
    return made


@functools.cache
def _core() -> tuple[int, openvino.Core]:
    return os.getpid(), openvino.Core()


def has_bf16() -> bool:
    """Whether this CPU has bf16 arithmetic."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoEngine:
    """A model compiled for the CPU.

    threads    of one call
    streams    calls that can run at the same time
    precision  "fp32" or "bf16" arithmetic; weights are converted when the model is compiled
    """

    device = CPU

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
            # By default OpenVINO uses bf16 where the CPU has it.
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
            # A compiled output also has names of tensors inside the graph, which are not outputs.
            self._output_names = [sorted(port.names) for port in graph.outputs]
            self._compiled = core().compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            raise ModelRefused(f"{model}: OpenVINO refuses it: {last_line(error)}") from error
        self._requests = threading.local()
        self._pid = os.getpid()
        self.description = f"openvino {precision} cpu"

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:
        """Call the network once, with the calling thread's own request; results are written into the arrays given."""
        check_process(self._pid, self.description)
        request = self._request()
        given = {**inputs, **state}
        contiguous = {name: array if array.flags.c_contiguous else array.copy() for name, array in given.items()}
        for name, array in (*contiguous.items(), *out.items(), *out_state.items()):
            request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        request.infer()

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """Run the network once and return the shapes of its outputs; raise ModelRefused if it cannot run on the inputs."""
        request = self._compiled.create_infer_request()
        for name, array in (*inputs.items(), *state.items()):
            request.set_tensor(name, openvino.Tensor(array))  # a copy: the array need not be contiguous
        given = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
        try:
            request.infer()
        except RuntimeError as error:
            raise ModelRefused(f"OpenVINO cannot run this model on {given}: {last_line(error)}") from error
        shapes = {
            name: tuple(request.get_tensor(port).shape)
            for port, names in zip(self._compiled.outputs, self._output_names, strict=True)
            for name in names
        }
        if any(0 in shape for shape in shapes.values()):
            # Some graphs that warp several pictures at once fail without an error; a second call ends the process.
            raise ModelRefused(f"OpenVINO fails on {given}: onnxruntime runs it")
        return shapes

    def _request(self) -> openvino.InferRequest:
        if not hasattr(self._requests, "mine"):
            self._requests.mine = self._compiled.create_infer_request()
        return self._requests.mine
