"""Whole translations of generated frames: on the device, around it on the host, and the loop of others.

All runs use `Stages.line` with the same network; the host path differs in `gpu_slots=None` alone, so that it is what a run
was before pictures stayed on the GPU. Frames per second are counted from the first frame that is written.
"""

import itertools
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import rotoscope
from gpu_phases.networks import (
    LOOK,
    has_cuda_onnxruntime,
    has_cuda_torch,
    look_module,
    resnet_checkpoint,
    resnet_module,
)
from gpu_phases.phase import Phase
from gpu_phases.timing import spread
from rotoscope.base.gpu_run import SLOTS
from rotoscope.base.options import OutputOptions, SteadyOptions
from rotoscope.base.sink import finishing
from rotoscope.base.sizes import parse_size
from rotoscope.kernels.rows import Workers, usable_cores
from rotoscope.runtime.media.open_sink import NULL, open_sink
from rotoscope.runtime.media.synthetic import SyntheticSource
from rotoscope.runtime.pipeline.output import plan_output
from rotoscope.runtime.pipeline.stages import Stages

SIZES = ((1280, 720), (1920, 1080))
WORKING = "512p"  # the network sees pictures whose shorter side has 512 pixels
METHODS = ("off", "blend", "hypercon")
FRAMES = {"device": 240, "host": 40, "peers": 40}
KEPT = 12  # first frames whose pictures are compared
SETTLED, LATER, SIMULATED_FRAMES = 10, 20, 30  # the device is some frames ahead: at LATER, frames still come
CLOCK_FPS, CLOCK_SECONDS = 60, 5


def run(phase: Phase) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model, why_not = model_of(phase, Path(folder))
        if model is None:
            phase.save(state="not run", reason=why_not)
            return
        phase.save(
            network=model.name, engine=f"{model.options.engine} {model.options.precision or model.file.precision}"
        )
        sizes = ((192, 128),) if phase.simulated else SIZES  # smaller ones are enlarged for the motion, on the CPU only
        made = {}
        for size in reversed(sizes):  # the goals are those of the last size
            engine_rate(phase, model, size)
            for method in METHODS:
                made[size, method] = device_path(phase, model, size, method, Path(folder))
        on_a_clock(phase, model, sizes[-1])
        for (size, method), pictures in made.items():
            host_path(phase, model, size, method, pictures)
        for size, method in itertools.product(reversed(sizes), ("off", "blend")):
            peers(phase, size, method)
    wrong = [
        f"{row['method']} {row['size']}: pictures differ" for row in phase.results["differences"] if not row["agrees"]
    ]
    wrong += [
        f"{row['method']} {row['size']} {row['sink']}: {row['stalls']} stalls, {row['pageable_copies']} pageable copies"
        for row in phase.results["runs"]
        if row.get("stalls") or row.get("pageable_copies")
    ]
    if wrong:
        phase.save(state="disagrees", reason="; ".join(wrong)[:1000])


def model_of(phase: Phase, folder: Path) -> tuple[Any, str]:
    """Return the network of all runs, on the first GPU: ResNet-9 in fp16; on the simulated GPU an affine function.

    A look would show more of every choice that the flow search made otherwise than on the CPU.
    """
    if phase.simulated:
        from tiny_models import affine

        return rotoscope.load(affine(folder / "affine.onnx", -0.8, 0.9), device="cuda"), ""
    if has_cuda_onnxruntime(simulated=False):
        from rotoscope.api.model_files import export_model

        path = folder / "resnet9.onnx"
        export_model(resnet_checkpoint(folder), path, precision="fp16")
        return rotoscope.load(path, device="cuda", working_size=WORKING), ""
    if has_cuda_torch():
        path = resnet_checkpoint(folder)
        return rotoscope.load(path, engine="torch", device="cuda", precision="fp16", working_size=WORKING), ""
    return None, "neither ONNX Runtime with CUDA nor torch with CUDA is installed"


def device_path(phase: Phase, model: Any, size: tuple[int, int], method: str, folder: Path) -> list[Any]:
    """Translate on the device with both sinks; return the first pictures."""
    pictures: list[Any] = []
    for sink in ("null", "x264") if method == "off" or not phase.smallest else ("null",):
        target = NULL if sink == "null" else str(folder / f"{size[1]}-{method}.mp4")
        row, made = translated(phase, model, size, method, "inverse-search", target, "device")
        phase.add("runs", {"path": "device", "method": method, "size": shown(size), "sink": sink, **row})
        pictures = pictures or made
    return pictures


def host_path(phase: Phase, model: Any, size: tuple[int, int], method: str, pictures: list[Any]) -> None:
    """Translate around the network on the host, and compare with the first pictures of the device path.

    The flow is what runs on the host by default; where pictures are compared, it is the search that runs on the device.
    """
    compares = method == "off" or phase.simulated
    flow = "inverse-search" if compares else "dis"
    row, made = translated(phase, model, size, method, flow, NULL, "host")
    phase.add("runs", {"path": "host", "method": method, "size": shown(size), "sink": "null", **row})
    if compares:
        pairs = zip(pictures, made, strict=True)
        differences = np.concatenate([np.abs(a.astype(int) - b).ravel() for a, b in pairs])
        share = float((differences > 1).mean())
        difference = {"method": method, "size": shown(size), "largest": int(differences.max()), "share_above_1": share}
        phase.add("differences", {**difference, "agrees": share <= 1e-4})


def translated(
    phase: Phase,
    model: Any,
    size: tuple[int, int],
    method: str,
    flow: str,
    target: str,
    path: str,
    clock: Any = None,
) -> tuple[dict, list[Any]]:
    """Run one translation; return its figures and the luma of the first pictures.

    path   "device" or "host"
    clock  waits until a frame is due; None: frames come as fast as they are asked for
    """
    gpu_slots = SLOTS if path == "device" else None
    num_frames = SIMULATED_FRAMES if phase.simulated else FRAMES[path] if clock is None else CLOCK_FPS * CLOCK_SECONDS
    times: list[float] = []
    pictures: list[Any] = []
    counters: list[Any] = []
    with ExitStack() as stack:
        workers = Workers(usable_cores())
        stack.callback(workers.close)
        stack.enter_context(workers.active())
        steady = SteadyOptions(steady=method, flow=flow)
        stages = Stages([model], steady, workers=workers, gpu_slots=gpu_slots)
        stack.callback(stages.close)
        pace = {} if clock is None else {"wait_until": clock}
        source = stack.enter_context(SyntheticSource(size, Fraction(CLOCK_FPS), num_frames, **pace))
        plan = plan_output(source.info.path, target, source, stages, OutputOptions(overwrite=True))
        encoding = None if plan.encoder is None or plan.video is None else (plan.video, plan.encoder)
        sink = stack.enter_context(finishing(lambda: open_sink(plan.path, encoding, overwrite=True)))
        for frame in stack.enter_context(closing(stages.line(source, plan.finish))):
            sink.write(frame)
            times.append(time.perf_counter())
            if len(pictures) < KEPT:
                pictures.append(np.array(frame.result.planes[0]))
            if phase.simulated and gpu_slots:
                counters.append(counted())
    row: dict[str, Any] = {"engine": stages.description, "frames": len(times)}
    if stages.notes:
        row["notes"] = list(stages.notes)
    if len(counters) > LATER:
        settled = counters[LATER] - counters[SETTLED]
        row |= {
            "stalls": settled.stalls,
            "allocations": settled.allocations,
            "pageable_copies": settled.pageable_copies,
        }
    if not phase.simulated:
        intervals = np.diff(times[SETTLED:]) * 1e3
        row |= {"fps": round(1e3 / float(intervals.mean()), 1), "ms_between_frames": spread(list(intervals))}
        row["stages"] = stages.times.summary()
    return row, pictures


def counted() -> Any:
    from simulated_gpu.gpu import gpu

    return gpu.counters.copy()


def engine_rate(phase: Phase, model: Any, size: tuple[int, int]) -> None:
    """Time the engine alone on arrays of the device: the most frames a second that a run can reach."""
    import cupy

    from rotoscope.base.device import FIRST_GPU
    from rotoscope.base.sizes import place

    manifest = model.file.manifest
    with cupy.cuda.Stream(non_blocking=True) as stream:
        placement = place(size, manifest.frame, working=model.options.working_size, fit=model.options.fit)
        width, height = placement.network
        host = np.random.default_rng(0).random((1, 3, height, width), np.float32).astype(manifest.frame.dtype)
        given = {manifest.frame.tensor: FIRST_GPU.asarray(host)}
        engine = model.engine(threads=1, calls=1)
        shape = engine.shapes(given, {})[manifest.outputs[0]]
        out = {manifest.outputs[0]: cupy.zeros(shape, manifest.output.dtype)}
        for _ in range(5):
            engine.run(given, {}, out, {})
        stream.synchronize()
        rounds = 2 if phase.simulated else 100
        begin = time.perf_counter()
        for _ in range(rounds):
            engine.run(given, {}, out, {})
        stream.synchronize()
        row = {"size": shown(size), "network_size": f"{width}x{height}"}
        seconds = time.perf_counter() - begin
        phase.add("engine_alone", row if phase.simulated else {**row, "fps": round(rounds / seconds, 1)})


def on_a_clock(phase: Phase, model: Any, size: tuple[int, int]) -> None:
    """Deliver frames at the pace of a camera: whether the run keeps up."""
    for method in ("off", "blend"):
        due: list[float] = []
        stopped = threading.Event()

        def wait_until(seconds: float, due: list[float] = due, stopped: threading.Event = stopped) -> None:
            begin = due[0] if due else time.perf_counter()
            if not phase.simulated:
                stopped.wait(max(0.0, begin + seconds - time.perf_counter()))
            due.append(begin + seconds)

        row, _ = translated(phase, model, size, method, "inverse-search", NULL, "device", wait_until)
        row.pop("stages", None)
        if not phase.simulated:
            row["is_sustained"] = row["fps"] >= 0.99 * CLOCK_FPS
        phase.add("clock", {"method": method, "size": shown(size), "clock_fps": CLOCK_FPS, **row})


def peers(phase: Phase, size: tuple[int, int], method: str) -> None:
    """Run the loop of others over the same frames with the same network."""
    if not phase.simulated and not has_cuda_torch():
        phase.save(peers="torch with CUDA is not installed")
        return
    from gpu_phases.peers import PeersLoop

    width, height = size
    working = None
    if not phase.simulated:
        small = parse_size(WORKING, size)
        working = (-(-small[1] // 4) * 4, -(-small[0] // 4) * 4)
    network = look_module(LOOK) if phase.simulated else resnet_module()
    device = "cpu" if phase.simulated else "cuda"
    loop = PeersLoop(network, device, steady=method != "off", working=working)
    times = [time.perf_counter() for _ in written(loop, width, height, 3 if phase.simulated else FRAMES["peers"])]
    row = {"path": "peers", "method": method, "size": shown(size), "sink": "null", "frames": len(times)}
    if not phase.simulated:
        intervals = np.diff(times[5:]) * 1e3
        row |= {"fps": round(1e3 / float(intervals.mean()), 1), "ms_between_frames": spread(list(intervals))}
    phase.add("runs", row)


def written(loop: Any, width: int, height: int, num_frames: int) -> Iterator[Any]:
    from gpu_phases.peers import rgb_pictures

    for picture in loop.frames(rgb_pictures(width, height, num_frames)):
        assert picture.shape == (height, width, 3)
        yield picture


def shown(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
