"""Measure how steady, close and sharp blend, HyperCon and key frames are, beside plain low-pass filters.

    python benchmarks/steady_quality.py --cache FOLDER [--pairs car flower ...] [--json FILE] [--plot FILE]
    python benchmarks/steady_quality.py --cache FOLDER --clip FILE --weights FILE [--start SECONDS]

Needs ../shared (clips and weights). Each pair is a network on a clip, at about 640 pixels across; methods were tuned on the
first three. E_warp is judged with two flows that no method uses: RAFT-small (on the demo clip the true flow) and DIS medium at
full size. Numbers: gain in E_warp over frame by frame by each judge, LPIPS (SqueezeNet) to frame by frame, gradient energy by
octave relative to frame by frame. With --json, other pairs in the file are kept. docs/lab/steadiness.md shows the results.
"""

import argparse
import json
import platform
from pathlib import Path

import cv2
import numpy as np
from steady_fronts import fronts
from steady_material import PAIRS, WEIGHTS, Material, Pair

from rotoscope.base.stage import Chain, run_stage
from rotoscope.base.times import StageTimes
from rotoscope.kernels.blend import blend
from rotoscope.metrics.feature_distances import LpipsDistance
from rotoscope.metrics.gradient_energy import gradient_energy, relative_energy
from rotoscope.metrics.warping_error import warping_error
from rotoscope.runtime.steady.blend import Blend
from rotoscope.runtime.steady.hypercon import HyperCon, Neighbourhood
from rotoscope.runtime.steady.keyframes import Carry, ChooseKeys

SETTLING = 2  # pairs of frames at the start that are not judged
LPIPS_EVERY = 3
STRENGTHS = 0.25, 0.5, 0.75, 1.0
FRAME_BY_FRAME = "frame by frame"


def whole(size):
    return (0, 0, *size)


def shown(frames):
    return (frame.pixels() for frame in frames)


def recursion(frames, weight, *, sampling="cubic", sharpen=0.0):
    """Mix with a fixed weight of history; the output, not the history, is sharpened by an unsharp mask of one pixel."""
    history = None
    for frame in frames:
        if history is None or frame.motion is None:
            history = frame.pixels()
        else:
            motion = frame.motion
            history = blend(
                frame.pixels(), history, motion.to_previous, strength=weight, confidence=motion.trust, sampling=sampling
            )
        soft = cv2.GaussianBlur(history, (0, 0), 1.0)
        yield history + sharpen * (history - soft)


def blended(frames, strength):
    return shown(run_stage(Blend(strength, whole, StageTimes()), frames))


def pooled(frames, **around):
    return shown(run_stage(HyperCon(Neighbourhood(**around), whole, StageTimes()), frames))


def keyed(frames):
    """Every fourth frame's translation, moved over the others; their own translations are not used."""
    return run_stage(Chain((ChooseKeys(4), Carry(whole, StageTimes()))), frames)


METHODS = {
    FRAME_BY_FRAME: lambda m: shown(m.frames()),
    "control: blur, 1 px": lambda m: (cv2.GaussianBlur(picture, (0, 0), 1.0) for picture in shown(m.frames())),
    "control: history only": lambda m: recursion(m.frames(trusted=False), 1.0),
    "control: recursion 0.6": lambda m: recursion(m.frames(trusted=False), 0.6, sampling="bilinear"),
    "control: recursion 0.7, cubic": lambda m: recursion(m.frames(trusted=False), 0.7),
    "control: recursion 0.7, cubic, unsharp 0.3": lambda m: recursion(m.frames(trusted=False), 0.7, sharpen=0.3),
    "control: recursion 0.7, cubic, unsharp 0.5": lambda m: recursion(m.frames(trusted=False), 0.7, sharpen=0.5),
    # HyperCon without inserted frames is a filter over neighbouring frames.
    "control: mean of three": lambda m: pooled(m.frames(), insert=0, window=1, dilation=1),
    "control: median of five": lambda m: pooled(m.frames(), insert=0, window=2, dilation=1, pool="median"),
    "ingredient: trust": lambda m: recursion(m.frames(), 0.7125),
    "ingredient: trust, bilinear history": lambda m: recursion(m.frames(), 0.7125, sampling="bilinear"),
    "ingredient: detail, no trust": lambda m: blended(m.frames(trusted=False), 0.75),
    **{f"blend {s}": lambda m, s=s: blended(m.frames(), s) for s in STRENGTHS},
    # Of the paper's i=3, window 2, dilation 2 only the inserted frame half-way between two frames is pooled.
    "hypercon, i=3 window 2 dilation 2, mean": lambda m: pooled(m.finer(), insert=1, window=2, dilation=1),
    "hypercon, i=3 window 2 dilation 2, median": lambda m: pooled(
        m.finer(), insert=1, window=2, dilation=1, pool="median"
    ),
    "hypercon, i=1 window 1 dilation 1, mean": lambda m: pooled(m.finer(), insert=1, window=1, dilation=1),
    **{
        f"hypercon, weighted {s}, i=0 window 3 dilation 1": lambda m, s=s: pooled(
            m.frames(), insert=0, window=3, dilation=1, pool="weighted", strength=s
        )
        for s in STRENGTHS
    },
    "hypercon, weighted 0.75, i=1 window 6 dilation 1": lambda m: pooled(
        m.finer(), insert=1, window=6, dilation=1, pool="weighted", strength=0.75
    ),
    "key frames 4": lambda m: shown(keyed(m.frames())),
    "key frames 4, blend 0.75": lambda m: blended(keyed(m.frames()), 0.75),
}


def measure(material, results, distance):
    video, plain = ([levels(picture) for picture in pictures] for pictures in (results, material.plain))
    octaves = relative_energy(*([gradient_energy(picture) for picture in pictures] for pictures in (video, plain)))
    distances = [distance(video[t], plain[t]) for t in range(SETTLING, len(video), LPIPS_EVERY)]
    return {
        "E_warp": {judge: flicker(video, flow) for judge, flow in material.judges.items()},
        "LPIPS": round(float(np.mean(distances)), 4),
        "octaves": " ".join(f"{value:.3f}" for value in octaves),
    }


def flicker(video, judge):
    errors = [
        warping_error(video[t], video[t + 1], judge.flow[t], judge.valid[t]) for t in range(SETTLING, len(video) - 1)
    ]
    return round(float(np.nanmean(errors)), 7)


def levels(picture):
    return np.round(np.clip(picture[..., :3], 0, 1) * 255).astype(np.uint8)


def gains(numbers, plain):
    """Return E_warp frame by frame divided by E_warp of the method, for each judge."""
    return {judge: plain["E_warp"][judge] / value for judge, value in numbers["E_warp"].items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--pairs", nargs="*", default=list(PAIRS), choices=list(PAIRS))
    parser.add_argument("--clip", type=Path, help="judge this clip instead; the cache knows it by its name")
    parser.add_argument("--weights", type=Path, help="by this checkpoint")
    parser.add_argument("--start", type=float, default=0.0, help="from this second on")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="draw all fronts in one SVG file")
    options = parser.parse_args()
    if (options.clip is None) != (options.weights is None):
        parser.error("--clip and --weights belong together")
    pairs = {name: PAIRS[name] for name in options.pairs}
    if options.clip is not None:
        pairs = {
            f"{options.clip.stem} by {options.weights.stem}": Pair(options.weights, options.clip, None, options.start)
        }
    options.cache.mkdir(parents=True, exist_ok=True)
    found = json.loads(options.json.read_text())["pairs"] if options.json and options.json.exists() else {}
    distance = LpipsDistance(WEIGHTS / "lpips" / "lpips_squeeze_v0.1.pth")
    for name, pair in pairs.items():
        material = Material(name, pair, options.frames, options.cache)
        found[name] = {}
        for method, run in METHODS.items():
            numbers = found[name][method] = measure(material, list(run(material)), distance)
            gain = "  ".join(
                f"{judge} {value:6.2f}" for judge, value in gains(numbers, found[name][FRAME_BY_FRAME]).items()
            )
            print(
                f"{name:7} {method:49} {gain}  LPIPS {numbers['LPIPS']:.4f}  octaves {numbers['octaves']}", flush=True
            )
        if options.json:
            content = {"machine": platform.machine(), "frames": options.frames, "pairs": found}
            options.json.write_text(json.dumps(content, indent=1) + "\n")
    if options.plot:
        options.plot.write_text(fronts(found))


if __name__ == "__main__":
    main()
