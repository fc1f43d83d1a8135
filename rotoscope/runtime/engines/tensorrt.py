"""TensorRT: engines built from ONNX files for one GPU, kept in the user's cache (`tensorrt_build`).

Not run by the tests, whose machine has no GPU. The names used are those of the bindings of TensorRT 10.16.
"""

import logging
import os
import threading
from pathlib import Path

import numpy as np

from rotoscope.base.device import FIRST_GPU, Array, Device
from rotoscope.base.engine import EngineSetup, Shapes, Tensors, check_process
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.manifest import Manifest
from rotoscope.base.sizes import Size
from rotoscope.runtime.engines.tensorrt_build import build_engine, checked_engine, holds, sizes_of, tightest_engine
from rotoscope.runtime.models.model_file import ModelFile


def open_engine(file: ModelFile, setup: EngineSetup, _graph: object = None) -> "TensorRtEngine":
    """Make an engine for an ONNX file; TensorRT builds it when the first picture tells its size.

    The device "cpu", the default of the option, stands for the first GPU: TensorRT runs nowhere else.
    """
    setup.refuse_op_library("tensorrt")
    if file.manifest.shares_statistics:
        raise UsageError(
            f"{file.path.name} measures statistics on several frames at once, and engines of tensorrt are built for one; "
            "accepted: onnxruntime, openvino, torch"
        )
    setup.refuse_compiled("tensorrt")
    tf32 = setup.precision == "tf32" and file.precision == "fp32"
    if not tf32 and setup.precision not in (None, file.precision):
        raise UsageError(
            f"--precision {setup.precision}: {file.path.name} is {file.precision}; export it as {setup.precision}"
        )
    device = FIRST_GPU if setup.device == "cpu" else Device.parse(setup.device)
    return TensorRtEngine(file, device=device, tf32=tf32)


class TensorRtEngine:
    """A network on one GPU. Calls take turns, because an execution context has one set of shapes and addresses.

    The first call of a picture size takes the built engine with the tightest sizes that hold it; if there is none, it builds
    one for exactly this size, which takes minutes and is kept.
    """

    def __init__(self, file: ModelFile, *, device: Device = FIRST_GPU, tf32: bool = False) -> None:
        self.device, self._file, self._tf32 = device, file, tf32
        self._cupy = device.cupy()
        with self._cupy.cuda.Device(device.index):
            self._stream = self._cupy.cuda.Stream(non_blocking=True)  # for calls on NumPy arrays
            self._ended = self._stream.record()  # of the last call, on the GPU
        self._plan: _Plan | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self.description = f"tensorrt {'tf32' if tf32 else file.precision} {device}"

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:
        """Enqueue one call on the current stream; with NumPy arrays, copy them, run on a stream of its own and wait."""
        check_process(self._pid, self.description)
        given, places = {**inputs, **state}, {**out, **out_state}
        with self._lock, self._cupy.cuda.Device(self.device.index):
            if all(map(self.device.holds, (*given.values(), *places.values()))):
                self._enqueue(given, places)
                return
            with self._stream:
                made = self._enqueue(given, places)
                for name, place in places.items():
                    if isinstance(place, np.ndarray):
                        made[name].get(stream=self._stream, out=place, blocking=False)
                self._stream.synchronize()

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """Return the shapes that TensorRT infers, without a run."""
        with self._lock, self._cupy.cuda.Device(self.device.index):
            plan = self._shaped({**inputs, **state})
            return {name: tuple(plan.context.get_tensor_shape(name)) for name in plan.outputs}

    def _enqueue(self, given: Tensors, places: Tensors) -> dict[str, Array]:
        """Enqueue a call on the current stream, after the last one; return all its arrays, which are on the GPU.

        Results are written into those of `places` that are CuPy arrays; the others get new arrays.
        """
        stream = self._cupy.cuda.get_current_stream()
        stream.wait_event(self._ended)
        plan = self._shaped(given)
        arrays = {name: self._cupy.asarray(array) for name, array in given.items()}
        for name in plan.outputs:
            place = places.get(name)
            if place is None or isinstance(place, np.ndarray):
                place = self._cupy.empty(tuple(plan.context.get_tensor_shape(name)), plan.dtypes[name])
            arrays[name] = place
        for name, array in arrays.items():
            plan.context.set_tensor_address(name, array.data.ptr)
        if not plan.context.execute_async_v3(stream.ptr):
            raise ModelRefused(f"{self.description}: the call failed; the log of TensorRT says why")
        self._ended = stream.record()
        return arrays

    def _shaped(self, given: Tensors) -> "_Plan":
        """Return the plan for inputs of these shapes, with the shapes set."""
        size = picture_size(self._file.manifest, given)
        if self._plan is None or not self._plan.holds(size):
            engine = tightest_engine(self._file, size, device=self.device, tf32=self._tf32)
            if engine is None:
                logging.getLogger("rotoscope").warning(
                    "%s: builds a TensorRT engine for %dx%d; this takes minutes, once", self._file.path.name, *size
                )
                engine = build_engine(self._file, sizes=(size,) * 3, device=self.device, tf32=self._tf32)
            self._plan = _Plan(engine)
        for name, array in given.items():
            if not self._plan.context.set_input_shape(name, array.shape):
                raise ModelRefused(f"{self.description}: TensorRT refuses {name} of shape {list(array.shape)}")
        return self._plan


class _Plan:
    """A built engine that is loaded, with one execution context."""

    def __init__(self, engine: Path) -> None:
        plan = checked_engine(engine)
        import tensorrt as trt

        self._sizes = sizes_of(engine)
        self._engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelRefused(f"{engine}: TensorRT cannot read it; delete it, and it is built again")
        self.context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        self.outputs = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]
        self.dtypes = {name: trt.nptype(self._engine.get_tensor_dtype(name)) for name in names}

    def holds(self, size: Size) -> bool:
        """Whether the engine was built for pictures of this (width, height)."""
        return holds(self._sizes, size)


def picture_size(manifest: Manifest, given: Tensors) -> Size:
    """Return (width, height) of the network's input, from the shapes of its inputs."""
    shape = given[manifest.frame.tensor].shape
    height, width = shape[-2:] if manifest.frame.layout == "NCHW" else shape[-3:-1]
    return width, height
