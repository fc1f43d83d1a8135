"""ONNX Runtime: the default engine, fp32 on the CPU; other execution providers are the same class with other options."""

import logging
import threading
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import DTypeLike, NDArray

from rotoscope.base.engine import State, Tensors
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.runtime.models.cache import cache_folder

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
_EXTRAS = {"cpu": "cpu", "cuda": "cuda", "tensorrt": "cuda,tensorrt"}


class DeviceTensor:
    """A state tensor in the memory of an execution provider; on the CPU it shares the memory of the array that it began as."""

    def __init__(self, array: NDArray[np.generic], device: str) -> None:
        self.value = onnxruntime.OrtValue.ortvalue_from_numpy(array, device, 0)
        self.shape: tuple[int, ...] = array.shape

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.generic]:
        return np.array(self.value.numpy(), dtype, copy=copy)


class OnnxRuntimeEngine:
    """A session of ONNX Runtime.

    threads     for one call; with 1 every caller's own thread does the work
    precision   of the file's weights, for the description: ONNX Runtime runs a file as it is
    op_library  shared library with operators of the model's own; it is a program, and loading it runs it
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
        if device not in _PROVIDERS:
            raise UsageError(f"--device {device} with onnxruntime; accepted: {', '.join(_PROVIDERS)}")
        provider = _PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise UsageError(f'this onnxruntime has no {provider}; {device} needs: pip install ".[{_EXTRAS[device]}]"')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take the cores from decoder, kernels and encoder.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if op_library is not None:
            _load_operators(options, Path(op_library), model)
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=_with_settings(provider))
        except Exception as error:  # ONNX Runtime raises its own, undocumented kinds
            raise ModelRefused(f"{model}: ONNX Runtime refuses it: {_first_line(error)}") from error
        if self._session.get_providers()[0] != provider:
            raise ModelRefused(f"{model}: {provider} did not start; ONNX Runtime would run on the CPU instead")
        self._memory = "cpu" if device == "cpu" else "cuda"
        library = "" if op_library is None else f" with {Path(op_library).name}"
        self.description = f"onnxruntime {precision} {device}{library}"

    def held(self, array: NDArray[np.generic]) -> DeviceTensor:
        """The array in the provider's memory; calls then read and write it there."""
        return DeviceTensor(array, self._memory)

    def run(self, inputs: Tensors, state: State, out: Tensors, out_state: State) -> None:
        """One call; results are written into the arrays and tensors given, without a copy on the CPU."""
        binding = self._session.io_binding()
        for name, given in (*inputs.items(), *state.items()):
            if isinstance(given, DeviceTensor):
                binding.bind_ortvalue_input(name, given.value)
            else:
                binding.bind_cpu_input(name, np.asarray(given))
        for name, place in (*out.items(), *out_state.items()):
            if isinstance(place, DeviceTensor):
                binding.bind_ortvalue_output(name, place.value)
            else:
                array = np.asarray(place)
                binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._session.run_with_iobinding(binding)

    def ends_within(self, tensors: Tensors, seconds: float) -> bool:
        """Whether one call on these inputs ends, well or not, in so many seconds; it is stopped after them."""
        options = onnxruntime.RunOptions()
        timer = threading.Timer(seconds, setattr, (options, "terminate", True))
        timer.start()
        try:
            self._session.run(None, dict(tensors), options)
        except Exception:  # stopped, or an error that a real call will raise again
            return not options.terminate
        finally:
            timer.cancel()
        return True

    def output_shapes(self, inputs: Tensors, state: Tensors) -> dict[str, tuple[int, ...]]:
        """Shapes as the graph produces them."""
        names = [value.name for value in self._session.get_outputs()]
        try:
            results = self._session.run(names, {**inputs, **state})
        except Exception as error:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise ModelRefused(f"ONNX Runtime cannot run this model on {shapes}: {_first_line(error)}") from error
        return {name: np.shape(result) for name, result in zip(names, results, strict=True)}


def _load_operators(options: onnxruntime.SessionOptions, library: Path, model: Path) -> None:
    """Let a session find operators in a library, with a warning; raises UsageError if it is none."""
    if not library.is_file():
        raise UsageError(f"--op-library {library}: no such file, or not a regular one; accepted: a shared library")
    logging.getLogger("rotoscope").warning(
        "%s: operators come from %s, a program that runs with your rights", model, library
    )
    try:
        # The whole path, as the system looks for a bare name in folders of its own.
        options.register_custom_ops_library(str(library.resolve()))
    except Exception as error:
        reason = str(error).rpartition(" with error: ")[2].splitlines()[0]
        raise UsageError(f"--op-library {library}: ONNX Runtime cannot load it: {reason}") from error


def _with_settings(provider: str) -> list[str | tuple[str, dict[str, str]]]:
    """TensorRT's provider keeps what it builds in the user's own cache, and hands what it cannot build to CUDA.

    Written against the documentation of ONNX Runtime and not run: no machine of the tests has an NVIDIA GPU.
    """
    if provider != _PROVIDERS["tensorrt"]:
        return [provider]
    folder = str(cache_folder())
    settings = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder, "trt_timing_cache_enable": "1"}
    return [(provider, settings), _PROVIDERS["cuda"]]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
