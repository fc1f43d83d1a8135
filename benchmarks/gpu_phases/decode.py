"""Decode on the GPU: are the pictures those of the software decoder, bit by bit, and how many come in a second."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from gpu_phases.phase import Phase
from rotoscope.base.device import FIRST_GPU
from rotoscope.base.gpu_run import GpuRun
from rotoscope.runtime.media.nvdec import DEPTHS, why_not
from rotoscope.runtime.media.open_source import open_source
from rotoscope.runtime.media.synthetic import PREFIX

CLIPS = {  # name: encoder, pixel format, options
    "H.264": ("libx264", "yuv420p", {"bf": "2", "preset": "ultrafast"}),
    "HEVC, 10 bits": ("libx265", "yuv420p10le", {"preset": "ultrafast", "x265-params": "log-level=error"}),
}


def run(phase: Phase) -> None:
    sizes = (("160x96", 12),) if phase.simulated else (("1280x720", 240), ("1920x1080", 240))
    with tempfile.TemporaryDirectory() as folder:
        for name, encoding in CLIPS.items():
            for size, num_frames in sizes:
                path = Path(folder) / f"{name[:4].strip('.')}-{size}.mp4"
                row = {"clip": name, "size": size}
                try:
                    make_clip(path, size, num_frames, *encoding)
                    phase.add("clips", {**row, **decoded(phase, path)})
                except Exception as error:  # recorded: FFmpeg may be built without an encoder
                    phase.add("clips", {**row, "reason": f"{type(error).__name__}: {error}"[:300]})
    clips = phase.results["clips"]
    failed = [f"{row['clip']} {row['size']}" for row in clips if "reason" in row]
    wrong = [f"{row['clip']} {row['size']}" for row in clips if not row.get("is_equal", True)]
    if wrong:
        phase.save(state="disagrees", reason=f"not equal to software decoding: {', '.join(wrong)}")
    elif failed:
        phase.save(state="failed", reason=f"not decoded: {', '.join(failed)}")


def make_clip(path: Path, size: str, num_frames: int, codec: str, pixel_format: str, options: dict[str, str]) -> None:
    """Encode generated frames."""
    with open_source(f"{PREFIX}{size}@30:{num_frames}") as source, av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = source.info.width, source.info.height, pixel_format
        for frame in source:
            planes = frame.source.planes
            whole = np.concatenate([planes[0].ravel(), planes[1].ravel(), planes[2].ravel()])
            picture = av.VideoFrame.from_ndarray(whole.reshape(-1, source.info.width), format="yuv420p")
            container.mux(stream.encode(picture.reformat(format=pixel_format)))
        container.mux(stream.encode())


def decoded(phase: Phase, path: Path) -> dict:
    """Decode a clip on the GPU and in software; compare every picture, then time both."""
    run_on_gpu = GpuRun(FIRST_GPU)
    with open_source(str(path)) as source:
        reason = why_not(source.info)
    if reason:
        raise ValueError(reason)
    compared = differing = 0
    depth = 0
    with open_source(str(path)) as software:
        for made, frame in zip(on_gpu(path, run_on_gpu), software, strict=True):
            luma, cb, cr = (plane.astype(np.int64) << shift(made, frame) for plane in frame.source.planes)
            expected = luma, np.stack([cb, cr], -1)
            planes = [plane.get() for plane in made.source.planes]
            differing += not all(np.array_equal(a, b) for a, b in zip(planes, expected, strict=True))
            compared, depth = compared + 1, made.source.depth
    row = {"frames": compared, "frames_that_differ": differing, "is_equal": compared > 0 and not differing}
    row |= {"depth": depth, "on_gpu": depth in DEPTHS.values()}
    if not phase.simulated:
        row["nvdec_fps"] = round(per_second(on_gpu(path, run_on_gpu), run_on_gpu), 1)
        with open_source(str(path), threads=0) as software:
            row["software_fps"] = round(per_second(iter(software), run_on_gpu), 1)
    return row


def shift(made, frame) -> int:
    """Return by how many bits a code value is shifted in a surface: P010 holds 10 bits at the top of 16."""
    return made.source.depth - frame.source.depth


def on_gpu(path: Path, run_on_gpu: GpuRun) -> Iterator:
    """Yield the frames that NVDEC decodes, copied out of its surfaces."""
    from dataclasses import replace

    with run_on_gpu.active(), open_source(str(path), gpu=FIRST_GPU) as source:
        if source.info.pixel_format not in DEPTHS:
            raise ValueError("the GPU's decoder did not take it")
        for frame in source:
            planes = run_on_gpu.from_decoder(frame.source.planes)
            yield replace(frame, source=replace(frame.source, planes=planes))
        run_on_gpu.wait()


def per_second(frames: Iterator, run_on_gpu: GpuRun) -> float:
    """Return how many frames come in a second, from the first one on."""
    next(frames)
    begin, count = time.perf_counter(), 0
    for _ in frames:
        count += 1
    run_on_gpu.wait()
    return count / (time.perf_counter() - begin)
