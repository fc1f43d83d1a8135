"""ONNX Runtime: the default engine, fp32 on the CPU. Its CUDA and TensorRT providers are the same class with other settings.

The providers for NVIDIA GPUs are written against ONNX Runtime 1.31 and CuPy 14 and not run by the tests: their machine has
no GPU.
"""

import ctypes
import logging
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from rotoscope.base.cache import cache_folder
from rotoscope.base.device import CPU, FIRST_GPU, Array, Device
from rotoscope.base.engine import EngineSetup, Shapes, Tensors, check_process, first_line
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.telemetry import without_telemetry
from rotoscope.base.tf32 import choose_tf32
from rotoscope.runtime.models.gate import check_it_ends
from rotoscope.runtime.models.model_file import ModelFile

with without_telemetry():
    import onnxruntime

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
_EXTRAS = {"cpu": "cpu", "cuda": "cuda", "tensorrt": "cuda,tensorrt"}


def open_engine(file: ModelFile, setup: EngineSetup, _graph: object = None) -> "OnnxRuntimeEngine":
    """Make an engine for an ONNX file; raise UsageError for what ONNX Runtime cannot do, ModelRefused for a bad file."""
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
        tf32 = precision == "tf32"
        wanted = [provider] if self._stream is None else _gpu_providers(kind, place, self._stream.ptr, tf32=tf32)
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=wanted)
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
        binding = self._session.io_binding()
        for name, array in (*inputs.items(), *state.items()):
            if isinstance(array, np.ndarray):
                binding.bind_cpu_input(name, array)
            else:
                binding.bind_input(name, *_memory(array))
        for name, array in (*out.items(), *out_state.items()):
            binding.bind_output(name, *_memory(array))
        if self._stream is None:
            self._session.run_with_iobinding(binding)
        else:
            arrays = (*inputs.values(), *state.values(), *out.values(), *out_state.values())
            self._run_on_gpu(binding, waits=not all(map(self.device.holds, arrays)))

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
            results = self._session.run(names, given)
        except Exception as error:
            shown = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise ModelRefused(f"ONNX Runtime cannot run this model on {shown}: {first_line(error)}") from error
        return {name: np.shape(result) for name, result in zip(names, results, strict=True)}

    def _run_on_gpu(self, binding: Any, *, waits: bool) -> None:
        """Run on the session's stream, after what is on the caller's stream; later work of the caller waits for it."""
        current = self.device.cupy().cuda.get_current_stream()
        options = onnxruntime.RunOptions()
        if not waits:
            options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._stream.wait_event(current.record())
        self._session.run_with_iobinding(binding, options)
        current.wait_event(self._stream.record())


def _memory(array: Array) -> tuple[str, int, Any, tuple[int, ...], int]:
    """Return where an array lies, as a binding takes it: device, its number, dtype, shape, address."""
    if isinstance(array, np.ndarray):
        return "cpu", 0, array.dtype, array.shape, array.ctypes.data
    return "cuda", array.device.id, array.dtype, array.shape, array.__cuda_array_interface__["data"][0]


def _load_operators(options: Any, library: Path, model: Path) -> None:
    """Let a session find operators in a library, and log a warning; raise UsageError if it cannot be loaded."""
    if not library.is_file():
        raise UsageError(f"--op-library {library}: no such file, or not a regular one; accepted: a shared library")
    logging.getLogger("rotoscope").warning(
        "%s: operators come from %s, a program that runs with your rights", model, library
    )
    try:
        # An absolute path: the system looks for a name without a folder in folders of its own.
        options.register_custom_ops_library(str(library.resolve()))
    except Exception as error:
        reason = (str(error).rpartition(" with error: ")[2].splitlines() or [type(error).__name__])[0]
        raise UsageError(f"--op-library {library}: ONNX Runtime cannot load it: {reason}") from error


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


def _gpu_providers(kind: str, device: Device, stream: int, *, tf32: bool) -> list[tuple[str, dict[str, str]]]:
    """Return the CUDA provider with its settings, behind the TensorRT provider if `kind` is "tensorrt".

    The TensorRT provider keeps what it builds in the user's cache folder and leaves what it cannot build to CUDA.
    """
    place = {"device_id": str(device.index), "user_compute_stream": str(stream)}
    cuda = (_PROVIDERS["cuda"], {**place, "use_tf32": str(int(tf32))})
    if kind == "cuda":
        return [cuda]
    cache = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(cache_folder("engines"))}
    return [(_PROVIDERS["tensorrt"], {**place, **cache, "trt_timing_cache_enable": "1"}), cuda]
