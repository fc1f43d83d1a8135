"""Build TensorRT engines from ONNX files, for one GPU, and keep them signed in the user's cache.

The calls into TensorRT are not run by the tests, whose machine has no GPU: they replace `serialised` and `device_name`. The
names used are those of the bindings of TensorRT 10.16. Networks are strongly typed: an engine computes in the precision of
its file.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rotoscope.base.cache import cache_folder
from rotoscope.base.device import FIRST_GPU, Device
from rotoscope.base.errors import ModelRefused
from rotoscope.base.files import part_file
from rotoscope.base.sizes import Size
from rotoscope.runtime.engines.signed import read_signed, signed
from rotoscope.runtime.models.cache import cached, key_of
from rotoscope.runtime.models.golden import golden_inputs
from rotoscope.runtime.models.model_file import ModelFile

MOST_SIDE = 1088  # pixels of the largest picture of an engine that was built without a size
USUAL_SIZE = (1280, 720)
OnProgress = Callable[[str, float], None]


def build_engine(
    model: ModelFile,
    *,
    sizes: tuple[Size, Size, Size] | None = None,
    device: Device = FIRST_GPU,
    on_progress: OnProgress | None = None,
) -> Path:
    """Return the engine file of a model for a GPU; build it, which takes minutes, if it is not in the cache.

    sizes        (width, height) of the smallest, the usual and the largest picture; three equal sizes are the fastest
    on_progress  called with the name of a phase and the share of it that is done, 0 to 1
    """
    import tensorrt as trt

    sizes = sizes or default_sizes(model)
    key = key_of(model=model.sha256, sizes=sizes, tensorrt=trt.__version__, device=device_name(device))
    engine = cache_folder("engines") / f"{key}.engine"
    if engine.exists() and read_signed(engine) is None:
        logging.getLogger("rotoscope").warning("%s was not built here, or changed since; it is built again", engine)
        engine.unlink()

    def make(part: Path) -> None:
        part.write_bytes(signed(engine.name, serialised(model, sizes, on_progress)))

    return cached("engines", engine.name, make)


def checked_engine(engine: Path) -> bytes:
    """Return the bytes of an engine that this user built here; raise ModelRefused for any other file."""
    plan = read_signed(engine)
    if plan is None:
        raise ModelRefused(
            f"{engine}: not built here, or changed since; an engine is a program: build it from its .onnx file"
        )
    return plan


def default_sizes(model: ModelFile) -> tuple[Size, Size, Size]:
    """Return the sizes of an engine that is built without any: the smallest that the network takes, 720p, and full HD."""
    frame = model.manifest.frame
    if frame.fixed_size is not None:
        return frame.fixed_size, frame.fixed_size, frame.fixed_size
    least = (frame.minimum, frame.minimum)
    return least, USUAL_SIZE, (1920, MOST_SIDE)


def device_name(device: Device) -> str:
    """Return name, compute capability and driver of a GPU: what an engine is built for."""
    cuda = device.cupy().cuda.runtime
    properties = cuda.getDeviceProperties(device.index)
    name = properties["name"].decode()
    return f"{name}, {properties['major']}.{properties['minor']}, driver {cuda.driverGetVersion()}"


def profile_shapes(model: ModelFile, size: Size) -> dict[str, tuple[int, ...]]:
    """Return the shape of every input, state included, for pictures of this size (width, height)."""
    multiple = model.manifest.frame.multiple
    width, height = (-(-side // multiple) * multiple for side in size)
    inputs, state = golden_inputs(model.manifest, seed=0, height=height, width=width)
    return {name: array.shape for name, array in {**inputs, **state}.items()}


def serialised(model: ModelFile, sizes: tuple[Size, Size, Size], on_progress: OnProgress | None) -> bytes:
    """Build an engine and return its bytes."""
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
    config.set_timing_cache(config.create_timing_cache(known_timings()), ignore_mismatch=False)
    if on_progress is not None:
        config.progress_monitor = _monitor(trt, on_progress)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelRefused(
            f"{model.path}: TensorRT could not build an engine for pictures up to {sizes[2][0]}x{sizes[2][1]}"
        )
    timings = config.get_timing_cache()
    if timings is not None:  # None if the file was of another GPU or version
        keep_timings(bytes(timings.serialize()))
    return bytes(plan)


def known_timings() -> bytes:
    """Return what earlier builds measured; empty if there is nothing, or if the file was changed."""
    return read_signed(cache_folder("engines") / "timings.bin") or b""


def keep_timings(timings: bytes) -> None:
    """Keep what this build measured, for later builds."""
    file = cache_folder("engines") / "timings.bin"
    with part_file(file, overwrite=True) as part:
        part.write_bytes(signed(file.name, timings))


def _monitor(trt: Any, on_progress: OnProgress) -> Any:
    class Monitor(trt.IProgressMonitor):
        """Hands TensorRT's progress on; `step_complete` returns True, which means: go on."""

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
