"""How steady, how close, how sharp: blend and HyperCon beside the low-pass filters that win a warping error for nothing.

    python benchmarks/steady_quality.py --cache FOLDER [--pairs car flower ...] [--frames 24] [--json FILE]

Needs ../shared (clips and weights). Each pair is a network on a clip, at about 640 pixels across. The first three are those
that blend was tuned on. E_warp is judged with flow that no method uses: RAFT-small on real clips, the exact flow on the demo
clip. Numbers: E_warp gain over frame by frame, LPIPS (squeeze) to frame by frame, gradient energy by octave relative to it.
"""

import argparse
import json
import platform
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

import rotoscope
from rotoscope.demo.clip import noisy_frames
from rotoscope.demo.scene import Scene
from rotoscope.demo.sensor import Sensor
from rotoscope.frame import Frame, Picture
from rotoscope.kernels.blend import blend
from rotoscope.metrics.gradient_energy import gradient_energy, relative_energy
from rotoscope.metrics.lpips import LpipsDistance
from rotoscope.metrics.warping_error import visible, warping_error
from rotoscope.runtime.flow.dis import DisFlow
from rotoscope.runtime.flow.motion import MotionEstimator, with_motion
from rotoscope.runtime.stage_times import StageTimes
from rotoscope.runtime.steady.blend import Blend

DATA = Path(__file__).parents[2] / "shared" / "data"
CLIPS, WEIGHTS = DATA / "videos" / "clips", DATA / "weights"
PAIRS = {
    "car": ("transformernet/mosaic_fp16.pth", "car-detection.mp4", (640, 360), 4.0),
    "flower": ("transformernet/candy_fp16.pth", "flower.mp4", (640, 360), 0.5),
    "sintel": ("transformernet/mosaic_fp16.pth", "demo.mp4", (640, 272), 0.0),
    "bikes": ("transformernet/rain_princess_fp16.pth", "bikes.mp4", (640, 272), 0.0),
    "walk": ("cartoongan/cartoongan_hayao_fp16.pth", "walk.mkv", (480, 360), 0.8),
    "demo": (None, None, (640, 360), 0.0),  # the bundled look on the demo clip
}
SETTLING = 2  # pairs of frames at the start that are not judged


class Material:
    """Source, frame-by-frame translation and judging flow of one pair; translated and estimated once, then cached."""

    def __init__(self, name, num_frames, cache):
        path = cache / f"{name}.{num_frames}.npz"
        if not path.exists():
            np.savez(path, **make(name, num_frames))
        stored = np.load(path)
        self.source = list(stored["source"])
        self.plain = [four(picture) for picture in stored["plain"]]
        self.flow, self.valid = stored["flow"], stored["valid"].astype(bool)
        frames = with_motion(self.frames(), MotionEstimator(DisFlow(scale=1.0)), StageTimes())
        self.motions = [frame.motion for frame in frames]

    def frames(self, *, trusted=True):
        """Fresh frames; with motion once it is known, trusted everywhere or where it deserves it."""
        motions = getattr(self, "motions", [None] * len(self.plain))
        for t, (source, plain) in enumerate(zip(self.source, self.plain, strict=True)):
            frame = Frame(t, t, Fraction(1, 25), 1, Picture((source,)))
            frame.result, frame.motion = plain.copy(), motions[t]
            if frame.motion is not None and not trusted:
                frame.motion = replace(frame.motion, trust=np.ones_like(frame.motion.trust))
            yield frame


def make(name, num_frames):
    weights, clip, size, start = PAIRS[name]
    if clip is None:
        scene = Scene(*size, num_frames)
        source = list(noisy_frames(scene, Sensor(seed=0)))
        network = rotoscope.load("starry")
        flow = np.stack([scene.flow(t, t + 1) for t in range(num_frames - 1)])
        valid = ~np.stack([scene.occlusion(t, t + 1) for t in range(num_frames - 1)])
    else:
        source = []
        with rotoscope.read(CLIPS / clip, start=start) as reader:
            for frame in reader:
                source.append(cv2.resize(rotoscope.rgb(frame.source), size, interpolation=cv2.INTER_AREA))
                if len(source) == num_frames:
                    break
        network = rotoscope.load(WEIGHTS / weights, engine="torch")
        there, back = raft(source), raft(source[::-1])[::-1]
        flow, valid = there, np.stack([visible(a, np.ascontiguousarray(b)) for a, b in zip(there, back, strict=True)])
    plain = np.stack([network(picture) for picture in source])
    return {"source": np.stack(source), "plain": plain.astype(np.float16) / 255, "flow": flow, "valid": valid}


def raft(pictures):
    """Flow from each picture to the next, (N-1,H,W,2) float32."""
    import torch

    from rotoscope.export.checkpoint import open_checkpoint

    network = open_checkpoint(WEIGHTS / "flow" / "raft-small.pth").network.float()
    tensors = [torch.from_numpy(picture).permute(2, 0, 1)[None].float() for picture in pictures]
    with torch.inference_mode():
        flows = [network(a, b)[0].permute(1, 2, 0).numpy() for a, b in pairwise(tensors)]
    return np.ascontiguousarray(np.stack(flows))


def four(picture):
    return np.ascontiguousarray(np.dstack([picture, np.zeros_like(picture[..., :1])]), np.float32)


def recursion(frames, weight, *, sampling="cubic", sharpen=0.0):
    """A fixed weight of history; sharpened, outside the loop, by an unsharp mask of one pixel."""
    history = None
    for frame in frames:
        if history is None or frame.motion is None:
            history = frame.result
        else:
            motion = frame.motion
            history = blend(
                frame.result, history, motion.to_previous, strength=weight, confidence=motion.trust, sampling=sampling
            )
        soft = cv2.GaussianBlur(history, (0, 0), 1.0)
        yield history + sharpen * (history - soft)


def blended(frames, strength):
    stage = Blend(strength, lambda size: (0, 0, *size), StageTimes())
    return (frame.result for frame in stage(frames))


METHODS = {
    "frame by frame": lambda m: (frame.result for frame in m.frames()),
    "control: blur, 1 px": lambda m: (cv2.GaussianBlur(frame.result, (0, 0), 1.0) for frame in m.frames()),
    "control: history only": lambda m: recursion(m.frames(trusted=False), 1.0),
    "control: recursion 0.6": lambda m: recursion(m.frames(trusted=False), 0.6, sampling="bilinear"),
    "control: recursion 0.7, cubic": lambda m: recursion(m.frames(trusted=False), 0.7),
    "control: recursion 0.7, cubic, unsharp 0.3": lambda m: recursion(m.frames(trusted=False), 0.7, sharpen=0.3),
    "control: recursion 0.7, cubic, unsharp 0.5": lambda m: recursion(m.frames(trusted=False), 0.7, sharpen=0.5),
    "ingredient: trust": lambda m: recursion(m.frames(), 0.7125),
    "ingredient: trust, bilinear history": lambda m: recursion(m.frames(), 0.7125, sampling="bilinear"),
    "ingredient: detail, no trust": lambda m: blended(m.frames(trusted=False), 0.75),
    **{f"blend {strength}": lambda m, s=strength: blended(m.frames(), s) for strength in (0.25, 0.5, 0.75, 1.0)},
}


def measure(material, results, distance):
    shown = [np.round(np.clip(picture[..., :3], 0, 1) * 255).astype(np.uint8) for picture in results]
    plain = [np.round(np.clip(picture[..., :3], 0, 1) * 255).astype(np.uint8) for picture in material.plain]
    errors = [
        warping_error(shown[t], shown[t + 1], np.ascontiguousarray(material.flow[t]), material.valid[t])
        for t in range(SETTLING, len(shown) - 1)
    ]
    octaves = relative_energy(*([gradient_energy(picture) for picture in video] for video in (shown, plain)))
    return {
        "E_warp": float(np.nanmean(errors)),
        "LPIPS": float(np.mean([distance(shown[t], plain[t]) for t in range(SETTLING, len(shown), 3)])),
        "octaves": [round(float(value), 4) for value in octaves],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS), choices=list(PAIRS))
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    distance = LpipsDistance(WEIGHTS / "lpips" / "lpips_squeeze_v0.1.pth")
    found = {}
    for name in options.pairs:
        material = Material(name, options.frames, options.cache)
        found[name] = {}
        for method, run in METHODS.items():
            numbers = found[name][method] = measure(material, list(run(material)), distance)
            gain = found[name]["frame by frame"]["E_warp"] / numbers["E_warp"]
            octaves = " ".join(f"{value:.2f}" for value in numbers["octaves"])
            print(f"{name:7} {method:44} gain {gain:6.2f}  LPIPS {numbers['LPIPS']:.4f}  octaves {octaves}", flush=True)
    if options.json:
        content = {"machine": platform.machine(), "frames": options.frames, "pairs": found}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
