"""Show all looks: a sheet of pictures (.jpg), or a moving one from the first frames of a video (.webp).

python scripts/make_look_sheet.py docs/looks.jpg astronaut.png chelsea.png
python scripts/make_look_sheet.py docs/looks.webp flower.mp4
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import rotoscope
from rotoscope.assembly.models import bundled_looks
from rotoscope.metrics.matched import frames_of

COLUMNS = 4
CELL = (320, 184)  # width, height of a part of a picture at 100 %, pixels
MOVING_CELL = (256, 144)
SOURCE_WIDTH_PX = 480  # to which pictures are reduced before they are painted
LABEL_PX = 20
NUM_FRAMES, STEP = 14, 3  # of a moving sheet; every third frame of 25 to 30 a second
JPEG_QUALITY, WEBP_QUALITY = 78, 60


def reduced(picture: np.ndarray) -> np.ndarray:
    """The picture at a width of at most SOURCE_WIDTH_PX."""
    factor = min(1.0, SOURCE_WIDTH_PX / picture.shape[1])
    return np.ascontiguousarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def middle(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A part of this width and height, in the middle of the width and in the upper half."""
    width, height = size
    top, left = (picture.shape[0] - height) // 8, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def labelled(pictures: list[np.ndarray], text: str) -> np.ndarray:
    """Pictures of one width below each other, under their label."""
    label = np.full((LABEL_PX, pictures[0].shape[1], 3), 255, np.uint8)
    cv2.putText(label, text, (4, LABEL_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([label, *pictures])


def grid(cells: list[np.ndarray]) -> np.ndarray:
    """Cells of one size in rows of COLUMNS, white where there is none."""
    cells = cells + [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    return np.vstack([np.hstack(cells[begin : begin + COLUMNS]) for begin in range(0, len(cells), COLUMNS)])


def sheets(groups: Iterator[list[np.ndarray]], cell: tuple[int, int]) -> Iterator[np.ndarray]:
    """One sheet for each group of pictures: the source, then every look."""
    looks = {name: rotoscope.load(name) for name in bundled_looks()}
    for pictures in groups:
        cells = [labelled([middle(picture, cell) for picture in pictures], "source")]
        for name, look in looks.items():
            cells.append(labelled([middle(look(picture), cell) for picture in pictures], name))
        yield grid(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("inputs", nargs="+", help="pictures for a .jpg, one video for a .webp")
    options = parser.parse_args()
    if options.out.suffix == ".jpg":
        pictures = [reduced(cv2.imread(name)[..., ::-1]) for name in options.inputs]
        (sheet,) = sheets(iter([pictures]), CELL)
        cv2.imwrite(str(options.out), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return
    frames = islice(frames_of(options.inputs[0]), 0, NUM_FRAMES * STEP, STEP)
    made = [Image.fromarray(sheet) for sheet in sheets(([reduced(frame)] for frame in frames), MOVING_CELL)]
    made[0].save(
        options.out, save_all=True, append_images=made[1:], duration=100, loop=0, quality=WEBP_QUALITY, method=4
    )


if __name__ == "__main__":
    main()
