"""Measure what the temporal loss changes: single-frame training with and without it, same pictures, same seeds.

    python benchmarks/temporal_loss.py --a PHOTOGRAPHS --b PAINTINGS --lpips lpips_squeeze_v0.1.pth --work FOLDER \
        [--seeds 0 1 2] [--weights 2 10] [--steps 600] [--json FILE]

Trains `single-frame` at small width, with every fifth picture of both domains held out and MUNIT's weight of 10 for pictures
and cycles. (With all weights at 1, a temporal weight of 10 makes networks of this size paint grey only, which is steady.)
Measured on the held-out photographs, turned into paintings:

    E_warp     a camera moves over the photograph, so the flow is known, with a noisy sensor; mean squared difference of
               neighbouring paintings in one style, aligned by that flow, values in [0,1], border left out
    diversity  LPIPS between paintings of one photograph in two random styles, two pairs per photograph
    Frechet    distance of SqueezeNet features (128 channels, averaged over the picture) between the results, four styles per
               photograph, and all paintings of the domain
    contrast   standard deviation of a painting's pixels; a grey result is steady and useless

Runs that exist are measured again, not trained again.
"""

import argparse
import json
import shutil
from itertools import pairwise, product
from pathlib import Path

import cv2
import numpy as np
import torch
from conftest import cpu_name

from rotoscope.demo.sensor import Sensor
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.metrics.frechet import frechet_distance, statistics_of
from rotoscope.metrics.warping_error import warping_error
from rotoscope.networks.lpips import load_lpips
from rotoscope.training.data.datasets import read_picture
from rotoscope.training.loop.checkpoints import checkpoint_steps
from rotoscope.training.loop.run import run_training
from rotoscope.training.options import RunOptions, SingleFrameOptions
from rotoscope.training.systems.munit import Munit

HELD_OUT_EVERY = 5
SIZE_PX = 96  # side of the pictures that are measured
CROP_PX = 64  # side of the training crops
SETTINGS = {
    "width": 16, "blocks": 2, "hidden": 64, "discriminator_width": 16, "discriminator_layers": 3,
    "learning_rate": 4e-4, "picture": 10.0, "cycle": 10.0,
}  # fmt: skip
NUM_FRAMES = 4
BORDER_PX = 8
STYLES = 4
STYLES_IN_MOTION = 2
FEATURE_TAP = 1
GOALS = {"E_warp": "0.90 or less", "diversity": "0.98 or more", "Frechet": "1.02 or less"}


def split(folder, work):
    """Return (training pictures, held-out pictures) of a domain; the training pictures are copied to a new folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    held = files[::HELD_OUT_EVERY]
    kept = work / "data" / f"{folder.parent.name}-{folder.name}"
    if not kept.exists():
        kept.mkdir(parents=True)
        for path in files:
            if path not in held:
                shutil.copy(path, kept)
    return kept, held


def glide(picture, seed):
    """Return frames (T,96,96,3) uint8 of a camera over a photograph, and the flow from each to the next (T-1,96,96,2), pixels.

    It zooms, turns and shifts by the same amount in every frame; pixel p of frame t shows M_t p of the photograph.
    """
    random = np.random.default_rng(seed)
    angle, growth = random.uniform(-0.02, 0.02), random.uniform(-0.02, 0.02)  # per frame
    shift = random.uniform(-2, 2, 2)  # pixels per frame
    sensor, middle = Sensor(seed=seed), (SIZE_PX - 1) / 2
    scale = 0.85 * min(picture.shape[:2]) / SIZE_PX  # of photograph to frame; some room is left to move
    soft = cv2.GaussianBlur(picture, (0, 0), 0.4 * scale)
    matrices, frames = [], []
    for t in range(NUM_FRAMES):
        zoom, turn = scale * (1 + growth * t), angle * t
        linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        centre = (np.array(picture.shape[1::-1]) - 1) / 2 + scale * shift * t
        matrices.append(np.vstack([np.column_stack([linear, centre - linear @ (middle, middle)]), [0, 0, 1]]))
        view = cv2.warpAffine(
            soft, matrices[-1][:2], (SIZE_PX, SIZE_PX), None, cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, cv2.BORDER_REFLECT
        )
        frames.append(sensor.capture(view.astype(np.float32) / 255, t))
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX].astype(np.float64)
    here = np.stack([x, y, np.ones_like(x)], axis=-1)
    flows = []
    for a, b in pairwise(matrices):
        there = here @ (np.linalg.inv(b) @ a).T
        flows.append((there - here)[..., :2])
    return np.stack(frames), np.ascontiguousarray(np.stack(flows), np.float32)


def tensor(frames):
    """(N,H,W,3) uint8 -> (N,3,H,W) in [-1,1]."""
    return torch.from_numpy(frames.transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1


def paint(network, frames, style):
    """Paint frames (N,3,H,W) in [-1,1] in one style (1,S,1,1)."""
    with torch.inference_mode():
        return network(frames, style.expand(len(frames), -1, -1, -1)).clamp(-1, 1)


def error_along(paintings, flows):
    """Return the E_warp of neighbouring paintings, border left out; paintings (T,3,H,W) in [-1,1]."""
    frames = ((paintings + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    inner = np.zeros((SIZE_PX, SIZE_PX), bool)
    inner[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = True
    pairs = zip(frames, frames[1:], flows, strict=False)
    return float(np.mean([warping_error(before, after, flow, inner) for before, after, flow in pairs]))


def describe(lpips, pictures):
    """(N,128) features, averaged over each picture."""
    with torch.inference_mode():
        return lpips.backbone(pictures)[FEATURE_TAP].mean(dim=(2, 3)).numpy()


def measure(weights, photographs, paintings, lpips):
    """Return the four numbers of one trained network."""
    network = open_checkpoint(weights, direction="AtoB").network
    styles = torch.randn(len(photographs), STYLES, 8, 1, 1, generator=torch.Generator().manual_seed(0))
    errors, distances, contrasts, found = [], [], [], []
    for seed, (path, codes) in enumerate(zip(photographs, styles, strict=True)):
        frames, flows = glide(read_picture(path), seed)
        pictures = tensor(frames)
        for code in codes[:STYLES_IN_MOTION]:
            errors.append(error_along(paint(network, pictures, code[None]), flows))
        painted = torch.cat([paint(network, pictures[:1], code[None]) for code in codes])
        with torch.inference_mode():
            distances.append(float(lpips(painted[::2], painted[1::2]).mean()))
        contrasts.append(float((painted / 2).std(dim=(1, 2, 3)).mean()))
        found.append(describe(lpips, painted))
    target = [describe(lpips, tensor(shown(read_picture(path)))) for path in paintings]
    return {
        "E_warp": float(np.mean(errors)),
        "diversity": float(np.mean(distances)),
        "Frechet": frechet_distance(statistics_of(found), statistics_of(target)),
        "contrast": float(np.mean(contrasts)),
    }


def shown(picture):
    """Return the middle of a picture, resized to (1,96,96,3)."""
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    square = picture[top : top + side, left : left + side]
    return cv2.resize(square, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)[np.newaxis]


def train_one(out, a, b, *, seed, weight, steps):
    """Run `rotoscope train single-frame`, or resume it, unless it is finished."""
    done = checkpoint_steps(out / "checkpoints")
    if done[-1:] == [steps]:
        return
    options = SingleFrameOptions(a=a, b=b, resize=SIZE_PX, crop=CROP_PX, temporal=weight, **SETTINGS)
    run = RunOptions(out=out, seed=seed, steps=steps, device="cpu", log_every=50, sample_every=200, keep=1)
    run_training(lambda: Munit(options), options, run, resume=bool(done))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--a", type=Path, required=True)
    parser.add_argument("--b", type=Path, required=True)
    parser.add_argument("--lpips", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--weights", type=float, nargs="+", default=[2.0, 10.0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    (a, photographs), (b, _) = split(options.a, options.work), split(options.b, options.work)
    paintings = sorted(options.b.iterdir())
    lpips = load_lpips("squeeze", options.lpips)
    runs = []
    for seed, weight in product(options.seeds, (0.0, *options.weights)):
        out = options.work / f"seed{seed}-temporal{weight:g}"
        train_one(out, a, b, seed=seed, weight=weight, steps=options.steps)
        numbers = measure(out / "AtoB.safetensors", photographs, paintings, lpips)
        runs.append({"seed": seed, "weight": weight, **numbers})
        print("  ".join(f"{name} {value:.5g}" for name, value in runs[-1].items()), flush=True)
    ratios = {f"{weight:g}": compare(runs, weight) for weight in options.weights}
    if options.json:
        content = {
            "cpu": cpu_name(), "steps": options.steps, "crop_px": CROP_PX, "measured_at_px": SIZE_PX,
            "settings": SETTINGS, "photographs_held_out": len(photographs), "runs": runs, "ratios": ratios,
        }  # fmt: skip
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def compare(runs, weight):
    """Print and return every number with this weight, divided by the number without the temporal loss."""
    ratios = {}
    for name in ("E_warp", "diversity", "Frechet", "contrast"):
        without, with_it = ([run[name] for run in runs if run["weight"] == each] for each in (0.0, weight))
        each = [after / before for before, after in zip(without, with_it, strict=True)]
        ratios[name] = {"of means": sum(with_it) / sum(without), "each seed": each}
        listed = ", ".join(f"{ratio:.3f}" for ratio in each)
        goal = f"(goal {GOALS[name]})" if name in GOALS else ""
        print(f"weight {weight:g}  {name:10} x {ratios[name]['of means']:.3f}  seeds {listed}  {goal}")
    return ratios


if __name__ == "__main__":
    main()
