"""(b) Inpainting of moving holes: frame by frame, and HyperCon with mean and with median, on ten clips.

The holes are the masks of DAVIS bmx-trees, moved and enlarged by the clip's number, so the truth inside them is known. The
network is contextual attention, trained here on photographs.
"""

import cv2
import numpy as np
from steady_material import DATA

from rotoscope.metrics.fidelity import psnr
from rotoscope.metrics.warping_error import around_hole
from rotoscope.training.options import InpaintingOptions
from rotoscope.training.systems.inpainting import Inpainting
from tables.clips import clips, flicker, lpips, mean_distance, translated
from tables.collect import Collected
from tables.pieces import train
from tables.result import Published, Result

FRAMES = 6
HYPERCON = {"insert": 1, "window": 2, "dilation": 1}
METHODS = {
    "frame by frame": {"steady": "off"},
    "HyperCon mean": {"steady": "hypercon", "pool": "mean", **HYPERCON},
    "HyperCon median": {"steady": "hypercon", "pool": "median", **HYPERCON},
}
PHOTOS = DATA / "unpaired" / "photo2inkpainting" / "trainA"
NETWORK = {
    "width": 16, "discriminator_width": 16, "batch": 2, "resize": 96, "crop": 64, "hole": 32, "jitter": 8,
    "critic_updates": 1, "learning_rate": 4e-4, "adversarial": 1e-4,
}  # fmt: skip
STEPS = 800
PUBLISHED = Published(
    where="HyperCon, WACV 2021, DAVIS 2017",
    values={
        "LPIPS": {"frame by frame": 0.0457, "HyperCon mean": 0.0450, "HyperCon median": 0.0424},
        "E_warp around the hole": {
            "frame by frame": 0.002186, "HyperCon mean": 0.001540, "HyperCon median": 0.001614,
        },
    },
)  # fmt: skip


def holes(number, num_frames, size):
    """Return masks (T,H,W) bool, True in the hole: the shape of bmx-trees, shifted for each clip."""
    files = sorted((DATA / "davis" / "bmx-trees" / "Annotations").iterdir())
    random = np.random.default_rng(number)
    width, height = size
    move = np.array([[0.6, 0, random.uniform(-0.1, 0.4) * width], [0, 0.6, random.uniform(0.0, 0.35) * height]])
    found = []
    for file in files[2 * number : 2 * number + num_frames]:
        shape = (cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) > 0).astype(np.uint8)
        grown = cv2.dilate(cv2.resize(shape, size, interpolation=cv2.INTER_NEAREST), np.ones((7, 7), np.uint8))
        found.append(cv2.warpAffine(grown, move, size, flags=cv2.INTER_NEAREST) > 0)
    return np.stack(found)


def train_inpainter(setup):
    options = InpaintingOptions(photos=PHOTOS, epochs=100, **NETWORK)
    folder = train(setup, "inpainter", lambda: Inpainting(options), options, steps=setup.steps(STEPS))
    return folder / "inpainter.safetensors"


def run(setup):
    weights = train_inpainter(setup)
    distance, found = lpips(), Collected()
    for number, clip in enumerate(clips(setup, FRAMES)):
        setup.check_time(f"clip {clip.name}")
        height, width = clip.frames[0].shape[:2]
        masks = holes(number, len(clip.frames), (width, height))
        around = clip.valid & np.stack(
            [around_hole(a, b, flow) for a, b, flow in zip(masks, masks[1:], clip.flow, strict=False)]
        )
        for name, options in METHODS.items():
            shown = translated(weights, clip, masks=masks, **options)
            inside = [
                psnr(a[m][None], b[m][None]) for a, b, m in zip(shown, clip.frames, masks, strict=True) if m.any()
            ]
            found.add(
                name,
                {
                    "LPIPS": mean_distance(distance, shown, clip.frames),
                    "E_warp around the hole": flicker(clip, shown, around),
                    "PSNR in the hole": np.mean(inside),
                },
            )
        print(f"{clip.name} measured", flush=True)
    return Result(
        name="b",
        title="Inpainting of moving holes on ten clips, contextual attention trained here",
        values=found.plain(),
        published=PUBLISHED,
        settings={"frames": FRAMES, "hypercon": HYPERCON, "network": NETWORK, "steps": setup.steps(STEPS)},
        notes=(
            "VLPIPS, FID and VFID of the paper are left out: the weights of I3D and Inception-v3 are not at hand",
            "LPIPS is that of SqueezeNet, the paper's that of AlexNet",
        ),
        higher={"PSNR in the hole": True},
    )
