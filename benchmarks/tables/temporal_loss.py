"""(d) The temporal loss at weights 0, 10, 15, 20: single-frame training, photographs to ink paintings, three seeds.

Every fifth picture of both domains is held out. Pictures and cycles weigh 10, as in MUNIT: with all weights at 1, a temporal
weight of 10 makes networks of this size paint grey only, which is steady. Measured on the held-out photographs, as paintings:

    temporal loss, E_warp  a camera with a noisy sensor moves over the photograph, so the flow is known; difference of
               neighbouring paintings in one style, aligned by that flow, border left out
    diversity  LPIPS between paintings of one photograph in two random styles, two pairs for each photograph
    Frechet    distance of SqueezeNet features (128 channels, averaged over the picture) between the paintings, four
               styles for each photograph, and all paintings of the domain; it stands in for FID
    contrast   standard deviation of a painting's pixels; a grey result is steady and useless
"""

import shutil
from functools import partial
from itertools import pairwise, product

import cv2
import numpy as np
import torch
from steady_material import DATA

from rotoscope.demo.sensor import Sensor
from rotoscope.export.checkpoint import open_checkpoint
from rotoscope.metrics.frechet import frechet_distance, statistics_of
from rotoscope.metrics.warping_error import temporal_loss, warping_error
from rotoscope.training.data.datasets import read_picture
from rotoscope.training.options import SingleFrameOptions
from rotoscope.training.systems.munit import Munit
from tables import streets
from tables.clips import lpips
from tables.collect import Collected
from tables.pieces import TrainingRun, kept_folder, train_all
from tables.result import Published, Result

A, B = (DATA / "unpaired" / "photo2inkpainting" / f"train{name}" for name in "AB")
HELD_OUT_EVERY = 5
WEIGHTS, SEEDS = (0.0, 10.0, 15.0, 20.0), (0, 1, 2)
SIDE_PX, RESIZE_PX, SHEET_PX = 128, 144, 512
STEPS = 4000
NETWORKS = {
    "width": 16, "blocks": 2, "hidden": 64, "discriminator_width": 16, "discriminator_layers": 3,
    "learning_rate": 4e-4, "picture": 10.0, "cycle": 10.0,
}  # fmt: skip
NUM_FRAMES, BORDER_PX = 4, 8
STYLES, STYLES_IN_MOTION, STYLE_NUMBERS = 4, 2, 8
FEATURE_TAP = 1
PUBLISHED = Published(
    where="Single-Frame Unsupervised Video-to-Video Translation, 256x256, 16 videos; Frechet is FID there",
    values={
        "temporal loss": {"weight 0": 0.0479, "weight 10": 0.0416, "weight 15": 0.0312, "weight 20": 0.0307},
        "Frechet": {"weight 0": 125.10, "weight 10": 126.54, "weight 15": 153.37, "weight 20": 154.35},
    },
)


def split(folder, work):
    """Return (training pictures, held-out pictures) of a domain; the training pictures are copied to a new folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    held = files[::HELD_OUT_EVERY]

    def fill(part):
        for path in files:
            if path not in held:
                shutil.copy(path, part)

    return kept_folder(work / "paintings" / folder.name, fill), held


def glide(picture, seed):
    """Return frames (T,H,W,3) uint8 of a camera over a photograph, and the flow from each to the next (T-1,H,W,2), pixels.

    It zooms, turns and shifts by the same amount in every frame; pixel p of frame t shows M_t p of the photograph.
    """
    random = np.random.default_rng(seed)
    angle, growth = random.uniform(-0.02, 0.02), random.uniform(-0.02, 0.02)  # per frame
    shift = random.uniform(-2, 2, 2)  # pixels per frame
    sensor, middle = Sensor(seed=seed), (SIDE_PX - 1) / 2
    scale = 0.85 * min(picture.shape[:2]) / SIDE_PX  # of photograph to frame; some room is left to move
    soft = cv2.GaussianBlur(picture, (0, 0), 0.4 * scale)
    matrices, frames = [], []
    for t in range(NUM_FRAMES):
        zoom, turn = scale * (1 + growth * t), angle * t
        linear = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        centre = (np.array(picture.shape[1::-1]) - 1) / 2 + scale * shift * t
        matrices.append(np.vstack([np.column_stack([linear, centre - linear @ (middle, middle)]), [0, 0, 1]]))
        view = cv2.warpAffine(
            soft, matrices[-1][:2], (SIDE_PX, SIDE_PX), None, cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, cv2.BORDER_REFLECT
        )
        frames.append(sensor.capture(view.astype(np.float32) / 255, t))
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float64)
    here = np.stack([x, y, np.ones_like(x)], axis=-1)
    flows = [(here @ (np.linalg.inv(b) @ a).T - here)[..., :2] for a, b in pairwise(matrices)]
    return np.stack(frames), np.ascontiguousarray(np.stack(flows), np.float32)


def paint(network, frames, style):
    """Paint frames (N,3,H,W) in [-1,1] in one style (1,S,1,1)."""
    with torch.inference_mode():
        return network(frames, style.expand(len(frames), -1, -1, -1)).clamp(-1, 1)


def errors_along(paintings, flows):
    """Return temporal loss and E_warp of neighbouring paintings (T,3,H,W) in [-1,1], border left out."""
    frames = streets.as_pictures(paintings)
    inner = np.zeros(frames.shape[1:3], bool)
    inner[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = True
    pairs = list(zip(frames, frames[1:], flows, strict=False))
    losses = [temporal_loss(a, b, flow, inner) for a, b, flow in pairs]
    return np.mean(losses), np.mean([warping_error(a, b, flow, inner) for a, b, flow in pairs])


def describe(distance, pictures):
    """Return (N,128) features of pictures (N,3,H,W) in [-1,1], averaged over each picture."""
    with torch.inference_mode():
        return distance.network.backbone(pictures)[FEATURE_TAP].mean(dim=(2, 3)).numpy()


def measure(network, photographs, paintings, distance):
    """Return the numbers of one trained network."""
    styles = torch.randn(len(photographs), STYLES, STYLE_NUMBERS, 1, 1, generator=torch.Generator().manual_seed(0))
    errors, distances, contrasts, found = [], [], [], []
    for seed, (path, codes) in enumerate(zip(photographs, styles, strict=True)):
        frames, flows = glide(read_picture(path), seed)
        pictures = streets.as_tensor(frames)
        errors += [errors_along(paint(network, pictures, code[None]), flows) for code in codes[:STYLES_IN_MOTION]]
        painted = torch.cat([paint(network, pictures[:1], code[None]) for code in codes])
        with torch.inference_mode():
            distances.append(float(distance.network(painted[::2], painted[1::2]).mean()))
        contrasts.append(float((painted / 2).std(dim=(1, 2, 3)).mean()))
        found.append(describe(distance, painted))
    target = [describe(distance, streets.as_tensor(shown(read_picture(path), SIDE_PX)[None])) for path in paintings]
    loss, error = np.mean(errors, axis=0)
    return {
        "temporal loss": loss,
        "E_warp": error,
        "Frechet": frechet_distance(statistics_of(found), statistics_of(target)),
        "diversity": np.mean(distances),
        "contrast": np.mean(contrasts),
    }


def shown(picture, side):
    """Return the middle of a picture, resized to (side,side,3)."""
    least = min(picture.shape[:2])
    top, left = ((length - least) // 2 for length in picture.shape[:2])
    return cv2.resize(picture[top : top + least, left : left + least], (side, side), interpolation=cv2.INTER_AREA)


def sheet(network, photographs, path, side):
    """Write photographs above their paintings in two styles, each (side,side), as one picture."""
    style = torch.randn(2, STYLE_NUMBERS, 1, 1, generator=torch.Generator().manual_seed(1))
    columns = []
    for file in photographs:
        picture = shown(read_picture(file), side)
        made = [streets.as_pictures(paint(network, streets.as_tensor(picture[None]), code[None]))[0] for code in style]
        columns.append(np.vstack([picture, *made]))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.hstack(columns)[..., ::-1])


def run(setup):
    (a, photographs), (b, _) = split(A, setup.work), split(B, setup.work)
    paintings = sorted(B.iterdir())
    weights, seeds, steps = WEIGHTS, SEEDS, setup.steps(STEPS)
    if setup.tiny:
        weights, seeds, photographs, paintings = WEIGHTS[:2], SEEDS[:1], photographs[:3], paintings[:6]
    names = {(seed, weight): f"temporal{weight:g}-seed{seed}" for seed, weight in product(seeds, weights)}
    runs = {}
    for (seed, weight), name in names.items():
        options = SingleFrameOptions(a=a, b=b, resize=RESIZE_PX, crop=SIDE_PX, temporal=weight, **NETWORKS)
        runs[name] = TrainingRun(partial(Munit, options), options, seed)
    folders = train_all(setup, runs, steps=steps)
    distance, found = lpips(), Collected()
    for (_, weight), name in names.items():
        network = open_checkpoint(folders[name] / "AtoB.safetensors", direction="AtoB").network
        found.add(f"weight {weight:g}", measure(network, photographs, paintings, distance))
        sheet(network, photographs[:3], setup.work / "sheets" / f"{name}.jpg", SIDE_PX if setup.tiny else SHEET_PX)
    return Result(
        name="d",
        title="Temporal loss at 128x128, photographs to ink paintings, one value for each seed",
        values=found.plain(),
        published=PUBLISHED,
        settings={
            "side": SIDE_PX, "steps": steps, "seeds": seeds, "networks": NETWORKS, "photographs held out": len(photographs),
        },
        notes=("sheets at 512x512 are in the folder sheets of the work folder",),
        higher={"Frechet": False, "diversity": True, "contrast": True},
    )  # fmt: skip
