"""ONNX Runtime: the default engine, fp32 on the CPU. Its CUDA and TensorRT providers are the same class with other settings.

The CUDA provider ran on an H200 with ONNX Runtime 1.31; the tests run it on a simulated GPU. The TensorRT provider never ran.
"""

import ctypes
import logging
import os
import threading
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rotoscope.base.cache import cache_folder
from rotoscope.base.device import CPU, FIRST_GPU, Array, Device
from rotoscope.base.engine import EngineSetup, Shapes, Tensors, check_process, first_line
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.gpu_run import CAPTURE_LOCK
from rotoscope.base.telemetry import without_telemetry
from rotoscope.base.tf32 import choose_tf32

if TYPE_CHECKING:
    from rotoscope.runtime.models.model_file import ModelFile

with without_telemetry():
    import onnxruntime

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
NO_GRAPH = -1  # of ONNX Runtime: a run that is neither captured nor replayed
CALLS_WITH_CAPTURE = 3  # the third call of a binding is captured
MOST_BINDINGS = 8
_EXTRAS = {"cpu": "cpu", "cuda": "cuda", "tensorrt": "cuda,tensorrt"}


def open_engine(file: "ModelFile", setup: EngineSetup, _graph: object = None) -> "OnnxRuntimeEngine":
    """Make an engine for an ONNX file; raise UsageError for what ONNX Runtime cannot do, ModelRefused for a bad file."""
    from rotoscope.runtime.models.refuse_unsafe import (
        check_it_ends,
    )  # imports onnx, which a trial process does not need

    setup.refuse_compiled("onnxruntime")
    tf32 = setup.precision == "tf32" and file.precision == "fp32"
    if tf32 and setup.device == "cpu":
        raise UsageError("--precision tf32 is arithmetic of NVIDIA GPUs; add --device cuda, or leave it out")
    if not tf32 and setup.precision not in (None, file.precision):
        raise UsageError(
            f"--precision {setup.precision}: {file.path.name} is {file.precision}, and onnxruntime runs a file as it is"
        )
    engine = OnnxRuntimeEngine(
        file.path,
        threads=setup.threads,
        device=setup.device,
        precision="tf32" if tf32 else file.precision,
        op_library=setup.op_library,
    )
    check_it_ends(file.path, file.manifest, engine.ends_within, has_loop=file.has_loop)
    return engine


def providers() -> list[str]:
    """Return the names of the execution providers that this build of ONNX Runtime has."""
    names: list[str] = onnxruntime.get_available_providers()
    return names


class OnnxRuntimeEngine:
    """One session of ONNX Runtime.

    threads     that one call uses on the CPU; with 1 the calling thread does all the work
    device      "cpu", "cuda", "cuda:1" ..., or "tensorrt": the TensorRT provider on the first GPU
    precision   of the file's weights, for the description: ONNX Runtime runs a file as it is; "tf32" lets fp32 products on a
                GPU compute in TF32
    op_library  path of a shared library with custom operators; it is a program, and loading it runs it
    """

    def __init__(
        self,
        model: Path,
        *,
        threads: int = 1,
        device: str = "cpu",
        precision: str = "fp32",
        op_library: str | None = None,
    ) -> None:
        place = FIRST_GPU if device == "tensorrt" else Device.named(device)
        if place is None:
            raise UsageError(f"--device {device} with onnxruntime; accepted: {', '.join(_PROVIDERS)}, cuda:1 ...")
        kind = "tensorrt" if device == "tensorrt" else place.kind
        provider = _PROVIDERS[kind]
        if provider not in providers():
            raise UsageError(f'this onnxruntime has no {provider}; {device} needs: pip install ".[{_EXTRAS[kind]}]"')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = (
            4  # an error is in the exception; the log holds names of the file, and control characters
        )
        # Spinning threads would take the cores from decoder, kernels and encoder.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if op_library is not None:
            _load_operators(options, Path(op_library), model)
        self.device = place
        if place != CPU:
            choose_tf32(precision == "tf32")
        self._stream: Any = None if place == CPU else _stream(place)
        # Without `use_tf32` the CUDA provider drops every convolution that uses tensor cores, also those of fp16. Its fp32
        # layers stay fp32: `choose_tf32` says so to the libraries themselves.
        tf32 = precision != "fp32"
        self._captures = kind == "cuda"  # CUDA graphs: not for the TensorRT provider, which has its own
        self._bindings: OrderedDict[Any, _Bound] = OrderedDict()
        self._num_graphs_lost = 0

        def session(*, captures: bool) -> Any:
            stream = 0 if self._stream is None else self._stream.ptr
            wanted = [provider] if place == CPU else _gpu_providers(kind, place, stream, tf32=tf32, captures=captures)
            return onnxruntime.InferenceSession(str(model), options, providers=wanted)

        try:
            try:
                self._session = session(captures=self._captures)
            except Exception:  # not all of its operations run on the GPU: no CUDA graph of the whole
                if not self._captures:
                    raise
                self._captures = False
                self._session = session(captures=False)
        except Exception as error:  # ONNX Runtime raises undocumented types
            raise ModelRefused(f"{model}: ONNX Runtime refuses it: {first_line(error)}") from error
        if self._session.get_providers()[0] != provider:
            raise ModelRefused(f"{model}: {provider} did not start: {_missing_library(kind)}")
        self._pid = os.getpid()
        library = "" if op_library is None else f" with {Path(op_library).name}"
        self.description = f"onnxruntime {precision} {device}{library}"

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:
        """Call the network once; results are written into the arrays given, without a copy on the engine's device."""
        check_process(self._pid, self.description)
        given, places = {**inputs, **state}, {**out, **out_state}
        if self._stream is None:
            self._session.run_with_iobinding(self._binding(given, places))
        elif all(map(self.device.holds, (*given.values(), *places.values()))):
            self._enqueue(given, places)
        else:
            self._run_on_gpu(self._binding(given, places), _run_options(graph=NO_GRAPH))

    def ends_within(self, tensors: Tensors, seconds: float) -> bool:
        """Run the network once on these NumPy inputs, at most `seconds`; return whether it ended, well or not."""
        options = onnxruntime.RunOptions()
        options.log_severity_level = 4
        timer = threading.Timer(seconds, setattr, (options, "terminate", True))
        timer.start()
        try:
            self._session.run(None, dict(tensors), options)
        except Exception:  # stopped, or an error that a real call will raise again
            return not options.terminate
        finally:
            timer.cancel()
        return True

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """Run the network once and return the shapes of its outputs; raise ModelRefused if it cannot run on the inputs."""
        names = [value.name for value in self._session.get_outputs()]
        given = {name: self.device.to_host(array) for name, array in (*inputs.items(), *state.items())}
        try:
            results = self._session.run(names, given, None if self.device == CPU else _run_options(graph=NO_GRAPH))
        except Exception as error:
            shown = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise ModelRefused(f"ONNX Runtime cannot run this model on {shown}: {first_line(error)}") from error
        return {name: np.shape(result) for name, result in zip(names, results, strict=True)}

    def _binding(self, given: Tensors, places: Tensors) -> Any:
        """Bind inputs and outputs to their memory."""
        binding = self._session.io_binding()
        for name, array in given.items():
            if isinstance(array, np.ndarray):
                binding.bind_cpu_input(name, array)
            else:
                binding.bind_input(name, *_memory(array))
        for name, array in places.items():
            binding.bind_output(name, *_memory(array))
        return binding

    def _enqueue(self, given: Tensors, places: Tensors) -> None:
        """Enqueue a call on arrays of the GPU; a binding is made once for each set of addresses.

        With CUDA graphs, ONNX Runtime runs the first two calls of a binding as they are, captures the third, and replays it.
        If the capture fails, all calls run without a graph, which is logged once.
        """
        key = tuple((name, array.data.ptr, array.shape) for name, array in (*given.items(), *places.items()))
        bound = self._bindings.get(key)
        if bound is None:
            if len(self._bindings) >= MOST_BINDINGS:
                self._bindings.popitem(last=False)
                self._num_graphs_lost += 1
            graph = len(self._bindings) + self._num_graphs_lost + 1 if self._captures else NO_GRAPH
            bound = self._bindings[key] = _Bound(self._binding(given, places), _run_options(graph=graph, waits=False))
        bound.calls += 1
        may_capture = self._captures and bound.calls <= CALLS_WITH_CAPTURE
        try:
            with CAPTURE_LOCK if may_capture else nullcontext():
                self._run_on_gpu(bound.binding, bound.options)
        except Exception as error:
            if not may_capture:
                raise
            self._captures = False
            self._bindings.clear()
            logging.getLogger("rotoscope").warning(
                "%s: no CUDA graph (%s); calls are launched one by one", self.description, first_line(error)
            )
            self._enqueue(given, places)

    def _run_on_gpu(self, binding: Any, options: Any) -> None:
        """Run on the session's stream, after what is on the caller's stream; later work of the caller waits for it."""
        current = self.device.cupy().cuda.get_current_stream()
        self._stream.wait_event(current.record())
        self._session.run_with_iobinding(binding, options)
        current.wait_event(self._stream.record())


@dataclass
class _Bound:
    """A binding with the options of its runs, and the number of runs so far."""

    binding: Any
    options: Any
    calls: int = 0


def _run_options(*, graph: int, waits: bool = True) -> Any:
    """Return the options of a run on a GPU: the number of its CUDA graph, and whether `run` waits for its end."""
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(graph))
    if not waits:
        options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    return options


def _memory(array: Array) -> tuple[str, int, Any, tuple[int, ...], int]:
    """Return where an array lies, as a binding takes it: device, its number, dtype, shape, address."""
    if isinstance(array, np.ndarray):
        return "cpu", 0, array.dtype, array.shape, array.ctypes.data
    return "cuda", array.device.id, array.dtype, array.shape, array.__cuda_array_interface__["data"][0]


def _load_operators(options: Any, library: Path, model: Path) -> None:
    """Let a session find operators in a library, and log a warning; raise UsageError if it cannot be loaded."""
    if not library.is_file():
        raise UsageError(f"--op-library {library}: no such file, or not a regular one; accepted: a shared library")
    try:
        # An absolute path: the system looks for a name without a folder in folders of its own.
        options.register_custom_ops_library(str(library.resolve()))
    except Exception as error:
        reason = (str(error).rpartition(" with error: ")[2].splitlines() or [type(error).__name__])[0]
        raise UsageError(f"--op-library {library}: ONNX Runtime cannot load it: {reason}") from error
    logging.getLogger("rotoscope").warning(
        "%s: operators come from %s, a program that runs with your rights", model, library
    )


def _missing_library(kind: str) -> str:
    """Return why a provider did not start, as the loader of shared libraries says it."""
    library = Path(onnxruntime.__file__).parent / "capi" / f"libonnxruntime_providers_{kind}.so"
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return f"{first_line(error)}; rotoscope doctor says what is missing"
    return "its libraries are there, but it found no GPU that it can use; rotoscope doctor says more"


def _stream(device: Device) -> Any:
    """Make the stream of a session, and load the CUDA libraries that pip installed."""
    onnxruntime.preload_dlls()
    cupy = device.cupy()
    with cupy.cuda.Device(device.index):
        return cupy.cuda.Stream(non_blocking=True)


def _gpu_providers(
    kind: str, device: Device, stream: int, *, tf32: bool, captures: bool
) -> list[tuple[str, dict[str, str]]]:
    """Return the CUDA provider with its settings, behind the TensorRT provider if `kind` is "tensorrt".

    The TensorRT provider keeps what it builds in the user's cache folder and leaves what it cannot build to CUDA.
    """
    place = {"device_id": str(device.index), "user_compute_stream": str(stream)}
    cuda = (_PROVIDERS["cuda"], {**place, "use_tf32": str(int(tf32)), "enable_cuda_graph": str(int(captures))})
    if kind == "cuda":
        return [cuda]
    cache = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(cache_folder("engines"))}
    return [(_PROVIDERS["tensorrt"], {**place, **cache, "trt_timing_cache_enable": "1"}), cuda]
