"""PyTorch as an engine: a network straight from its checkpoint, eager or compiled, on the CPU or one GPU."""

import copy
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn

from rotoscope.base.engine import Held, State, Tensors
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.export.graph import Graph

REDUCED = {"fp16": torch.float16, "bf16": torch.bfloat16}
PRECISIONS = ("fp64", "fp32", *REDUCED)
WARM_UP_CALLS = 3  # before a CUDA graph is captured: libraries choose algorithms and allocate at their first calls


class DeviceTensor:
    """A state tensor as torch has it; on the CPU it shares the memory of the array that it began as."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.shape = tuple(tensor.shape)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.generic]:
        return np.array(self.tensor.cpu().numpy(), dtype, copy=copy)


class TorchEngine:
    """Runs the graph of a network, the very module that an export traces.

    precision  fp32; bf16 or fp16 by autocast, which keeps sums and exponentials in fp32; fp64 as a reference
    threads    of one call on the CPU; this is a setting of the whole process, as PyTorch has it
    compiled   through torch.compile; the first call for each shape then takes minutes
    On a GPU every shape is captured as one CUDA graph at its first call. The module itself is left as it is.
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
        if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
            raise UsageError(f"--device {device} with torch; this machine has: cpu{_gpus()}")
        module, manifest = graph
        if module.training:
            raise ModelRefused("a network in training mode: call .eval() before running it")
        if device == "cpu":
            torch.set_num_threads(threads)
        self._device = torch.device(device)
        self._dtype = torch.float64 if precision == "fp64" else torch.float32
        self._reduced = REDUCED.get(precision)
        placed = copy.deepcopy(module).to(self._device, self._dtype)
        if precision == "fp64":
            _widen_inputs(placed)
        self._module = torch.compile(placed) if compiled else placed
        self._inputs = *manifest.inputs, *(tensor.input for tensor in manifest.state)
        self._outputs = *manifest.outputs, *manifest.state_outputs
        self._graphs: dict[tuple[Any, ...], _Graph] = {}
        self._lock = threading.Lock()
        # A CUDA graph has one set of buffers, and norms that share statistics hold those of the call that runs.
        self._one_call = self._device.type == "cuda" or manifest.shares_statistics
        self.description = f"torch {precision} {device}{' compiled' if compiled else ''}"

    def held(self, array: NDArray[np.generic]) -> DeviceTensor:
        """The array on the engine's device; calls then read and write it there."""
        return DeviceTensor(torch.from_numpy(array).to(self._device))

    def run(self, inputs: Tensors, state: State, out: Tensors, out_state: State) -> None:
        """One call; results are copied into the arrays and tensors given, which may be any of the outputs."""
        with self._lock if self._one_call else nullcontext():
            made = self._call({**inputs, **state})
            for name, place in (*out.items(), *out_state.items()):
                if isinstance(place, DeviceTensor):
                    place.tensor.copy_(made[name].view_as(place.tensor))
                else:
                    np.copyto(np.asarray(place), made[name].cpu().numpy().reshape(place.shape))

    def output_shapes(self, inputs: Tensors, state: Tensors) -> dict[str, tuple[int, ...]]:
        """Shapes as the module produces them."""
        try:
            with self._lock:
                return {name: tuple(tensor.shape) for name, tensor in self._call({**inputs, **state}).items()}
        except RuntimeError as error:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            reason = str(error).strip().splitlines()[0][:200]
            raise ModelRefused(f"torch cannot run this network on {shapes}: {reason}") from error

    def _call(self, arrays: State) -> dict[str, Tensor]:
        """All outputs by name, on the engine's device; on a GPU they are the graph's own, good until its next call."""
        given = [_tensor(arrays[name]) for name in self._inputs]
        if self._device.type == "cpu":
            made = self._forward(given)
        else:
            key = tuple((tensor.shape, tensor.dtype) for tensor in given)
            if key not in self._graphs:
                self._graphs[key] = _Graph(self, given)
            made = self._graphs[key].replay(given)
        return dict(zip(self._outputs, made, strict=True))

    @torch.inference_mode()
    def _forward(self, given: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The module on tensors of its device, results in its own precision again."""
        given = [tensor.to(self._dtype) if tensor.is_floating_point() else tensor for tensor in given]
        arithmetic = torch.autocast(self._device.type, self._reduced) if self._reduced else nullcontext()
        with arithmetic:
            made = self._module(*given)
        tensors = (made,) if isinstance(made, Tensor) else tuple(made)
        return tuple(tensor.to(self._dtype) if tensor.is_floating_point() else tensor for tensor in tensors)


def _tensor(held: Held) -> Tensor:
    """What a call is given, as a tensor that shares its memory."""
    if isinstance(held, DeviceTensor):
        return held.tensor
    return torch.from_numpy(np.require(np.asarray(held), requirements=["C", "W"]))


def _widen_inputs(module: nn.Module) -> None:
    """Let every layer with weights take float32, which some networks make inside, as float64."""

    def widened(_layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x.double() if isinstance(x, Tensor) and x.is_floating_point() else x for x in given)

    for layer in module.modules():
        if next(layer.parameters(recurse=False), None) is not None:
            layer.register_forward_pre_hook(widened)


class _Graph:
    """One captured call for one set of shapes: copy in, replay, read out."""

    def __init__(self, engine: TorchEngine, given: Sequence[Tensor]) -> None:
        self._inputs = [tensor.to(engine._device) for tensor in given]
        stream = torch.cuda.Stream(engine._device)
        stream.wait_stream(torch.cuda.current_stream(engine._device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_CALLS):
                engine._forward(self._inputs)
        torch.cuda.current_stream(engine._device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._made = engine._forward(self._inputs)

    def replay(self, given: Sequence[Tensor]) -> tuple[Tensor, ...]:
        for place, tensor in zip(self._inputs, given, strict=True):
            place.copy_(tensor)
        self._graph.replay()
        return self._made


def _gpus() -> str:
    return "".join(f", cuda:{index}" for index in range(torch.cuda.device_count())) if torch.cuda.is_available() else ""
