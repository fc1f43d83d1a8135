"""Show one column of pixels through time, of a source and its results side by side: the picture in the README.

rotoscope demo demo && rotoscope translate demo/clip.mp4 demo/plain.mp4 -m starry --steady off
python scripts/make_slices.py demo/clip.mp4 demo/plain.mp4 demo/clip.starry.mp4 docs/slices.jpg
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from rotoscope.metrics.matched import side_by_side
from rotoscope.plots.raster import through_time

GAP = 6  # white pixels between slices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+")
    parser.add_argument("out", type=Path)
    parser.add_argument("--column", type=float, default=0.5, help="which column of pixels, 0 left to 1 right")
    parser.add_argument("--width", type=int, default=300, help="of each slice, in pixels")
    options = parser.parse_args()

    columns: list[list[np.ndarray]] = [[] for _ in options.videos]
    for _, pictures in side_by_side(options.videos):
        for taken, picture in zip(columns, pictures, strict=True):
            taken.append(picture[:, round(options.column * (picture.shape[1] - 1))])
    slices = [through_time(taken, options.width) for taken in columns]
    gap = np.full((slices[0].shape[0], GAP, 3), 255, np.uint8)
    row = np.concatenate([item for slice_ in slices for item in (slice_, gap)][:-1], axis=1)
    cv2.imwrite(str(options.out), row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    print(f"{options.out}: {row.shape[1]}x{row.shape[0]}")


if __name__ == "__main__":
    main()
