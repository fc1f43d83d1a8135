"""TensorRT: engines built from ONNX files for one GPU, kept in the user's cache (`tensorrt_build`).

Not run by the tests, whose machine has no GPU. The names used are those of the bindings of TensorRT 10.16.
"""

import os
import threading
from pathlib import Path

import numpy as np

from rotoscope.base.device import FIRST_GPU, Array, Device
from rotoscope.base.engine import EngineSetup, Shapes, Tensors, check_process
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.runtime.engines.tensorrt_build import build_engine, checked_engine
from rotoscope.runtime.models.model_file import ModelFile


def open_engine(file: ModelFile, setup: EngineSetup, _graph: object = None) -> "TensorRtEngine":
    """Make an engine for an ONNX file, built now if it is not in the cache.

    The device "cpu", the default of the option, stands for the first GPU: TensorRT runs nowhere else.
    """
    setup.refuse_op_library("tensorrt")
    if file.manifest.shares_statistics:
        raise UsageError(
            f"{file.path.name} measures statistics on several frames at once, and engines of tensorrt are built for one; "
            "accepted: onnxruntime, openvino, torch"
        )
    setup.refuse_compiled("tensorrt")
    if setup.precision not in (None, file.precision):
        raise UsageError(
            f"--precision {setup.precision}: {file.path.name} is {file.precision}; export it as {setup.precision}"
        )
    device = FIRST_GPU if setup.device == "cpu" else Device.parse(setup.device)
    return TensorRtEngine(build_engine(file, device=device), precision=file.precision, device=device)


class TensorRtEngine:
    """A built engine on one GPU. Calls take turns, because an execution context has one set of shapes and addresses."""

    def __init__(self, engine: Path, *, precision: str, device: Device = FIRST_GPU) -> None:
        plan = checked_engine(engine)
        import tensorrt as trt

        cupy = device.cupy()
        self.device, self._cupy = device, cupy
        with cupy.cuda.Device(device.index):
            self._engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(plan)
            if self._engine is None:
                raise ModelRefused(f"{engine}: TensorRT cannot read it; delete it, and it is built again")
            self._context = self._engine.create_execution_context()
            self._stream = cupy.cuda.Stream(non_blocking=True)  # for calls on NumPy arrays
            self._ended = self._stream.record()  # of the last call, on the GPU
        self._lock = threading.Lock()
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        self._outputs = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]
        self._dtypes = {name: trt.nptype(self._engine.get_tensor_dtype(name)) for name in names}
        self._pid = os.getpid()
        self.description = f"tensorrt {precision} {device}"

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
        with self._lock:
            self._take_shapes({**inputs, **state})
            return {name: tuple(self._context.get_tensor_shape(name)) for name in self._outputs}

    def _enqueue(self, given: Tensors, places: Tensors) -> dict[str, Array]:
        """Enqueue a call on the current stream, after the last one; return all its arrays, which are on the GPU.

        Results are written into those of `places` that are CuPy arrays; the others get new arrays.
        """
        stream = self._cupy.cuda.get_current_stream()
        stream.wait_event(self._ended)
        self._take_shapes(given)
        arrays = {name: self._cupy.asarray(array) for name, array in given.items()}
        for name in self._outputs:
            place = places.get(name)
            if place is None or isinstance(place, np.ndarray):
                place = self._cupy.empty(tuple(self._context.get_tensor_shape(name)), self._dtypes[name])
            arrays[name] = place
        for name, array in arrays.items():
            self._context.set_tensor_address(name, array.data.ptr)
        if not self._context.execute_async_v3(stream.ptr):
            raise ModelRefused(f"{self.description}: the call failed; the log of TensorRT says why")
        self._ended = stream.record()
        return arrays

    def _take_shapes(self, given: Tensors) -> None:
        for name, array in given.items():
            if not self._context.set_input_shape(name, array.shape):
                raise UsageError(
                    f"{self.description}: {name} {list(array.shape)} is outside the sizes it was built for (--size)"
                )
