"""Compare distilled students with their teacher, and with the teacher at smaller working sizes: milliseconds against LPIPS.

    python benchmarks/distillation.py TEACHER CLIP --students A.safetensors [B.safetensors ...] --lpips FILE
        [--style 1] [--precisions fp32 bf16 int8] [--scales 0.25 0.35 0.5] [--frames 24] [--size 640x360]
        [--name candy --json FILE] [--chart SVG]

TEACHER and students are checkpoints; a student may be an .onnx file, in fp32 and bf16. Every model runs on every frame; fp32
and int8 (calibrated on the clip) on ONNX Runtime, bf16 on OpenVINO. Pictures of a smaller working size are enlarged.
Numbers: milliseconds of a frame without decoding and encoding (median; all models in turn, so that other work on the machine
meets all alike), the same as a ratio to `starry`, multiply-adds, LPIPS (SqueezeNet) to the teacher at full size and to the
source (a student that changes nothing is no student), sharpness (gradient energy of the finest octave, teacher = 1), E_warp
frame by frame by DIS (medium, full size), the largest lattice share. The chart shows milliseconds and LPIPS. With `--json` the
rows are written under the name of the teacher; those of other teachers in the file stay.
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

import rotoscope
from rotoscope.base.files import part_file
from rotoscope.base.processor import cpu_name
from rotoscope.export.convert import count_macs, open_network
from rotoscope.export.options import ExportOptions
from rotoscope.metrics.feature_distances import LpipsDistance
from rotoscope.metrics.gradient_energy import gradient_energy, relative_energy
from rotoscope.metrics.lattice import lattice_share
from rotoscope.metrics.warping_error import visible, warping_error
from rotoscope.plots.chart import Series, chart
from rotoscope.runtime.motion.dis import DisFlow

ROUNDS = 7
YARDSTICK = "starry"


def frames_of(clip, num_frames, size):
    """(H,W,3) uint8 frames of a clip at (width, height)."""
    found = []
    with rotoscope.read(clip) as reader:
        for frame in reader:
            found.append(cv2.resize(rotoscope.rgb(frame.source), size, interpolation=cv2.INTER_AREA))
            if len(found) == num_frames:
                break
    return found


def milliseconds(models, picture):
    """Return the median time of a frame of each model without decoding and encoding, in milliseconds; the models take turns."""
    for model in models.values():
        model(picture)
    spent = {name: [] for name in models}
    for _ in range(ROUNDS):
        for name, model in models.items():
            begin = time.perf_counter()
            model(picture)
            spent[name].append(time.perf_counter() - begin)
    return {name: 1e3 * float(np.median(times)) for name, times in spent.items()}


def flicker(shown, motion):
    """Return the mean E_warp of neighbouring pictures, (H,W,3) uint8."""
    errors = [warping_error(a, b, flow, valid) for (a, b), (flow, valid) in zip(pairwise(shown), motion, strict=True)]
    return float(np.nanmean(errors))


def multiply_adds(checkpoint, size):
    """Return billions of multiply-adds for a frame of (width, height), scaled by area from those at 256x256; NaN for ONNX."""
    if Path(checkpoint).suffix == ".onnx":
        return float("nan")
    graph = open_network([Path(checkpoint)], ExportOptions()).graph
    return count_macs(graph) / 1e9 * size[0] * size[1] / 256**2


def opened(student, precision, clip, folder):
    """Return a student in a precision."""
    if precision == "bf16":
        return rotoscope.load(student, engine="openvino", precision="bf16")
    if precision == "int8":
        file = Path(folder) / f"{Path(student).resolve().parent.name}-{Path(student).stem}-int8.onnx"
        rotoscope.export_model(student, file, precision="int8", calibrate=clip)
        return rotoscope.load(file)
    return rotoscope.load(student)


def measured(models, macs, pictures, options):
    """Return a row of numbers for each model; the teacher at full size is the first of them."""
    flow = DisFlow("medium", 1.0)
    ways = [(flow(a, b), flow(b, a)) for a, b in pairwise(pictures)]
    motion = [(there, visible(there, back)) for there, back in ways]
    distance = LpipsDistance(options.lpips)
    times = milliseconds({YARDSTICK: rotoscope.load(YARDSTICK), **models}, pictures[0])
    full, rows = None, {}
    for name, model in models.items():
        shown = [model(picture) for picture in pictures]
        full = full or shown
        rows[name] = {
            "ms": times[name],
            "ratio": times[name] / times[YARDSTICK],
            "GMAC": macs[name],
            "LPIPS": float(np.mean([distance(a, b) for a, b in zip(shown, full, strict=True)])),
            "LPIPS to the source": float(np.mean([distance(a, b) for a, b in zip(shown, pictures, strict=True)])),
            "sharpness": float(relative_energy([*map(gradient_energy, shown)], [*map(gradient_energy, full)])[0]),
            "E_warp": flicker(shown, motion),
            "lattice": float(np.nanmax([max(lattice_share(picture)) for picture in shown])),
        }
        print(f"{name:32}" + "  ".join(f"{key} {value:.4g}" for key, value in rows[name].items()), flush=True)
    return rows


def curve(rows):
    """Return the SVG of milliseconds against LPIPS: smaller working sizes of the teacher and each precision as a series.

    The teacher at full size is left out: its LPIPS is 0, and beside its time the other points would be crowded at the left.
    A student is named at its first precision only, because its precisions lie close together.
    """
    kinds, named = {}, set()
    for name, row in rows.items():
        if name == "teacher":
            continue
        student, _, precision = name.rpartition(" ")
        kind, label = (
            ("teacher", name) if name.startswith("teacher") else (precision, "" if student in named else student)
        )
        named.add(student)
        kinds.setdefault(kind, []).append((row["ms"], row["LPIPS"], label))
    series = [
        Series(kind, *(list(column) for column in zip(*sorted(points), strict=True))) for kind, points in kinds.items()
    ]
    return chart(
        series,
        title="Students and teacher",
        x_label="milliseconds a frame",
        y_label="LPIPS to the teacher",
        size=(900, 420),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher")
    parser.add_argument("clip")
    parser.add_argument("--students", nargs="+", required=True)
    parser.add_argument("--lpips", type=Path, required=True)
    parser.add_argument("--style", type=int, help="of a teacher with several, such as 1")
    parser.add_argument("--name", default="", help="of the teacher in the JSON file; by default that of its file")
    parser.add_argument("--precisions", nargs="+", default=["fp32"], choices=["fp32", "bf16", "int8"])
    parser.add_argument("--scales", nargs="*", type=float, default=[0.25, 0.35, 0.5])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chart", type=Path)
    options = parser.parse_args()
    size = tuple(map(int, options.size.split("x")))
    pictures = frames_of(options.clip, options.frames, size)
    with TemporaryDirectory() as folder:
        style = {} if options.style is None else {"style": options.style}
        models = {"teacher": rotoscope.load(options.teacher, **style)}
        macs = {"teacher": multiply_adds(options.teacher, size)}
        for scale in options.scales:
            small = tuple(round(scale * side) for side in size)
            name = f"teacher at {small[0]}x{small[1]}"
            models[name] = rotoscope.load(options.teacher, working_size=f"{small[0]}x{small[1]}", **style)
            macs[name] = multiply_adds(options.teacher, small)
        for student in options.students:
            for precision in options.precisions:
                name = f"{Path(student).resolve().parent.name} {precision}"
                try:
                    models[name] = opened(student, precision, options.clip, folder)
                    models[name](pictures[0])
                except (rotoscope.UsageError, rotoscope.ModelRefused) as error:  # no bf16 here; int8 loses too much
                    print(f"{name}: left out, {error}")
                    models.pop(name, None)
                    continue
                macs[name] = multiply_adds(student, size)
        rows = measured(models, macs, pictures, options)
    if options.json:
        content = json.loads(options.json.read_text()) if options.json.exists() else {}
        name = options.name or Path(options.teacher).stem
        content[name] = {"cpu": cpu_name(), "size": options.size, "frames": options.frames, "rows": rows}
        with part_file(options.json, overwrite=True) as part:
            part.write_text(json.dumps(content, indent=1) + "\n")
    if options.chart:
        with part_file(options.chart, overwrite=True) as part:
            part.write_text(curve(rows))


if __name__ == "__main__":
    main()
