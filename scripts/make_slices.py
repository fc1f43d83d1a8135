"""Draw part of one column of pixels through time, for a source and its results side by side: the picture in the README.

rotoscope demo demo
rotoscope translate demo/clip.mp4 demo/plain.mp4 -m rotoscope/looks/networks/starry.onnx --steady off
rotoscope translate demo/clip.mp4 demo/steady.mp4 -m rotoscope/looks/networks/starry.onnx
python scripts/make_slices.py demo/clip.mp4 demo/plain.mp4 demo/steady.mp4 docs/slices.jpg --rows 200 300
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from rotoscope.metrics.matched import side_by_side
from rotoscope.plots.raster import through_time

GAP = 8  # white pixels between pictures
LINE_PX = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+")
    parser.add_argument("out", type=Path)
    parser.add_argument("--column", type=float, default=0.3, help="which column of pixels, 0 left to 1 right")
    parser.add_argument(
        "--rows", type=int, nargs=2, required=True, help="of this column: the first, and the one after the last"
    )
    parser.add_argument("--frames", type=int, default=100, help="from the first one on")
    parser.add_argument("--zoom", type=int, default=4)
    options = parser.parse_args()

    pieces: list[list[np.ndarray]] = [[] for _ in options.videos]
    for _, pictures in side_by_side(options.videos):
        for taken, picture in zip(pieces, pictures, strict=True):
            column = round(options.column * (picture.shape[1] - 1))
            taken.append(picture[slice(*options.rows), column])
        if len(pieces[0]) == options.frames:
            break
    slices = [
        through_time(taken, options.frames).repeat(options.zoom, axis=0).repeat(options.zoom, axis=1)
        for taken in pieces
    ]
    # Before them the last frame of the last video, the piece of the column marked.
    cv2.line(picture, (column, options.rows[0]), (column, options.rows[1]), (255, 255, 255), LINE_PX)
    height = slices[0].shape[0]
    frame = cv2.resize(picture, (picture.shape[1] * height // picture.shape[0], height), interpolation=cv2.INTER_AREA)
    gap = np.full((height, GAP, 3), 255, np.uint8)
    row = np.concatenate([item for part in (frame, *slices) for item in (part, gap)][:-1], axis=1)
    cv2.imwrite(str(options.out), row[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    print(f"{options.out}: {row.shape[1]}x{row.shape[0]}")


if __name__ == "__main__":
    main()
