"""TensorRT: engines built from ONNX files for one GPU, kept in the user's cache (`tensorrt_build`).

It never ran on a card; the tests run it on a stand-in for TensorRT. The names used are those of the bindings of TensorRT 10.16.
"""

import logging
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rotoscope.base.device import FIRST_GPU, Array, Device
from rotoscope.base.engine import EngineSetup, Shapes, Tensors, check_process, first_line
from rotoscope.base.errors import ModelRefused, RotoscopeError, UsageError
from rotoscope.base.gpu_run import CAPTURE_LOCK
from rotoscope.base.manifest import Manifest
from rotoscope.base.sizes import Size
from rotoscope.runtime.engines.tensorrt_build import build_engine, checked_engine, holds, sizes_of, tightest_engine
from rotoscope.runtime.models.model_file import ModelFile

MOST_SLOTS = 8


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
    """A network on one GPU. Calls take turns. Each set of addresses has an execution context and a CUDA graph of its own.

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
        self._captures = True
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
            else:
                self._run_on_copies(given, places)

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """Return the shapes that TensorRT infers, without a run."""
        with self._lock, self._cupy.cuda.Device(self.device.index):
            given = {**inputs, **state}
            plan = self._loaded(given)
            context = plan.context()
            self._set_shapes(context, given)
            return {name: tuple(context.get_tensor_shape(name)) for name in plan.outputs}

    def _enqueue(self, given: Tensors, places: Tensors) -> None:
        """Enqueue a call on the current stream, after the last one."""
        stream = self._cupy.cuda.get_current_stream()
        stream.wait_event(self._ended)
        plan = self._loaded(given)
        key = tuple((name, array.data.ptr, array.shape) for name, array in (*given.items(), *places.items()))
        slot = plan.slots.get(key)
        if slot is None:
            while len(plan.slots) >= MOST_SLOTS:
                plan.slots.popitem(last=False)
            slot = plan.slots[key] = self._slot(plan, given, places)
        if slot.graph is None and slot.num_calls == 1 and self._captures:
            self._capture(slot, stream)  # the first call has flushed what the shapes had left to do
        if slot.graph is not None:
            slot.graph.launch(stream)
        elif not slot.context.execute_async_v3(stream.ptr):
            raise ModelRefused(f"{self.description}: the call failed; the log of TensorRT says why")
        slot.num_calls += 1
        self._ended = stream.record()

    def _slot(self, plan: "_Plan", given: Tensors, places: Tensors) -> "_Slot":
        """Make an execution context with these shapes and addresses; outputs that are not asked for get arrays of its own."""
        context = plan.context()
        self._set_shapes(context, given)
        unasked = {
            name: self._cupy.empty(tuple(context.get_tensor_shape(name)), plan.dtypes[name])
            for name in plan.outputs
            if name not in places
        }
        for name, array in {**given, **places, **unasked}.items():
            context.set_tensor_address(name, array.data.ptr)
        return _Slot(context, unasked)

    def _capture(self, slot: "_Slot", stream: Any) -> None:
        """Capture the call of a slot as a CUDA graph; if that fails, no slot is captured any more, which is logged once."""
        try:
            with CAPTURE_LOCK:
                stream.begin_capture()
                try:
                    done = slot.context.execute_async_v3(stream.ptr)
                finally:
                    graph = stream.end_capture()
            if not done:
                raise RotoscopeError("TensorRT cannot be captured")
            slot.graph = graph
        except Exception as error:  # CuPy's and TensorRT's own kinds
            self._captures = False
            logging.getLogger("rotoscope").warning(
                "%s: no CUDA graph (%s); calls are launched one by one", self.description, first_line(error)
            )

    def _run_on_copies(self, given: Tensors, places: Tensors) -> None:
        """Copy NumPy arrays to the GPU, run there, copy the results back and wait for them."""
        with self._stream:
            self._stream.wait_event(self._ended)
            arrays = {name: self._cupy.asarray(array) for name, array in given.items()}
            slot = self._slot(self._loaded(given), arrays, {})
            if not slot.context.execute_async_v3(self._stream.ptr):
                raise ModelRefused(f"{self.description}: the call failed; the log of TensorRT says why")
            for name, place in places.items():
                if isinstance(place, np.ndarray):
                    slot.unasked[name].get(stream=self._stream, out=place, blocking=False)
                else:
                    self._cupy.copyto(place, slot.unasked[name])
            self._stream.synchronize()
            self._ended = self._stream.record()

    def _loaded(self, given: Tensors) -> "_Plan":
        """Return the built engine for inputs of these shapes; build it if there is none."""
        size = picture_size(self._file.manifest, given)
        if self._plan is None or not self._plan.holds(size):
            engine = tightest_engine(self._file, size, device=self.device, tf32=self._tf32)
            if engine is None:
                logging.getLogger("rotoscope").warning(
                    "%s: builds a TensorRT engine for %dx%d; this takes minutes, once", self._file.path.name, *size
                )
                engine = build_engine(self._file, sizes=(size,) * 3, device=self.device, tf32=self._tf32)
            self._plan = _Plan(engine)
        return self._plan

    def _set_shapes(self, context: Any, given: Tensors) -> None:
        for name, array in given.items():
            if not context.set_input_shape(name, array.shape):
                raise ModelRefused(f"{self.description}: TensorRT refuses {name} of shape {list(array.shape)}")


@dataclass
class _Slot:
    """An execution context with fixed shapes and addresses, and the CUDA graph of its call once there is one."""

    context: Any
    unasked: dict[str, Array]
    graph: Any = None
    num_calls: int = 0


class _Plan:
    """A built engine that is loaded, with its slots by the addresses of their arrays."""

    def __init__(self, engine: Path) -> None:
        plan = checked_engine(engine)
        import tensorrt as trt

        self._sizes = sizes_of(engine)
        self._engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelRefused(f"{engine}: TensorRT cannot read it; delete it, and it is built again")
        self.context = self._engine.create_execution_context
        self.slots: OrderedDict[Any, _Slot] = OrderedDict()
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
