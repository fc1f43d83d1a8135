"""Time a whole translation of a clip with sound through the bundled look, and loops without Rotoscope.

In one run, at the same precision: the common loop (OpenCV, NumPy, the same ONNX Runtime session on all cores),
a PyTorch eager loop of the same network, and a tuned loop (OpenVINO's asynchronous queue). The loops keep
neither times nor sound.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import rotoscope
from rotoscope.assembly.models import model_path

ROUNDS = int(os.environ.get("ROUNDS", "5"))
LOOK = "starry"
CORES = len(os.sched_getaffinity(0))


def frames_of(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def first_frame(path):
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(np.float64)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a - b) ** 2))


@dataclass
class OpenCvLoop:
    """cv2.VideoCapture -> NumPy -> a function on NCHW float -> NumPy -> cv2.VideoWriter, frame by frame."""

    run_network: object

    def __call__(self, source, target):
        capture = cv2.VideoCapture(str(source))
        size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS), size)
        while True:
            found, bgr = capture.read()
            if not found:
                break
            writer.write(from_network(self.run_network(to_network(bgr))))
        writer.release()
        capture.release()


def to_network(bgr):
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None]).astype(np.float32) / 127.5 - 1


def from_network(output):
    rgb = np.clip((output[0] + 1) * 127.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR)


def onnxruntime_loop():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(str(model_path(LOOK)), options, providers=["CPUExecutionProvider"])
    return OpenCvLoop(lambda frame: session.run(None, {"frame": frame})[0])


def torch_loop():
    import torch
    from gpu_phases.networks import look_module

    torch.set_num_threads(CORES)
    network = look_module(LOOK)

    def run(frame):
        with torch.inference_mode():
            return network(torch.from_numpy(frame)).numpy()

    return OpenCvLoop(run)


def openvino_queue_loop():
    """Run the tuned loop: asynchronous requests, bf16, throughput mode; frames are written in order."""
    import openvino

    core = openvino.Core()
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "bf16"}
    compiled = core.compile_model(core.read_model(str(model_path(LOOK))), "CPU", settings)

    def loop(source, target):
        capture = cv2.VideoCapture(str(source))
        size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS), size)
        queue = openvino.AsyncInferQueue(compiled, 0)
        done, written = {}, 0

        def keep(request, index):
            done[index] = request.get_output_tensor().data.copy()

        queue.set_callback(keep)
        index = 0
        while True:
            found, bgr = capture.read()
            if not found:
                break
            queue.start_async({"frame": to_network(bgr)}, index)
            index += 1
            while written in done:
                writer.write(from_network(done.pop(written)))
                written += 1
        queue.wait_all()
        while written in done:
            writer.write(from_network(done.pop(written)))
            written += 1
        writer.release()
        capture.release()

    return loop


def rotoscope_run(**options):
    look = rotoscope.load(LOOK, **options)  # opened once, like the sessions of the loops

    def run(source, target):
        # The loops do not steady their results.
        rotoscope.translate(source, target, model=look, steady="off", overwrite=True)

    return run


def measured(benchmark, run, clip, target, group):
    path, width, height, num_frames = clip
    benchmark.group = f"{group} {width}x{height}"
    run(path, target)  # compile, load, warm the page cache
    benchmark.pedantic(run, args=(path, target), rounds=ROUNDS, iterations=1)
    benchmark.extra_info["frames"] = num_frames
    benchmark.extra_info["fps"] = round(num_frames / benchmark.stats.stats.median, 2)
    assert frames_of(target) == num_frames
    expected = rotoscope.load(LOOK)(first_frame(path).astype(np.uint8))
    # mp4v of the loops and x264 of ours are lossy; a wrong range, order or size would be far below this.
    assert psnr(first_frame(target), expected) > 20


@pytest.mark.parametrize("kind", ["rotoscope", "common loop", "PyTorch eager loop"])
def test_fp32(benchmark, clip, tmp_path, kind):
    makers = {"rotoscope": rotoscope_run, "common loop": onnxruntime_loop, "PyTorch eager loop": torch_loop}
    measured(benchmark, makers[kind](), clip, tmp_path / "out.mp4", "fp32")


@pytest.mark.parametrize("kind", ["rotoscope", "tuned loop"])
def test_bf16(benchmark, clip, tmp_path, kind):
    pytest.importorskip("openvino")
    from rotoscope.runtime.engines.openvino import has_bf16

    if not has_bf16():
        pytest.skip("this CPU has no bf16 arithmetic")
    run = rotoscope_run(engine="openvino", precision="bf16") if kind == "rotoscope" else openvino_queue_loop()
    measured(benchmark, run, clip, tmp_path / "out.mp4", "bf16")


def cpu_seconds(work):
    begin = time.process_time()
    work()
    return time.process_time() - begin


def indispensable_cpu_seconds(path, target):
    """Return the CPU time of the necessary parts, each alone on one thread: decode, to RGB, network, to 4:2:0, encode."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model_path(LOOK)), options, providers=["CPUExecutionProvider"])
    pictures, results = [], []

    def decode():
        with av.open(str(path)) as container:
            pictures.extend(frame.to_ndarray(format="rgb24", threads=1) for frame in container.decode(video=0))

    def network():
        frame = to_network(pictures[0])
        for _ in pictures:
            session.run(None, {"frame": frame})

    def encode():
        with av.open(str(target), "w") as container:
            stream = container.add_stream("libx264", rate=30, options={"crf": "18", "preset": "superfast"})
            stream.width, stream.height, stream.pix_fmt = pictures[0].shape[1], pictures[0].shape[0], "yuv420p"
            stream.codec_context.thread_count = 1
            for picture in results:
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p", threads=1)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    seconds = cpu_seconds(decode) + cpu_seconds(network)
    look = rotoscope.load(LOOK)
    results.extend(look(picture) for picture in pictures)
    return seconds + cpu_seconds(encode)


def test_overlap(benchmark, clip, tmp_path):
    """Compare the real time with the ideal: CPU time of the necessary parts divided by the number of cores."""
    path, width, height, num_frames = clip
    benchmark.group = f"overlap {width}x{height}"
    target = tmp_path / "out.mp4"
    run = rotoscope_run()
    run(path, target)
    indispensable = indispensable_cpu_seconds(path, tmp_path / "alone.mp4")
    benchmark.pedantic(run, args=(path, target), rounds=ROUNDS, iterations=1)
    ratio = benchmark.stats.stats.median / (indispensable / CORES)
    benchmark.extra_info.update(
        frames=num_frames, indispensable_cpu_seconds=round(indispensable, 3), ratio=round(ratio, 3)
    )
    assert frames_of(target) == num_frames


@pytest.mark.timeout(3600)  # the long clip takes many minutes
def test_memory_does_not_grow(benchmark, tmp_path):
    """Compare the peak memory of a 10,883-frame 1080p clip with that of its first 300 frames, each in its own process."""
    import json
    import subprocess
    import sys

    source = Path(__file__).parents[2] / "shared/data/videos/long/long_1080p_videoonly_lowbitrate.mp4"
    if not source.exists():
        pytest.skip("the long clip is in the shared data folder, which is not here")

    def peak(*flags):
        report = tmp_path / "report.json"
        command = [
            sys.executable,
            "-m",
            "rotoscope",
            "translate",
            str(source),
            "-o",
            str(tmp_path / "out.mp4"),
            "-m",
            LOOK,
        ]
        command += ["--working-size", "320x180", "--overwrite", "--report", str(report), *flags]
        subprocess.run(command, check=True, capture_output=True)
        content = json.loads(report.read_text())
        report.unlink()
        return content

    short = peak("--duration", "10")
    long = benchmark.pedantic(peak, rounds=1, iterations=1)
    growth = long["peak_memory_mb"] - short["peak_memory_mb"]
    benchmark.group = "memory"
    benchmark.extra_info.update(
        frames=long["frames_out"],
        short_mb=short["peak_memory_mb"],
        long_mb=long["peak_memory_mb"],
        growth_mb=round(growth, 1),
    )
    assert (short["frames_out"], long["frames_out"]) == (300, 10_883)
    assert growth < 40
