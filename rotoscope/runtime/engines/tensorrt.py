"""TensorRT: engines built from ONNX files for one GPU, kept in the user's cache, never taken from anybody else.

Not run by the tests: no machine of theirs has an NVIDIA GPU. They run key, sidecar, lock and refusal with a stand-in for the
library; the names used here are those of the bindings of TensorRT 10.16. Networks are strongly typed: an engine computes in
the precision that its file is written in.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from platformdirs import user_config_path

from rotoscope.base.engine import State, Tensors
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.files import file_digest, part_file
from rotoscope.base.sizes import Size
from rotoscope.runtime.models.cache import cache_folder, cached, key_of
from rotoscope.runtime.models.golden import golden_inputs
from rotoscope.runtime.models.model_file import ModelFile

MOST_SIDE = 1088  # pixels of the largest picture of an engine that was built without a size
USUAL_SIZE = (1280, 720)


def build_engine(
    model: ModelFile,
    *,
    sizes: tuple[Size, Size, Size] | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> Path:
    """The engine file of a model for this GPU, built now if it is not in the cache; minutes.

    sizes  (width, height) of the smallest, the usual and the largest picture; one size three times is the fastest
    on_progress  called with the name of a phase and the share of it that is done
    """
    import tensorrt as trt

    sizes = sizes or default_sizes(model)
    device = device_name()
    key = key_of(model=model.sha256, sizes=sizes, tensorrt=trt.__version__, device=device)

    def make(part: Path) -> None:
        plan = _serialised(model, sizes, on_progress)
        description: dict[str, Any] = {"engine_sha256": hashlib.sha256(plan).hexdigest(), "model_sha256": model.sha256}
        description |= {"device": device, "tensorrt": trt.__version__, "sizes": sizes}
        description["manifest"] = json.loads(model.manifest.model_dump_json())
        content = json.dumps(description, sort_keys=True)
        # Signed before the engine has its name: an engine without a sidecar was put there by somebody else.
        with part_file(engine.with_suffix(".json"), overwrite=True) as sidecar:
            sidecar.write_text(json.dumps({"content": content, "signature": signature(content)}))
        part.write_bytes(plan)

    engine = cache_folder() / f"{key}.engine"
    if engine.exists() and not is_ours(engine):
        logging.getLogger("rotoscope").warning("%s was not built here, or changed since; it is built anew", engine)
        engine.unlink()
    return cached(engine.name, make)


def checked_engine(engine: Path) -> bytes:
    """The bytes of an engine that this user built here, unchanged; anything else is refused before it is deserialised.

    Deserialising an engine runs code that is in it.
    """
    if not is_ours(engine):
        raise ModelRefused(
            f"{engine}: not built here, or changed since; an engine is a program: build it from its .onnx file"
        )
    return engine.read_bytes()


def is_ours(engine: Path) -> bool:
    """Whether the sidecar is signed by this user and speaks of these bytes."""
    try:
        sidecar = json.loads(engine.with_suffix(".json").read_text())
        is_signed = hmac.compare_digest(sidecar["signature"], signature(sidecar["content"]))
        return is_signed and bool(json.loads(sidecar["content"])["engine_sha256"] == file_digest(engine))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def signature(content: str) -> str:
    """HMAC-SHA256 of a sidecar with a key that only this user can read."""
    key = user_config_path("rotoscope", ensure_exists=True) / "engine.key"
    if not key.exists():
        descriptor = os.open(key, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
    return hmac.new(key.read_bytes(), content.encode(), "sha256").hexdigest()


def default_sizes(model: ModelFile) -> tuple[Size, Size, Size]:
    """From the smallest picture that the network takes to full HD, at its best for 720p."""
    frame = model.manifest.frame
    if frame.fixed_size is not None:
        return frame.fixed_size, frame.fixed_size, frame.fixed_size
    least = (frame.minimum, frame.minimum)
    return least, USUAL_SIZE, (1920, MOST_SIDE)


def device_name() -> str:
    """Name, compute capability and driver of the GPU: what an engine is built for."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    driver = cupy.cuda.runtime.driverGetVersion()
    return f"{properties['name'].decode()}, {properties['major']}.{properties['minor']}, driver {driver}"


def profile_shapes(model: ModelFile, size: Size) -> dict[str, tuple[int, ...]]:
    """The shape of every input, state included, for pictures of this size."""
    multiple = model.manifest.frame.multiple
    width, height = (-(-side // multiple) * multiple for side in size)
    inputs, state = golden_inputs(model.manifest, seed=0, height=height, width=width)
    return {name: array.shape for name, array in {**inputs, **state}.items()}


def _serialised(
    model: ModelFile, sizes: tuple[Size, Size, Size], on_progress: Callable[[str, float], None] | None
) -> bytes:
    import tensorrt as trt

    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(model.path)):
        raise ModelRefused(f"{model.path}: TensorRT refuses it: {str(parser.get_error(0).desc())[:200]}")
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    shapes = [profile_shapes(model, size) for size in sizes]
    for name in shapes[0]:
        profile.set_shape(name, *(by_size[name] for by_size in shapes))
    config.add_optimization_profile(profile)
    timings = config.create_timing_cache(known_timings())
    config.set_timing_cache(timings, ignore_mismatch=False)
    if on_progress is not None:
        config.progress_monitor = _monitor(trt, on_progress)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelRefused(
            f"{model.path}: TensorRT could not build an engine for pictures up to {sizes[2][0]}x{sizes[2][1]}"
        )
    keep_timings(bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def known_timings() -> bytes:
    """What earlier builds measured, if the file is as they left it; empty otherwise."""
    file = cache_folder() / "timings.bin"
    if not file.is_file():
        return b""
    content = file.read_bytes()
    digest, timings = content[:64], content[64:]
    return timings if hmac.compare_digest(digest.decode("ascii", "replace"), signature(timings.hex())) else b""


def keep_timings(timings: bytes) -> None:
    """Keep them for later builds, signed."""
    file = cache_folder() / "timings.bin"
    part = file.with_name(f".timings.{secrets.token_hex(4)}")
    part.write_bytes(signature(timings.hex()).encode() + timings)
    part.replace(file)


def _monitor(trt: Any, on_progress: Callable[[str, float], None]) -> Any:
    class Monitor(trt.IProgressMonitor):
        """TensorRT's own interface; it asks whether to go on, and the answer is yes."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, _parent_phase: str, num_steps: int) -> None:
            self.steps[phase_name] = max(1, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            on_progress(phase_name, (step + 1) / self.steps[phase_name])
            return True

        def phase_finish(self, phase_name: str) -> None:
            self.steps.pop(phase_name, None)

    return Monitor()


class DeviceTensor:
    """A state tensor on the GPU."""

    def __init__(self, array: NDArray[np.generic], cupy: Any) -> None:
        self.array = cupy.array(array)
        self.shape = array.shape

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.generic]:
        return np.array(self.array.get(), dtype, copy=copy)


class TensorRtEngine:
    """A built engine on one GPU; calls take turns, because an execution context has one set of shapes."""

    def __init__(self, engine: Path, *, precision: str) -> None:
        plan = checked_engine(engine)
        import cupy
        import tensorrt as trt

        self._cupy = cupy
        self._engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelRefused(f"{engine}: TensorRT cannot read it; delete it, and it is built anew")
        self._context = self._engine.create_execution_context()
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._lock = threading.Lock()
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        self._outputs = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]
        self._dtypes = {name: trt.nptype(self._engine.get_tensor_dtype(name)) for name in names}
        self.description = f"tensorrt {precision} cuda"

    @classmethod
    def built(cls, model: ModelFile, *, precision: str) -> "TensorRtEngine":
        """The engine of a model file, built now if need be."""
        if precision != model.precision:
            raise UsageError(
                f"--precision {precision}: {model.path.name} is {model.precision}; export it as {precision}"
            )
        return cls(build_engine(model), precision=precision)

    def held(self, array: NDArray[np.generic]) -> DeviceTensor:
        """The array on the GPU; calls then read and write it there."""
        return DeviceTensor(array, self._cupy)

    def run(self, inputs: Tensors, state: State, out: Tensors, out_state: State) -> None:
        """One call: copied to the GPU, run and copied back on one stream, waited for once."""
        places = {**out, **out_state}
        held = {name: place.array for name, place in places.items() if isinstance(place, DeviceTensor)}
        with self._lock, self._stream:
            made = self._enqueue({**inputs, **state}, held)
            for name in places.keys() - held.keys():
                made[name].get(stream=self._stream, out=places[name], blocking=False)
            self._stream.synchronize()

    def output_shapes(self, inputs: Tensors, state: Tensors) -> dict[str, tuple[int, ...]]:
        """Shapes as TensorRT infers them, without a run."""
        with self._lock:
            self._take_shapes({**inputs, **state})
            return {name: tuple(self._context.get_tensor_shape(name)) for name in self._outputs}

    def _enqueue(self, given: State, places: dict[str, Any]) -> dict[str, Any]:
        """Start a call; outputs go to the places given, all others into memory of their own."""
        self._take_shapes(given)
        on_device = {
            name: tensor.array if isinstance(tensor, DeviceTensor) else self._cupy.asarray(tensor)
            for name, tensor in given.items()
        }
        for name in self._outputs:
            on_device[name] = places.get(name)
            if on_device[name] is None:
                on_device[name] = self._cupy.empty(tuple(self._context.get_tensor_shape(name)), self._dtypes[name])
        for name, array in on_device.items():
            self._context.set_tensor_address(name, array.data.ptr)
        if not self._context.execute_async_v3(self._stream.ptr):
            raise ModelRefused(f"{self.description}: the call failed; the log of TensorRT says why")
        return on_device

    def _take_shapes(self, given: State) -> None:
        for name, tensor in given.items():
            if not self._context.set_input_shape(name, tensor.shape):
                raise UsageError(
                    f"{self.description}: {name} {list(tensor.shape)} is outside the sizes it was built for (--size)"
                )
