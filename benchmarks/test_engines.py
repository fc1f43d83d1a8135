"""Measure the latency of one network on every engine and precision: CycleGAN's ResNet-9, one picture of 256x256, all cores.

Each engine is compared with its library, called as the library's documentation shows. The weights are random, initialised as in
the published training code. int8 is calibrated on frames of the demo, and its PSNR on them is reported.
"""

import os

import numpy as np
import pytest

ROUNDS = int(os.environ.get("ROUNDS", "9"))
CORES = len(os.sched_getaffinity(0))
SIZE = 256
LEAST_PSNR_DB = {"fp32": 90.0, "fp16": 50.0, "bf16": 40.0, "int8": 34.0}
pytestmark = pytest.mark.timeout(1800)  # an int8 file is calibrated first
KINDS = (
    "torch fp32", "PyTorch itself fp32", "torch bf16", "PyTorch itself bf16", "onnxruntime fp32", "ONNX Runtime itself fp32",
    "onnxruntime fp16", "onnxruntime int8", "openvino fp32", "OpenVINO itself fp32", "openvino bf16", "OpenVINO itself bf16",
    "openvino int8",
)  # fmt: skip


@pytest.fixture(scope="module")
def graph():
    """Return the exported graph of the network."""
    import torch

    from rotoscope.export.graph import as_graph
    from rotoscope.networks import from_state_dict
    from rotoscope.networks.resnet import ResnetGenerator

    torch.set_num_threads(CORES)
    torch.manual_seed(0)
    network = ResnetGenerator()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.normal_(layer.weight, 0.0, 0.02)
    return as_graph(from_state_dict(network.state_dict()), name="resnet9")


@pytest.fixture(scope="module")
def pictures():
    """Eight frames of the demo scene, (256,256,3) uint8 RGB."""
    from rotoscope.demo import Scene

    scene = Scene(width=SIZE, height=SIZE)
    return [np.rint(np.clip(scene.picture(12 * t), 0, 1) * 255).astype(np.uint8) for t in range(8)]


@pytest.fixture(scope="module")
def file_of(graph, pictures, tmp_path_factory):
    """Return a function: precision -> path of the network's ONNX file in that precision."""
    from rotoscope.base.frame import Picture
    from rotoscope.export.onnx import write_onnx
    from rotoscope.export.precision import to_int8
    from rotoscope.runtime.models.model_file import open_model

    folder = tmp_path_factory.mktemp("models")
    made = {}

    def make(precision):
        if precision not in made:
            made[precision] = folder / f"{precision}.onnx"
            if precision == "int8":
                to_int8(open_model(make("fp32")), [Picture((picture,)) for picture in pictures], made[precision])
            else:
                write_onnx(graph, made[precision], precision=precision)
        return made[precision]

    return make


def tensor(picture):
    """(H,W,3) uint8 -> (1,3,H,W) float32 in [-1,1]."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 127.5 - 1


def ours(engine):
    out = np.empty((1, 3, SIZE, SIZE), np.float32)

    def run(frame):
        engine.run({"frame": frame}, {}, {"picture": out}, {})
        return out

    return run


def callable_of(kind, graph, file_of):
    """Return the function of this kind that maps a frame (1,3,H,W) to a picture (1,3,H,W)."""
    name, precision = kind.rsplit(" ", 1)
    if name == "torch":
        from rotoscope.export.torch_engine import TorchEngine

        return ours(TorchEngine(graph, precision=precision, threads=CORES))
    if name == "onnxruntime":
        from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine

        return ours(OnnxRuntimeEngine(file_of(precision), threads=CORES))
    if name == "openvino":
        from rotoscope.runtime.engines.openvino import OpenVinoEngine

        if precision == "int8":
            return ours(OpenVinoEngine(file_of("int8"), threads=CORES))
        return ours(OpenVinoEngine(file_of("fp32"), threads=CORES, precision=precision))
    if name == "PyTorch itself":
        return pytorch_itself(graph.module, precision)
    return onnxruntime_itself(file_of("fp32")) if name == "ONNX Runtime itself" else openvino_itself(file_of, precision)


def pytorch_itself(module, precision):
    import torch

    def run(frame):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            return module(torch.from_numpy(frame))[0].float().numpy()

    return run


def onnxruntime_itself(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda frame: session.run(None, {"frame": frame})[0]


def openvino_itself(file_of, precision):
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32" if precision == "fp32" else "bf16"}
    compiled = openvino.Core().compile_model(str(file_of("fp32")), "CPU", settings)
    return lambda frame: compiled(frame)[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.benchmark(group="ResNet-9, one picture of 256x256")
def test_latency(kind, benchmark, graph, file_of, pictures):
    import torch

    torch.set_num_threads(CORES)
    run = callable_of(kind, graph, file_of)
    frames = [tensor(picture) for picture in pictures]
    benchmark.pedantic(run, (frames[0],), rounds=ROUNDS, warmup_rounds=1)
    reference = pytorch_itself(graph.module, "fp32")
    errors = [np.square(np.clip(reference(frame) - run(frame), -2, 2)).mean() for frame in frames]
    psnr_db = 10 * np.log10(4 / max(float(np.mean(errors)), 1e-16))
    benchmark.extra_info["psnr_db"] = round(psnr_db, 1)
    benchmark.extra_info["cores"] = CORES
    assert psnr_db >= LEAST_PSNR_DB[kind.rsplit(" ", 1)[1]]
