"""Time networks on every engine: torch eager and as a CUDA graph, fp32 and fp16, and ONNX Runtime bound to the device.

Operations are counted by torch: a multiply-add is two. Their rate stands beside the measured matrix product of bf16.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gpu_phases.networks import (
    LOOK,
    has_cuda_onnxruntime,
    has_cuda_torch,
    look_module,
    network_path,
    resnet_checkpoint,
    resnet_module,
)
from gpu_phases.phase import Phase
from gpu_phases.timing import event_microseconds, spread
from rotoscope.base.device import CPU, FIRST_GPU
from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
from rotoscope.runtime.models.model_file import open_model

SIZES = ((256, 256), (512, 512), (720, 1280), (1088, 1920))  # (height, width); multiples of 16
ROUNDS, WARM_UP = 50, 10
VARIANTS = ("eager fp32", "eager fp16", "graph fp32", "graph fp16", "graph fp16 channels_last")


def run(phase: Phase) -> None:
    sizes = ((64, 64),) if phase.simulated else SIZES
    if phase.simulated:
        phase.save(torch="needs a card: torch on CUDA is not simulated")
    elif has_cuda_torch():
        on_torch(phase, sizes)
    else:
        phase.save(torch="not installed, or without a GPU")
    if not has_cuda_onnxruntime(simulated=phase.simulated):
        phase.save(onnxruntime="not installed, or without its CUDA provider")
        if "rows" not in phase.results:
            phase.save(state="not run", reason="neither ONNX Runtime with CUDA nor torch with CUDA is installed")
        return
    on_onnxruntime(phase, LOOK, network_path(LOOK), sizes)
    if not phase.simulated:  # the export takes the longest, so it is last
        from rotoscope.api.model_files import export_model

        with tempfile.TemporaryDirectory() as folder:
            for precision in ("fp32", "fp16"):
                target = Path(folder) / f"resnet9-{precision}.onnx"
                export_model(resnet_checkpoint(Path(folder)), target, precision=precision)
                on_onnxruntime(phase, f"ResNet-9 {precision}", target, sizes)


def on_torch(phase: Phase, sizes: tuple[tuple[int, int], ...]) -> None:
    import torch

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # as in our engines
    for name, make in ((LOOK, lambda: look_module(LOOK)), ("ResNet-9", resnet_module)):
        for size in sizes:
            operations = counted_operations(make(), size)
            for variant in VARIANTS:
                row = {"network": name, "engine": f"torch {variant}", "size": f"{size[1]}x{size[0]}"}
                try:
                    times = torch_microseconds(make(), size, variant)
                except Exception as error:  # recorded: a large size may not fit
                    phase.add("rows", {**row, "reason": f"{type(error).__name__}: {error}"[:200]})
                    continue
                phase.add("rows", {**row, **judged(phase, times, operations)})


@np.errstate(all="ignore")
def counted_operations(module: Any, size: tuple[int, int]) -> float:
    """Return the multiply-adds of one call, times two; nothing is computed."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        module.to("meta")(torch.empty(1, 3, *size, device="meta"))
    return float(counter.get_total_flops())


def torch_microseconds(module: Any, size: tuple[int, int], variant: str) -> list[float]:
    import torch

    kind, precision, *layout = variant.split()
    dtype = torch.float16 if precision == "fp16" else torch.float32
    form = torch.channels_last if layout else torch.contiguous_format
    module = module.to("cuda", dtype, memory_format=form)
    given = torch.rand(1, 3, *size, device="cuda").to(dtype, memory_format=form)
    stream = torch.cuda.Stream()
    with torch.inference_mode(), torch.cuda.stream(stream):

        def call() -> None:
            module(given)

        for _ in range(3):
            call()
        replay: Callable[[], object] = call
        if kind == "graph":
            stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream):
                call()
            replay = graph.replay
        for _ in range(WARM_UP):
            replay()
        events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(ROUNDS)]
        for start, end in events:
            start.record()
            replay()
            end.record()
        stream.synchronize()
    return [1000 * start.elapsed_time(end) for start, end in events]


def judged(phase: Phase, times: list[float], operations: float) -> dict:
    """Return the spread of times in microseconds, and the rate of operations with its share of the matrix product."""
    rate = operations / float(np.median(times)) / 1e6
    row: dict[str, Any] = {"us": spread(times), "tflops": round(rate, 2), "gflop": round(operations / 1e9, 2)}
    product = phase.earlier_figure("ceilings", "bf16_tflops")
    return row if product is None else {**row, "share_of_bf16_product": round(rate / product, 3)}


def on_onnxruntime(phase: Phase, name: str, path: Path, sizes: tuple[tuple[int, int], ...]) -> None:
    """Run the engine on arrays of the device, as a translation does: bound, and from the third call on as a CUDA graph."""
    import cupy

    file = open_model(path)
    manifest = file.manifest
    with cupy.cuda.Stream(non_blocking=True) as stream:
        engine = OnnxRuntimeEngine(path, device="cuda", precision=file.precision)
        for height, width in sizes:
            host = np.random.default_rng(0).random((1, 3, height, width), np.float32).astype(manifest.frame.dtype)
            given = {manifest.frame.tensor: FIRST_GPU.asarray(host)}
            out = {manifest.outputs[0]: cupy.zeros(host.shape, manifest.output.dtype)}
            row = {"network": name, "engine": "onnxruntime bound, graph", "size": f"{width}x{height}"}

            def call(given=given, out=out) -> None:
                engine.run(given, {}, out, {})

            if phase.simulated:
                for _ in range(4):  # two as they are, the capture, a replay
                    call()
                stream.synchronize()
                expected = {manifest.outputs[0]: np.zeros(host.shape, np.float32)}
                on_cpu = OnnxRuntimeEngine(path)
                assert on_cpu.device == CPU
                on_cpu.run({manifest.frame.tensor: host}, {}, expected, {})
                made = out[manifest.outputs[0]].get()
                row["difference_from_cpu"] = float(np.abs(made - expected[manifest.outputs[0]]).max())
                phase.add("rows", row)
                continue
            times = event_microseconds(call, rounds=ROUNDS, warm_up=WARM_UP)
            phase.add("rows", {**row, "us": spread(times)})
