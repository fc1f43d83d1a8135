"""The loop that people write by hand, as a peer: OpenCV, NumPy and an ONNX Runtime session, frame after frame."""

import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.extras import needs_extra
from rotoscope.base.frame import Array
from rotoscope.base.manifest import Manifest
from rotoscope.base.sizes import Size
from rotoscope.base.telemetry import without_telemetry
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.scenarios.clip_frames import ClipFrames
from rotoscope.scenarios.machine import memory_mb
from rotoscope.scenarios.offline import FEWEST_FRAMES, MOST_FRAMES, write_clip
from rotoscope.scenarios.rounds import Round, Rounds, counted_round, made_round

WARM_UP_FRAMES = 3
Paint = Callable[[Array], Array]
"""(H,W,3) uint8 BGR of OpenCV -> the same, painted."""


def paint_by_hand(path: Path, manifest: Manifest, size: Size, threads: int) -> Paint:
    """The loop's body: to RGB floats of the model's range, one call on all threads, and back to 8-bit BGR.

    Raises UsageError for models that take more than one picture in colour, or not a picture of this size.
    """
    _check_simple(manifest, size)
    with without_telemetry(), needs_extra("cpu"):
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    low, high = manifest.frame.range
    out_low, out_high = manifest.output.range
    mean, std = np.array(manifest.frame.mean, np.float32), np.array(manifest.frame.std, np.float32)
    frame_is_rgb, output_is_rgb = manifest.frame.order == "RGB", manifest.output.order == "RGB"

    def paint(bgr: Array) -> Array:
        picture = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) if frame_is_rgb else bgr
        values = picture.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
        values = np.ascontiguousarray(((values - mean) / std).transpose(2, 0, 1)[None])
        (output,) = session.run([manifest.output.tensor], {manifest.frame.tensor: values})
        levels = (output[0].transpose(1, 2, 0) - out_low) * (255 / (out_high - out_low))
        painted = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return cv2.cvtColor(painted, cv2.COLOR_RGB2BGR) if output_is_rgb else np.ascontiguousarray(painted)

    return paint


def single_by_hand(paint: Paint, clip: ClipFrames, seconds: float, num_rounds: int) -> Rounds:
    """Time decoded BGR pictures, one after the other."""
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
    return _rounds("by hand, single", clip, rounds)


def file_by_hand(paint: Paint, clip: ClipFrames, fps: float, seconds: float, num_rounds: int) -> Rounds:
    """Time cv2.VideoCapture -> the loop's body -> cv2.VideoWriter on a file of about `seconds`; no sound, no exact times."""
    num_frames = min(MOST_FRAMES, max(FEWEST_FRAMES, round(fps * seconds)))
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="rotoscope-bench-") as name:
        source, target = Path(name) / "clip.mp4", Path(name) / "out.mp4"
        write_clip(clip, num_frames, source)
        for _ in range(num_rounds):
            cpu, begin = time.process_time(), time.perf_counter()
            count = _translate(paint, source, target)
            taken = time.perf_counter() - begin
            rounds.append(counted_round(count, taken, time.process_time() - cpu))
    return _rounds("by hand, file to file", clip, rounds)


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


def _check_simple(manifest: Manifest, size: Size) -> None:
    frame = manifest.frame
    fits = all(
        side % frame.multiple == 0 and fixed in (None, side)
        for side, fixed in zip(size, (frame.width, frame.height), strict=True)
    )
    more = [
        what
        for what, is_there in (
            ("state", manifest.state),
            ("a mask", manifest.mask),
            ("instance maps", manifest.instances),
            ("a style", manifest.style),
            ("a second picture", manifest.second),
            ("label maps", frame.labels),
            ("several frames", frame.window),
            (f"{frame.dtype} numbers", frame.dtype != "float32"),
            (f"{frame.channels} channels", frame.channels != 3 or manifest.output.channels != 3),
            ("NHWC pictures", "NHWC" in (frame.layout, manifest.output.layout)),
            ("its finish outside the graph", manifest.composite),
            (f"sides of its own, not {size[0]}x{size[1]}", not fits),
        )
        if is_there
    ]
    if more:
        raise UsageError(
            f"--peer: {manifest.name} has {more[0]}; the loop by hand is for networks from picture to picture"
        )


def _rounds(what: str, clip: ClipFrames, rounds: list[Round]) -> Rounds:
    return Rounds(
        what=what, size=f"{clip.info.width}x{clip.info.height}", engine="onnxruntime fp32 cpu, 1 in flight", steady="off",
        rounds=tuple(rounds), memory_mb=memory_mb(),
    )  # fmt: skip
