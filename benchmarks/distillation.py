"""Compare a distilled student with its teacher, and with the teacher at a working size that takes as long as the student.

    python benchmarks/distillation.py TEACHER STUDENT CLIP --lpips FILE [--frames 24] [--size 640x360] [--json FILE]

TEACHER and STUDENT are checkpoints; both run on ONNX Runtime fp32 with all cores. The small teacher works at the largest size
that takes at most the student's time, and its picture is enlarged. Numbers: milliseconds per frame (median), multiply-adds,
LPIPS (SqueezeNet) to the teacher at full size, E_warp frame by frame by DIS (medium, full size).
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

import rotoscope
from rotoscope.base.processor import cpu_name
from rotoscope.export.convert import count_macs, open_network
from rotoscope.export.options import ExportOptions
from rotoscope.metrics.feature_distances import LpipsDistance
from rotoscope.metrics.warping_error import visible, warping_error
from rotoscope.runtime.motion.dis import DisFlow

ROUNDS = 7
SMALLEST_PX = 32  # least working height of the small teacher


def frames_of(clip, num_frames, size):
    """(H,W,3) uint8 frames of a clip at (width, height)."""
    found = []
    with rotoscope.read(clip) as reader:
        for frame in reader:
            found.append(cv2.resize(rotoscope.rgb(frame.source), size, interpolation=cv2.INTER_AREA))
            if len(found) == num_frames:
                break
    return found


def milliseconds(model, picture):
    """Return the time of one frame without decoding and encoding, in milliseconds."""
    model(picture)
    spent = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        model(picture)
        spent.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(spent))


def as_quick(teacher, student, picture):
    """Return the teacher at the largest working size, with the picture's aspect, that takes at most the student's time.

    The student is timed again with every candidate, because other work on the machine changes.
    """
    height, width = picture.shape[:2]
    low, high = SMALLEST_PX, height
    while high - low > 8:
        rows = (low + high) // 2
        model = rotoscope.load(teacher, working_size=f"{round(rows * width / height)}x{rows}")
        low, high = (rows, high) if milliseconds(model, picture) <= milliseconds(student, picture) else (low, rows)
    size = f"{round(low * width / height)}x{low}"
    return rotoscope.load(teacher, working_size=size), size


def flicker(shown, motion):
    """Return the mean E_warp of neighbouring pictures, (H,W,3) uint8."""
    errors = [warping_error(a, b, flow, valid) for (a, b), (flow, valid) in zip(pairwise(shown), motion, strict=True)]
    return float(np.nanmean(errors))


def multiply_adds(checkpoint, size):
    """Return billions of multiply-adds for a frame of (width, height), scaled by area from those at 256x256."""
    graph = open_network([Path(checkpoint)], ExportOptions()).graph
    return count_macs(graph) / 1e9 * size[0] * size[1] / 256**2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher")
    parser.add_argument("student")
    parser.add_argument("clip")
    parser.add_argument("--lpips", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    pictures = frames_of(options.clip, options.frames, (width, height))
    flow = DisFlow("medium", 1.0)
    ways = [(flow(a, b), flow(b, a)) for a, b in pairwise(pictures)]
    motion = [(there, visible(there, back)) for there, back in ways]
    distance = LpipsDistance(options.lpips)

    teacher, student = rotoscope.load(options.teacher), rotoscope.load(options.student)
    small, small_size = as_quick(options.teacher, student, pictures[0])
    full = [teacher(picture) for picture in pictures]
    rows = {}
    for name, model, macs in (
        ("teacher", teacher, multiply_adds(options.teacher, (width, height))),
        ("student", student, multiply_adds(options.student, (width, height))),
        (f"teacher at {small_size}", small, multiply_adds(options.teacher, tuple(map(int, small_size.split("x"))))),
    ):
        shown = [model(picture) for picture in pictures]
        rows[name] = {
            "ms": milliseconds(model, pictures[0]),
            "GMAC": macs,
            "LPIPS": float(np.mean([distance(a, b) for a, b in zip(shown, full, strict=True)])),
            "E_warp": flicker(shown, motion),
        }
        print(f"{name:24}" + "  ".join(f"{key} {value:.4g}" for key, value in rows[name].items()), flush=True)
    if options.json:
        content = {"cpu": cpu_name(), "size": options.size, "frames": options.frames, "rows": rows}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
