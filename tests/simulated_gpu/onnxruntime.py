"""ONNX Runtime's CUDA provider: sessions that take device addresses and enqueue a run of the CPU provider on a stream.

The real CPU provider computes, on the memory of the device, when the device comes to it. With `enable_cuda_graph` a run is
captured at the third call and replayed with the addresses of that call, as the real provider does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import onnxruntime

from simulated_gpu.gpu import CUDARuntimeError, Queue, gpu
from simulated_gpu.streams import queue_at

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
CALLS_BEFORE_A_GRAPH = 2
_really_open = onnxruntime.InferenceSession

# (name, device type, dtype, shape, address, what keeps host memory alive)
Place = tuple[str, str, Any, tuple[int, ...], int, Any]


class Binding:
    """Where inputs and outputs lie."""

    def __init__(self) -> None:
        self.inputs: dict[str, Place] = {}
        self.outputs: dict[str, Place] = {}

    def bind_cpu_input(self, name: str, array: np.ndarray) -> None:
        """Bind a host array: it is copied to the device now."""
        host = np.ascontiguousarray(array).copy()
        self.inputs[name] = (name, "cpu", host.dtype, host.shape, host.ctypes.data, host)

    def bind_input(
        self, name: str, device_type: str, device_id: int, element_type: Any, shape: Any, buffer_ptr: int
    ) -> None:
        """Bind memory by its address."""
        self.inputs[name] = _place(name, device_type, device_id, element_type, shape, buffer_ptr)

    def bind_output(
        self,
        name: str,
        device_type: str = "cpu",
        device_id: int = 0,
        element_type: Any = None,
        shape: Any = None,
        buffer_ptr: int | None = None,
    ) -> None:
        """Bind memory by its address; memory that ONNX Runtime allocates itself is not simulated."""
        assert buffer_ptr is not None, (
            f"{name}: bind an address; an output that ONNX Runtime allocates is not simulated"
        )
        self.outputs[name] = _place(name, device_type, device_id, element_type, shape, buffer_ptr)

    @property
    def on_host(self) -> list[Place]:
        """Those places that are not on the device."""
        return [place for place in (*self.inputs.values(), *self.outputs.values()) if place[1] == "cpu"]


class CudaSession:
    """A session with the CUDA or the TensorRT provider."""

    def __init__(self, model: Any, options: Any, providers: list[str], settings: dict[str, Any]) -> None:
        self._real = _really_open(model, options, providers=["CPUExecutionProvider"])
        self._providers, self._settings = providers, settings
        stream = int(settings.get("user_compute_stream", 0))
        self._queue: Queue = queue_at(stream) if stream else gpu.new_queue(blocking=False)
        self._graphs: dict[str, list[Binding]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)  # names and types of inputs and outputs, metadata

    def get_providers(self) -> list[str]:
        """Return the providers, the first one first."""
        return [*self._providers, "CPUExecutionProvider"]

    def io_binding(self) -> Binding:
        """Make an empty binding."""
        return Binding()

    def run_with_iobinding(self, binding: Binding, run_options: Any = None) -> None:
        """Enqueue a run; wait for it unless the run option says not to, and always with host memory."""
        if self._queue.capture is not None:
            self._queue.capture.error = (
                "cudaErrorStreamCaptureUnsupported: ONNX Runtime in a capture of another library"
            )
            raise CUDARuntimeError(self._queue.capture.error)
        binding = self._captured(binding, _entry(run_options, "gpu_graph_id", "1"))
        gpu.counters.network_calls += 1
        _count_host_copies(binding)
        gpu.submit(self._queue, "ONNX Runtime", lambda: self._run(binding))
        if _entry(run_options, "disable_synchronize_execution_providers", "0") != "1" or binding.on_host:
            gpu.wait_until(lambda: not self._queue.items, "the end of Run of ONNX Runtime")

    def run(self, names: Any, feeds: dict[str, np.ndarray], run_options: Any = None) -> Any:
        """Run on host arrays: copied, run and waited for."""
        gpu.counters.network_calls += 1
        made = self._real.run(names, feeds, run_options)
        for array in feeds.values():
            gpu.counters.uploads += 1
            gpu.counters.uploaded_bytes += np.asarray(array).nbytes
        for array in made:
            gpu.counters.downloads += 1
            gpu.counters.downloaded_bytes += array.nbytes
        gpu.counters.pageable_copies += len(feeds) + len(made)
        gpu.wait_until(lambda: not self._queue.items, "Run of ONNX Runtime on host arrays")
        return made

    def _captured(self, binding: Binding, graph: str) -> Binding:
        """Return the binding whose addresses a run uses: with a graph those of its capture."""
        if str(self._settings.get("enable_cuda_graph", "0")) != "1" or graph == "-1":
            return binding
        if binding.on_host:
            raise RuntimeError("with enable_cuda_graph all inputs and outputs must be bound on the device")
        calls = self._graphs.setdefault(graph, [])
        if len(calls) <= CALLS_BEFORE_A_GRAPH:
            if len(calls) == CALLS_BEFORE_A_GRAPH:
                gpu.refuse_in_capture("a capture of ONNX Runtime (mode global)")
                gpu.counters.captures += 1
            calls.append(binding)
            return binding
        gpu.counters.graph_launches += 1
        return calls[-1]

    def _run(self, binding: Binding) -> None:
        real = self._real.io_binding()
        for name, _, dtype, shape, address, _ in binding.inputs.values():
            real.bind_input(name, "cpu", 0, dtype, shape, address)
        for name, _, dtype, shape, address, _ in binding.outputs.values():
            real.bind_output(name, "cpu", 0, dtype, shape, address)
        self._real.run_with_iobinding(real)


def open_session(
    path_or_bytes: Any, sess_options: Any = None, providers: Any = None, provider_options: Any = None, **kwargs: Any
) -> Any:
    """Stand for `onnxruntime.InferenceSession`: a CudaSession if a provider for NVIDIA comes first, else a real one."""
    pairs = [item if isinstance(item, tuple) else (item, {}) for item in providers or ()]
    if provider_options:
        pairs = [(name, options) for (name, _), options in zip(pairs, provider_options, strict=True)]
    if not pairs or pairs[0][0] not in (CUDA, TENSORRT):
        return _really_open(path_or_bytes, sess_options, providers, provider_options, **kwargs)
    settings = pairs[0][1]
    if int(settings.get("device_id", 0)) != 0:
        raise RuntimeError(f"CUDA failure 101: invalid device ordinal ({settings['device_id']})")
    return CudaSession(path_or_bytes, sess_options, [name for name, _ in pairs if name in (CUDA, TENSORRT)], settings)


@contextmanager
def installed() -> Iterator[None]:
    """Give the installed ONNX Runtime providers for NVIDIA that work on the simulated device."""
    names = [TENSORRT, CUDA, *onnxruntime.get_available_providers()]
    with (
        mock.patch.object(onnxruntime, "InferenceSession", open_session),
        mock.patch.object(onnxruntime, "get_available_providers", lambda: list(names)),
        mock.patch.object(onnxruntime, "preload_dlls", lambda *_, **__: None, create=True),
    ):
        yield


def _place(name: str, device_type: str, device_id: int, element_type: Any, shape: Any, address: int) -> Place:
    on_device = gpu.memory.holds(address)
    if device_id != 0 or on_device != (device_type == "cuda"):
        raise RuntimeError(
            f"{name}: {address:#x} is {'' if on_device else 'not '}on the device, bound as {device_type}"
        )
    return name, device_type, element_type, tuple(shape), address, None


def _entry(run_options: Any, key: str, default: str) -> str:
    try:
        return default if run_options is None else str(run_options.get_run_config_entry(key))
    except RuntimeError:  # the option is not set
        return default


def _count_host_copies(binding: Binding) -> None:
    for places, is_upload in ((binding.inputs, True), (binding.outputs, False)):
        for _, kind, dtype, shape, _, _ in places.values():
            if kind == "cpu":
                size = int(np.prod(shape)) * np.dtype(dtype).itemsize
                gpu.counters.uploads += is_upload
                gpu.counters.uploaded_bytes += size * is_upload
                gpu.counters.downloads += not is_upload
                gpu.counters.downloaded_bytes += size * (not is_upload)
                gpu.counters.pageable_copies += 1
