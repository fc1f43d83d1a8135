"""Build TensorRT engines from ONNX files, for one GPU, and keep them signed in the user's cache.

The calls into TensorRT are not run by the tests, whose machine has no GPU: they replace `serialised` and `device_name`. The
names used are those of the bindings of TensorRT 10.16. Networks are strongly typed: an engine computes in the precision of
its file, and in fp32 without TF32.
"""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rotoscope.base.cache import cache_folder, use
from rotoscope.base.device import FIRST_GPU, Device
from rotoscope.base.errors import ModelRefused
from rotoscope.base.files import part_file
from rotoscope.base.sizes import Size
from rotoscope.runtime.engines.signed import read_signed, signed
from rotoscope.runtime.models.cache import cached, key_of
from rotoscope.runtime.models.golden import golden_inputs
from rotoscope.runtime.models.model_file import ModelFile

SMALLEST_SIDE, LARGEST_SIDE = 256, 1920  # pixels, of an engine that is built without a size
USUAL_SIZE = (1280, 720)
Sizes = tuple[Size, Size, Size]  # (width, height) of the smallest, the usual and the largest picture of an engine
OnProgress = Callable[[str, float], None]


def build_engine(
    model: ModelFile,
    *,
    sizes: Sizes | None = None,
    device: Device = FIRST_GPU,
    tf32: bool = False,
    on_progress: OnProgress | None = None,
) -> Path:
    """Return the engine file of a model for a GPU; build it, which takes minutes, if it is not in the cache.

    sizes        (width, height) of the smallest, the usual and the largest picture; three equal sizes are the fastest
    tf32         whether fp32 layers may compute in TF32
    on_progress  called with the name of a phase and the share of it that is done, 0 to 1
    """
    least, usual, most = (padded(model, size) for size in sizes or default_sizes(model))
    sizes = least, usual, most
    engine = cache_folder("engines") / f"{_key(model, device, tf32=tf32)}{_words(sizes)}.engine"
    if engine.exists() and read_signed(engine) is None:
        logging.getLogger("rotoscope").warning("%s was not built here, or changed since; it is built again", engine)
        engine.unlink()
    timings = timing_file(device)
    measured: list[bytes] = []

    def make(part: Path) -> None:
        plan, new_timings = serialised(
            model, sizes, tf32=tf32, timings=read_signed(timings) or b"", on_progress=on_progress
        )
        part.write_bytes(signed(engine.name, plan))
        measured.append(new_timings)

    built = cached("engines", engine.name, make)
    if measured and measured[0]:
        with part_file(timings, overwrite=True) as part:
            part.write_bytes(signed(timings.name, measured[0]))
    return built


def tightest_engine(model: ModelFile, size: Size, *, device: Device = FIRST_GPU, tf32: bool = False) -> Path | None:
    """Return the engine in the cache that takes pictures of this size and has the smallest largest picture; None if none does.

    Files that were not built here are skipped.
    """
    found: list[tuple[int, int, Path]] = []
    for file in cache_folder("engines").glob(f"{_key(model, device, tf32=tf32)}-*.engine"):
        sizes = sizes_of(file)
        if holds(sizes, size) and read_signed(file) is not None:
            (width, height), (least_width, least_height) = sizes[2], sizes[0]
            found.append((width * height, -least_width * least_height, file))
    if not found:
        return None
    engine = min(found)[2]
    return engine if use(engine) else None


def sizes_of(engine: Path) -> Sizes:
    """Return the three sizes in the name of an engine file; raise ModelRefused if there are none."""
    match = re.fullmatch(r"[0-9a-f]+" + r"-(\d{1,5})x(\d{1,5})" * 3, engine.stem)
    if match is None:
        raise ModelRefused(f"{engine}: its name has no sizes, so it was not built here; delete it")
    sides = [int(side) for side in match.groups()]
    return (sides[0], sides[1]), (sides[2], sides[3]), (sides[4], sides[5])


def holds(sizes: Sizes, size: Size) -> bool:
    """Whether a picture of this (width, height) lies between the smallest and the largest of an engine."""
    least, _, most = sizes
    return all(low <= side <= high for low, side, high in zip(least, size, most, strict=True))


def padded(model: ModelFile, size: Size) -> Size:
    """Return a picture size (width, height), rounded up to the multiple of pixels that the network takes."""
    multiple = model.manifest.frame.multiple
    width, height = size
    return -(-width // multiple) * multiple, -(-height // multiple) * multiple


def checked_engine(engine: Path) -> bytes:
    """Return the bytes of an engine that this user built here; raise ModelRefused for any other file."""
    plan = read_signed(engine)
    if plan is None:
        raise ModelRefused(
            f"{engine}: not built here, or changed since; an engine is a program: build it from its .onnx file"
        )
    return plan


def default_sizes(model: ModelFile) -> Sizes:
    """Return the sizes of an engine that is built without any: 256x256, 720p, and 1920x1920 for full HD of either orientation.

    A network that needs larger pictures than 256x256 begins at its minimum.
    """
    frame = model.manifest.frame
    if frame.fixed_size is not None:
        return frame.fixed_size, frame.fixed_size, frame.fixed_size
    least = max(SMALLEST_SIDE, frame.minimum)
    usual = max(USUAL_SIZE[0], least), max(USUAL_SIZE[1], least)
    most = max(LARGEST_SIDE, least)
    return (least, least), usual, (most, most)


def device_name(device: Device) -> str:
    """Return name, compute capability and driver of a GPU: what an engine is built for."""
    cuda = device.cupy().cuda.runtime
    properties = cuda.getDeviceProperties(device.index)
    name = properties["name"].decode()
    return f"{name}, {properties['major']}.{properties['minor']}, driver {cuda.driverGetVersion()}"


def profile_shapes(model: ModelFile, size: Size) -> dict[str, tuple[int, ...]]:
    """Return the shape of every input, state included, for pictures of this size (width, height)."""
    width, height = padded(model, size)
    inputs, state = golden_inputs(model.manifest, seed=0, height=height, width=width)
    return {name: array.shape for name, array in {**inputs, **state}.items()}


def serialised(
    model: ModelFile, sizes: Sizes, *, tf32: bool, timings: bytes, on_progress: OnProgress | None
) -> tuple[bytes, bytes]:
    """Build an engine; return its bytes, and what was measured for later builds (empty if TensorRT gives nothing).

    timings  that earlier builds of this GPU and version measured; empty if there are none
    """
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
    if not tf32:
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default, for strongly typed networks too
    if not config.set_timing_cache(config.create_timing_cache(timings), ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    if on_progress is not None:
        config.progress_monitor = _monitor(trt, on_progress)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelRefused(
            f"{model.path}: TensorRT could not build an engine for pictures up to {sizes[2][0]}x{sizes[2][1]}"
        )
    measured = config.get_timing_cache()
    return bytes(plan), bytes(measured.serialize()) if measured is not None else b""


def timing_file(device: Device) -> Path:
    """Return the file of timings: one for each GPU and version of TensorRT, which refuses those of others."""
    import tensorrt as trt

    return cache_folder("engines") / f"timings-{key_of(tensorrt=trt.__version__, device=device_name(device))}.bin"


def _key(model: ModelFile, device: Device, *, tf32: bool) -> str:
    """Return a digest of what an engine depends on, except the sizes, which stand in the name of its file."""
    import tensorrt as trt

    return key_of(model=model.sha256, tensorrt=trt.__version__, device=device_name(device), tf32=tf32)


def _words(sizes: Sizes) -> str:
    """Return three sizes as the end of a file name: "-256x256-1280x720-1920x1920"."""
    return "".join(f"-{width}x{height}" for width, height in sizes)


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
