"""TensorRT: the names that Rotoscope uses, with ONNX Runtime's CPU provider behind them.

A "plan" is a header with the profiles and flags of its build, and the ONNX file. `tensorrt_names.txt` lists every name that
stands here; it was checked against the bindings of TensorRT 10.16.1.11.
"""

import enum
import json
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime

from simulated_gpu.gpu import gpu
from simulated_gpu.streams import queue_at

VERSION = "10.16.1.11"
MAGIC = b"simulated TensorRT plan\n"
Shape = tuple[int, ...]


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class DataType(enum.Enum):
    FLOAT, HALF, INT8, INT32, BOOL, UINT8, INT64 = "float32", "float16", "int8", "int32", "bool", "uint8", "int64"


class BuilderFlag(enum.IntEnum):
    FP16, TF32 = 0, 7


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class Logger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self, min_severity: int = WARNING) -> None:
        self.min_severity = min_severity


class IProgressMonitor:
    """Is told of the progress of a build."""

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None: ...
    def step_complete(self, phase_name: str, step: int) -> bool: ...
    def phase_finish(self, phase_name: str) -> None: ...


class ITimingCache:
    def __init__(self, timings: bytes) -> None:
        self._timings = timings or b"simulated timings"

    def serialize(self) -> bytes:
        return self._timings


class IBuilderConfig:
    """The settings of a build. TF32 is on unless it is cleared, as in TensorRT."""

    def __init__(self) -> None:
        self.profiles: list[IOptimizationProfile] = []
        self.flags = {BuilderFlag.TF32}
        self.max_aux_streams = 7
        self.progress_monitor: IProgressMonitor | None = None
        self._cache: ITimingCache | None = None

    def add_optimization_profile(self, profile: "IOptimizationProfile") -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag)

    def get_flag(self, flag: BuilderFlag) -> bool:
        return flag in self.flags

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        self._cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._cache


class IOptimizationProfile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[Shape, Shape, Shape]] = {}

    def set_shape(self, input: str, min: Shape, opt: Shape, max: Shape) -> None:
        self.shapes[input] = (tuple(min), tuple(opt), tuple(max))

    def get_shape(self, input: str) -> list[Shape]:
        return list(self.shapes[input])


class INetworkDefinition:
    _model: bytes = b""


class Builder:
    def __init__(self, logger: Logger) -> None:
        self.logger = logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> bytes | None:
        """Return the plan; None if a profile does not hold its own usual size."""
        monitor = config.progress_monitor
        if monitor is not None:
            monitor.phase_start("Building", None, 1)
            monitor.step_complete("Building", 0)
            monitor.phase_finish("Building")
        for profile in config.profiles:
            for least, usual, most in profile.shapes.values():
                if not _within(usual, least, most):
                    return None
        header = {
            "profiles": [profile.shapes for profile in config.profiles],
            "flags": [flag.name for flag in config.flags],
            "max_aux_streams": config.max_aux_streams,
        }
        return MAGIC + json.dumps(header).encode() + b"\n" + network._model


class ParserError:
    def __init__(self, text: str) -> None:
        self._text = text

    def desc(self) -> str:
        return self._text


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: Logger) -> None:
        self._network = network
        self._errors: list[ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def parse_from_file(self, model: str) -> bool:
        try:
            self._network._model = Path(model).read_bytes()
            _session(self._network._model)
        except Exception as error:  # ONNX Runtime raises undocumented types
            self._errors.append(ParserError(str(error)))
        return not self._errors


class Runtime:
    engine_host_code_allowed = False

    def __init__(self, logger: Logger) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> "ICudaEngine | None":
        if not bytes(serialized_engine).startswith(MAGIC):
            return None
        header, _, model = bytes(serialized_engine)[len(MAGIC) :].partition(b"\n")
        return ICudaEngine(json.loads(header), model)


class ICudaEngine:
    def __init__(self, header: dict[str, Any], model: bytes) -> None:
        self.header, self.session = header, _session(model)
        self._values = {value.name: value for value in (*self.session.get_inputs(), *self.session.get_outputs())}
        self._inputs = {value.name for value in self.session.get_inputs()}

    @property
    def num_io_tensors(self) -> int:
        return len(self._values)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.header["profiles"])

    def get_tensor_name(self, index: int) -> str:
        return list(self._values)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        kind = self._values[name].type.removeprefix("tensor(").removesuffix(")")
        return DataType({"float": "float32", "double": "float64"}.get(kind, kind))

    def get_tensor_shape(self, name: str) -> Shape:
        return tuple(side if isinstance(side, int) else -1 for side in self._values[name].shape)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Shape]:
        return [tuple(shape) for shape in self.header["profiles"][profile_index][name]]

    def create_execution_context(self) -> "IExecutionContext":
        return IExecutionContext(self)


class IExecutionContext:
    """Shapes and addresses of one call at a time. The first call after a change of shapes cannot be captured."""

    def __init__(self, engine: ICudaEngine) -> None:
        self.engine = engine
        self._shapes: dict[str, Shape] = {}
        self._addresses: dict[str, int] = {}
        self._made: dict[tuple[Any, ...], dict[str, Shape]] = {}
        self._ran_with: dict[str, Shape] | None = None

    def set_input_shape(self, name: str, shape: Shape) -> bool:
        least, _, most = self.engine.get_tensor_profile_shape(name, 0)
        if not _within(tuple(shape), least, most):
            return False
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> Shape:
        if self.engine.get_tensor_mode(name) is TensorIOMode.INPUT:
            return self._shapes.get(name, self.engine.get_tensor_shape(name))
        return self._output_shapes()[name]

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if not gpu.memory.holds(int(memory)):
            return False
        self._addresses[name] = int(memory)
        return True

    def get_tensor_address(self, name: str) -> int:
        return self._addresses.get(name, 0)

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Enqueue a call; False if an address is missing, or in a capture before a first call with these shapes."""
        engine, queue = self.engine, queue_at(stream_handle)
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        if any(name not in self._addresses for name in names):
            return False
        if queue.capture is not None and self._ran_with != self._shapes:
            queue.capture.error = "cudaErrorStreamCaptureUnsupported: TensorRT's first call after a change of shapes"
            return False
        self._ran_with = dict(self._shapes)
        places = [
            (name, nptype(engine.get_tensor_dtype(name)), self.get_tensor_shape(name), self._addresses[name])
            for name in names
        ]
        gpu.counters.network_calls += 1
        gpu.submit(queue, "TensorRT", _call(engine, places))
        return True

    def _output_shapes(self) -> dict[str, Shape]:
        inputs = {name: self.get_tensor_shape(name) for name in self.engine._inputs}
        key = tuple(sorted(inputs.items()))
        if key not in self._made:
            feeds = {
                name: np.zeros(shape, nptype(self.engine.get_tensor_dtype(name))) for name, shape in inputs.items()
            }
            names = [value.name for value in self.engine.session.get_outputs()]
            made = self.engine.session.run(names, feeds)
            self._made[key] = {name: array.shape for name, array in zip(names, made, strict=True)}
        return self._made[key]


def nptype(trt_type: DataType) -> Any:
    """Return the NumPy type of a TensorRT type."""
    return np.dtype(trt_type.value).type


def _call(engine: ICudaEngine, places: list[tuple[str, Any, Shape, int]]) -> Callable[[], None]:
    def run() -> None:
        binding = engine.session.io_binding()
        for name, dtype, shape, address in places:
            is_input = engine.get_tensor_mode(name) is TensorIOMode.INPUT
            (binding.bind_input if is_input else binding.bind_output)(name, "cpu", 0, dtype, shape, address)
        engine.session.run_with_iobinding(binding)

    return run


def _session(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return _really_open(model, options, providers=["CPUExecutionProvider"])


_really_open = onnxruntime.InferenceSession


def _within(shape: Shape, least: Shape, most: Shape) -> bool:
    return len(shape) == len(least) and all(
        low <= side <= high for side, low, high in zip(shape, least, most, strict=True)
    )


PUBLIC = (
    Builder, BuilderFlag, DataType, IBuilderConfig, ICudaEngine, IExecutionContext, INetworkDefinition, IOptimizationProfile,
    ParserError, IProgressMonitor, ITimingCache, Logger, NetworkDefinitionCreationFlag, OnnxParser, Runtime, TensorIOMode,
)  # fmt: skip


def module() -> ModuleType:
    """Return the module `tensorrt`."""
    made = ModuleType("tensorrt", "A stand-in for TensorRT.")
    made.__spec__ = ModuleSpec("tensorrt", None)  # so that it counts as installed
    made.__dict__.update({kind.__name__: kind for kind in PUBLIC}, nptype=nptype, __version__=VERSION)
    return made
