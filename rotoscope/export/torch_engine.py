"""PyTorch as an engine: a network straight from its checkpoint, eager or compiled, on the CPU or one GPU.

The CUDA half ran on an H200; the tests, whose machine has no GPU, do not run it.
"""

import copy
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.dlpack import from_dlpack

from rotoscope.base.device import CPU, Array, Device
from rotoscope.base.engine import EngineSetup, Shapes, Tensors, check_process, first_line
from rotoscope.base.errors import ModelRefused, RotoscopeError, UsageError
from rotoscope.base.gpu_run import CAPTURE_LOCK
from rotoscope.base.tf32 import choose_tf32
from rotoscope.export.graph import Graph
from rotoscope.runtime.models.model_file import ModelFile

REDUCED = {"fp16": torch.float16, "bf16": torch.bfloat16}
PRECISIONS = ("fp64", "fp32", "tf32", *REDUCED)
WARM_UP_CALLS = 3  # before a CUDA graph is captured: libraries choose algorithms and allocate at their first calls

_parallel_in: list[int] = []  # id of the process in which an engine first used several threads


def open_engine(file: ModelFile, setup: EngineSetup, graph: Graph | None = None) -> "TorchEngine":
    """Make an engine for the graph of a checkpoint; raise UsageError if there is none, or for what torch cannot do."""
    setup.refuse_op_library("torch")
    if graph is None:
        raise UsageError(
            f"--engine torch runs checkpoints, and {file.path.name} is ONNX: onnxruntime or openvino run it"
        )
    return TorchEngine(
        graph,
        threads=setup.threads,
        device=setup.device,
        precision=setup.precision or "fp32",
        compiled=setup.compiled,
    )


class TorchEngine:
    """Runs the graph of a network: a copy of the module that an export traces.

    device     "cpu", "cuda", "cuda:1" ...
    precision  "fp32"; "tf32" on a GPU; "bf16" or "fp16" by autocast, which keeps sums and exponentials in fp32; "fp64" as a
               reference
    threads    of one call on the CPU; PyTorch applies this setting to the whole process
    compiled   use torch.compile; the first call for each shape then takes minutes
    On a GPU the first call for each shape captures one CUDA graph.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        threads: int = 1,
        compiled: bool = False,
    ) -> None:
        if precision not in PRECISIONS:
            raise UsageError(f"--precision {precision} with torch; accepted: {', '.join(PRECISIONS)}")
        place = Device.named(device)
        if place is None or str(place) not in _devices():
            raise UsageError(f"--device {device} with torch; this machine has: {', '.join(_devices())}")
        module, manifest = graph
        if module.training:
            raise ModelRefused("a network in training mode: call .eval() before running it")
        if place == CPU:
            if precision == "tf32":
                raise UsageError("--precision tf32 is arithmetic of NVIDIA GPUs; add --device cuda, or leave it out")
            _set_threads(threads)
        else:
            choose_tf32(precision == "tf32")
        self.device = place
        self._tf32 = precision == "tf32"
        self._place = torch.device(str(place))
        self._dtype = torch.float64 if precision == "fp64" else torch.float32
        self._reduced = REDUCED.get(precision)
        placed = copy.deepcopy(module).to(self._place, self._dtype)
        if precision == "fp64":
            _widen_inputs(placed)
        self._module = torch.compile(placed) if compiled else placed
        self._inputs = *manifest.inputs, *(tensor.input for tensor in manifest.state)
        self._outputs = *manifest.outputs, *manifest.state_outputs
        self._graphs: dict[tuple[Any, ...], _Graph] = {}
        self._lock = threading.Lock()
        # A CUDA graph has one set of buffers, and norms that share statistics hold those of the call that runs.
        self._one_call = place != CPU or manifest.shares_statistics
        self._ended: Any = None  # on a GPU: event of the last call, whose buffers the next one reuses
        self._pid = os.getpid()
        self.description = f"torch {precision} {device}{' compiled' if compiled else ''}"

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:
        """Call the network once; copy the results that `out` and `out_state` name into their arrays."""
        check_process(self._pid, self.description)
        with self._lock if self._one_call else nullcontext(), self._on_current_stream():
            made = self._call({**inputs, **state})
            for name, place in (*out.items(), *out_state.items()):
                if isinstance(place, np.ndarray):
                    np.copyto(place, made[name].cpu().numpy().reshape(place.shape))
                else:
                    from_dlpack(place).copy_(made[name].view(place.shape))
            if self.device != CPU:
                self._ended = torch.cuda.current_stream(self._place).record_event()

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """Run the network once and return the shapes of its outputs; raise ModelRefused if it cannot run on the inputs."""
        try:
            with self._lock, self._on_current_stream():
                return {name: tuple(tensor.shape) for name, tensor in self._call({**inputs, **state}).items()}
        except RuntimeError as error:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise ModelRefused(f"torch cannot run this network on {shapes}: {first_line(error)}") from error

    def _on_current_stream(self) -> AbstractContextManager[Any]:
        """Let torch use CuPy's current stream; torch's own where CuPy is not in use."""
        if self.device == CPU or "cupy" not in sys.modules:
            return nullcontext()
        stream = self.device.cupy().cuda.get_current_stream()
        return torch.cuda.stream(torch.cuda.ExternalStream(stream.ptr, device=self._place))

    def _call(self, arrays: Tensors) -> dict[str, Tensor]:
        """Return all outputs by name, on the engine's device; on a GPU the next call overwrites them."""
        given = [_tensor(arrays[name]) for name in self._inputs]
        if self.device == CPU:
            made = self._forward(given)
        else:
            if self._ended is not None:
                torch.cuda.current_stream(self._place).wait_event(self._ended)
            key = tuple((tensor.shape, tensor.dtype) for tensor in given)
            if key not in self._graphs:
                self._graphs[key] = _Graph(self, given)
            made = self._graphs[key].replay(given)
        return dict(zip(self._outputs, made, strict=True))

    @torch.inference_mode()
    def _forward(self, given: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run the module on tensors of its device; return the results in the engine's own precision."""
        given = [tensor.to(self._dtype) if tensor.is_floating_point() else tensor for tensor in given]
        arithmetic = torch.autocast(self._place.type, self._reduced) if self._reduced else nullcontext()
        with arithmetic, _tf32(self._tf32) if self.device != CPU else nullcontext():
            made = self._module(*given)
        tensors = (made,) if isinstance(made, Tensor) else tuple(made)
        return tuple(tensor.to(self._dtype) if tensor.is_floating_point() else tensor for tensor in tensors)


def _tensor(array: Array) -> Tensor:
    """Return a tensor that shares the array's memory; a copy if the array is read-only or not contiguous."""
    if isinstance(array, np.ndarray):
        return torch.from_numpy(np.require(array, requirements=["C", "W"]))
    return from_dlpack(array)


def _set_threads(threads: int) -> None:
    """Set the threads of one call; raise RotoscopeError in a forked process where several would hang.

    PyTorch's thread pool is not copied by a fork, and a child that uses more than one thread waits for it without end.
    """
    if threads > 1:
        if _parallel_in and _parallel_in[0] != os.getpid():
            raise RotoscopeError(
                f"torch with {threads} threads hangs in a forked process whose parent used several; accepted: threads=1, or "
                "processes that start with the spawn method"
            )
        _parallel_in[:] = [os.getpid()]
    torch.set_num_threads(threads)


def _widen_inputs(module: nn.Module) -> None:
    """Convert float32 inputs of every layer with weights to float64: some networks make float32 tensors inside."""

    def widened(_layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x.double() if isinstance(x, Tensor) and x.is_floating_point() else x for x in given)

    for layer in module.modules():
        if next(layer.parameters(recurse=False), None) is not None:
            layer.register_forward_pre_hook(widened)


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Let convolutions and products of fp32 on a GPU use TF32 inside, or not; both settings are of the whole process."""
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, cublas.allow_tf32
    cudnn.allow_tf32 = cublas.allow_tf32 = allowed
    try:
        yield
    finally:
        cudnn.allow_tf32, cublas.allow_tf32 = before


class _Graph:
    """One captured call for one set of shapes: copy the inputs in, replay, read the outputs."""

    def __init__(self, engine: TorchEngine, given: Sequence[Tensor]) -> None:
        self._inputs = [tensor.to(engine._place, copy=True) for tensor in given]
        stream = torch.cuda.Stream(engine._place)
        stream.wait_stream(torch.cuda.current_stream(engine._place))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_CALLS):
                engine._forward(self._inputs)
        torch.cuda.current_stream(engine._place).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may allocate on the GPU during the capture.
        with CAPTURE_LOCK, torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._made = engine._forward(self._inputs)

    def replay(self, given: Sequence[Tensor]) -> tuple[Tensor, ...]:
        for place, tensor in zip(self._inputs, given, strict=True):
            place.copy_(tensor)
        self._graph.replay()
        return self._made


def _devices() -> list[str]:
    """Return the names of the devices that torch can use here."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return ["cpu", *(f"cuda:{index}" for index in range(count))]
