"""The loop that people write by hand, as a peer: OpenCV, NumPy and an ONNX Runtime session, frame after frame."""

import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from rotoscope.base.errors import OutputFailed
from rotoscope.base.extras import needs_extra
from rotoscope.base.frame import Array
from rotoscope.base.telemetry import without_telemetry
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.scenarios.clip_frames import ClipFrames
from rotoscope.scenarios.machine import memory_mb
from rotoscope.scenarios.offline import FileProgram
from rotoscope.scenarios.plain_network import PlainNetwork
from rotoscope.scenarios.rounds import Round, Rounds, made_round

WARM_UP_FRAMES = 3
ENGINE = "onnxruntime fp32 cpu, 1 in flight"
Paint = Callable[[Array], Array]
"""(H,W,3) uint8 BGR of OpenCV -> the same, painted."""


def paint_by_hand(network: PlainNetwork, threads: int) -> Paint:
    """The loop's body: to RGB floats of the model's range, one call on all threads, and back to 8-bit BGR."""
    manifest = network.manifest
    with without_telemetry(), needs_extra("cpu"):
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(network.path), options, providers=["CPUExecutionProvider"])
    low, high = manifest.frame.range
    out_low, out_high = manifest.output.range
    mean, std = np.array(manifest.frame.mean, np.float32), np.array(manifest.frame.std, np.float32)
    frame_is_rgb, output_is_rgb = manifest.frame.order == "RGB", manifest.output.order == "RGB"

    def paint(bgr: Array) -> Array:
        picture = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) if frame_is_rgb else bgr
        values = picture.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
        values = np.ascontiguousarray(((values - mean) / std).transpose(2, 0, 1)[None])
        (output,) = session.run([manifest.output.tensor], {manifest.frame.tensor: values, **network.inputs})
        levels = (output[0].transpose(1, 2, 0) - out_low) * (255 / (out_high - out_low))
        painted = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return cv2.cvtColor(painted, cv2.COLOR_RGB2BGR) if output_is_rgb else np.ascontiguousarray(painted)

    return paint


def single_by_hand(network: PlainNetwork, threads: int, clip: ClipFrames, seconds: float, num_rounds: int) -> Rounds:
    """Time decoded BGR pictures, one after the other."""
    paint = paint_by_hand(network, threads)
    pictures = cycle([np.ascontiguousarray(rgb_picture(picture)[..., ::-1]) for picture in clip.pictures])
    for picture in islice(pictures, WARM_UP_FRAMES):
        paint(picture)
    rounds: list[Round] = []
    for _ in range(num_rounds):
        latencies: list[float] = []
        cpu, begin = time.process_time(), time.perf_counter()
        now = begin
        while now - begin < seconds or not latencies:
            paint(next(pictures))
            after = time.perf_counter()
            latencies.append(after - now)
            now = after
        rounds.append(made_round(latencies, now - begin, time.process_time() - cpu))
    return Rounds(
        what="by hand, single", size=f"{clip.info.width}x{clip.info.height}", engine=ENGINE, steady="off",
        rounds=tuple(rounds), memory_mb=memory_mb(), network=network.label,
    )  # fmt: skip


def by_hand(network: PlainNetwork, threads: int) -> FileProgram:
    """The loop from file to file: cv2.VideoCapture, its body, cv2.VideoWriter; no sound, no exact times."""
    paint = paint_by_hand(network, threads)

    def translate(source: Path, target: Path) -> int:
        return _translate(paint, source, target)

    return FileProgram("by hand, file to file", ENGINE, network.label, translate)


def _translate(paint: Paint, source: Path, target: Path) -> int:
    capture = cv2.VideoCapture(str(source))
    writer: cv2.VideoWriter | None = None
    count = 0
    try:
        while (found := capture.read())[0]:
            painted = paint(found[1])
            if writer is None:
                size = (painted.shape[1], painted.shape[0])
                rate = capture.get(cv2.CAP_PROP_FPS)
                writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
            writer.write(painted)
            count += 1
    finally:
        capture.release()
        if writer is not None:
            writer.release()
    if not count:
        raise OutputFailed("OpenCV decoded no frame of the clip")
    return count
