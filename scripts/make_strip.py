"""Lay frames of a source above the same frames of its result: the picture in the README.

rotoscope demo demo && python scripts/make_strip.py demo/clip.mp4 demo/clip.starry.mp4 docs/strip.jpg
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

import rotoscope

GAP = 4  # white pixels between pictures


def pictures(path: Path, indices: list[int], width: int) -> list[np.ndarray]:
    """Chosen frames of a video as (H,W,3) uint8 RGB of this width."""
    chosen = []
    with rotoscope.read(path) as reader:
        for frame in reader:
            if frame.index in indices:
                rgb = rotoscope.rgb(frame.source)
                height = round(rgb.shape[0] * width / rgb.shape[1])
                chosen.append(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA))
    return chosen


def row(parts: list[np.ndarray]) -> np.ndarray:
    gap = np.full((parts[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([item for part in parts for item in (part, gap)][:-1], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, nargs="+", default=[0, 70, 140])
    parser.add_argument("--width", type=int, default=400)
    options = parser.parse_args()

    top, bottom = (row(pictures(path, options.frames, options.width)) for path in (options.source, options.result))
    gap = np.full((GAP, top.shape[1], 3), 255, np.uint8)
    strip = np.concatenate([top, gap, bottom])
    cv2.imwrite(str(options.out), strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(f"{options.out}: {strip.shape[1]}x{strip.shape[0]}")


if __name__ == "__main__":
    main()
