"""Measure every bundled look: lattice, distance to the source, answer to a shift, warping error, time. Prints a Markdown table.

python scripts/look_figures.py --photos FOLDER --lpips lpips_squeeze_v0.1.pth
python scripts/look_figures.py --photos FOLDER --lpips lpips_squeeze_v0.1.pth --looks starry --like wave.jpg [--any any.onnx]

With --like also the network that paints in the style of any picture, once for each of these pictures.
"""

import argparse
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import cv2
import numpy as np

import rotoscope
from rotoscope.assembly.models import bundled_looks
from rotoscope.demo import Scene, Sensor
from rotoscope.demo.clip import noisy_frames
from rotoscope.metrics.feature_distances import LpipsDistance
from rotoscope.metrics.lattice import lattice_share
from rotoscope.metrics.warping_error import warping_error

Look = Callable[[np.ndarray], np.ndarray]
SIZE = (640, 360)  # width, height
NUM_FRAMES = 6
BORDER_PX = 32  # left out where answers to shifted pictures are compared


def shift_error(look: Look, picture: np.ndarray) -> float:
    """Mean absolute difference, in levels of 255, between the answer to a picture moved by one pixel and the moved answer.

    The picture is moved by one pixel in x, in y and in both; the largest of the three counts.
    """
    height, width = (side // 4 * 4 - 4 for side in picture.shape[:2])
    inner = slice(BORDER_PX, -BORDER_PX)
    errors = []
    whole = look(picture).astype(np.float64)
    for dy, dx in ((0, 1), (1, 0), (1, 1)):
        moved = look(np.ascontiguousarray(picture[dy : dy + height, dx : dx + width])).astype(np.float64)
        errors.append(np.abs(moved - whole[dy : dy + height, dx : dx + width])[inner, inner].mean())
    return max(errors)


def measured(look: Look, photos: list[np.ndarray], scene: Scene, distance: LpipsDistance) -> list[str]:
    """Return the cells of one row."""
    results = [look(photo) for photo in photos]
    shares = [lattice_share(result) for result in results]
    far = [distance(result, photo) for result, photo in zip(results, photos, strict=True)]
    frames = [look(frame) for frame in noisy_frames(scene, Sensor(seed=3))]
    error = np.mean(
        [
            warping_error(frames[t], frames[t + 1], scene.flow(t, t + 1), ~scene.occlusion(t, t + 1))
            for t in range(NUM_FRAMES - 1)
        ]
    )
    seconds = []
    for frame in frames:
        begin = time.perf_counter()
        look(frame)
        seconds.append(time.perf_counter() - begin)
    return [
        f"{max(one.picture for one in shares):.2%}",
        f"{max(one.tiles for one in shares):.2%}",
        f"{np.mean(far):.2f}",
        f"{max(shift_error(look, photo) for photo in photos):.1f}",
        f"{error:.5f}",
        f"{error / np.var(np.stack(frames) / 255):.1%}",
        f"{1000 * np.median(seconds):.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--lpips", type=Path, required=True)
    parser.add_argument("--looks", nargs="*", default=bundled_looks())
    parser.add_argument("--like", nargs="*", type=Path, default=[], help="style pictures")
    parser.add_argument("--any", nargs="*", default=["any"], help="networks that take a style picture")
    options = parser.parse_args()
    photos = []
    for file in sorted(options.photos.iterdir()):
        photo = cv2.imread(str(file))
        factor = min(1.0, SIZE[0] / photo.shape[1])
        photos.append(
            np.ascontiguousarray(cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[..., ::-1])
        )
    scene = Scene(*SIZE, NUM_FRAMES, seed=3)
    distance = LpipsDistance(options.lpips)
    print(
        "| look | lattice | in tiles | LPIPS | shift | E_warp | of the variance | ms |\n|---|---|---|---|---|---|---|---|"
    )
    print("| source |", " | ".join(measured(lambda picture: picture, photos, scene, distance)), "|", flush=True)
    for name in options.looks:
        print(f"| {name} |", " | ".join(measured(rotoscope.load(name), photos, scene, distance)), "|", flush=True)
    for name, file in product(options.any, options.like):
        look = rotoscope.load(name, like=str(file))
        print(
            f"| {Path(name).stem}, {file.stem} |", " | ".join(measured(look, photos, scene, distance)), "|", flush=True
        )


if __name__ == "__main__":
    main()
