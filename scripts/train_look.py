"""Train a bundled look: the compact student paints like one picture (fast style transfer losses, CPU, under an hour).

    python scripts/train_look.py --painting starry_night.jpg --features lpips_squeeze_v0.1.pth --out starry.safetensors

Photographs are scikit-image's own (in the public domain or CC0) and whatever `--photos` adds. `rotoscope/models/` holds the
result as ONNX with a card that names painting, photographs, licences and time.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import skimage
import torch
from safetensors.torch import save_file

from rotoscope.networks.compact import CompactGenerator
from rotoscope.networks.squeezenet import load_squeezenet
from rotoscope.training.fast_style_transfer import StyleLoss, StyleLossWeights, random_crops, train_step

SKIMAGE_PHOTOS = (
    "astronaut.png",
    "brick.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "rocket.jpg",
)


def read_photo(path: Path) -> torch.Tensor:
    """A picture as (3,H,W) float RGB in [-1,1]."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise SystemExit(f"{path}: not a readable picture")
    return torch.from_numpy(np.ascontiguousarray(bgr[..., ::-1])).permute(2, 0, 1).float() / 127.5 - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--painting", type=Path, required=True)
    parser.add_argument("--painting-size", type=int, default=400, help="shorter side of the painting, pixels")
    parser.add_argument("--features", required=True, help="SqueezeNet 1.1 weights (an LPIPS v0.1 squeeze file will do)")
    parser.add_argument("--photos", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3500)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    crops = torch.Generator().manual_seed(options.seed)

    folder = Path(skimage.__file__).parent / "data"
    photos = [read_photo(path) for path in [*(folder / name for name in SKIMAGE_PHOTOS), *options.photos]]
    painting = read_photo(options.painting)[None]
    painting = torch.nn.functional.interpolate(
        painting, scale_factor=options.painting_size / min(painting.shape[2:]), mode="bilinear", antialias=True
    )
    loss = StyleLoss(load_squeezenet(options.features), painting, StyleLossWeights())
    generator = CompactGenerator()
    optimiser = torch.optim.Adam(generator.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=options.steps, pct_start=0.05
    )
    start = time.monotonic()
    for step in range(1, options.steps + 1):
        batch = random_crops(photos, count=options.batch, size=options.crop, generator=crops)
        terms = train_step(generator, loss, optimiser, batch)
        schedule.step()
        if step % 100 == 0 or step == options.steps:
            values = "  ".join(f"{name} {value:.4f}" for name, value in terms.items())
            print(f"step {step}/{options.steps}  {time.monotonic() - start:.0f} s  {values}", flush=True)
            save_file(generator.state_dict(), options.out)


if __name__ == "__main__":
    main()
