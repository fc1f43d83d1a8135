"""A contact sheet: pictures in a grid, a row for each frame and a labelled column for each model."""

from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.metrics.matched import spread_frames

GAP = 4  # pixels between cells
TEXT_HEIGHT = 14  # pixels of a capital letter
FONT = cv2.FONT_HERSHEY_DUPLEX
FONT_SCALE = TEXT_HEIGHT / 22  # a capital letter of this font is 22 pixels high at scale 1
PAPER, INK = (255, 255, 255), (30, 30, 30)

Image = NDArray[np.uint8]
"""(H,W,3) uint8 RGB."""


def compare(
    source: str, models: Iterable[tuple[str, Callable[[Image], Image]]], *, frames: int = 4, height: int = 240
) -> Image:
    """Translate frames of a source with several models and draw them beside the source: (H,W,3) uint8 RGB.

    models  label of each model, and the model: (H,W,3) uint8 -> (H,W,3) uint8. An iterator may load one after the other
    frames  number of frames, spread evenly over the source
    height  of each picture on the sheet, in pixels
    Raises InputRefused for a source that cannot be read or has no frame.
    """
    pictures, seconds = spread_frames(source, frames)
    columns = [("source", pictures)]
    columns += [(label, [model(picture) for picture in pictures]) for label, model in models]
    return contact_sheet(columns, [f"{time:.2f} s" for time in seconds], height=height)


def contact_sheet(columns: Sequence[tuple[str, Sequence[Image]]], rows: Sequence[str], *, height: int) -> Image:
    """Draw the sheet: (H,W,3) uint8 RGB.

    columns  label and pictures of each column, one (h,w,3) uint8 RGB picture for each row; pictures may differ in size
    rows     label of each row, written into its first picture
    height   of each picture on the sheet, in pixels
    """
    width = max(round(height * image.shape[1] / image.shape[0]) for _, images in columns for image in images)
    head = TEXT_HEIGHT + 3 * GAP
    sheet = np.full((head + len(rows) * (height + GAP), len(columns) * (width + GAP) - GAP, 3), PAPER, np.uint8)
    for x, (label, images) in enumerate(columns):
        left = x * (width + GAP)
        write(sheet, fitted(label, width), left, 0)
        for y, image in enumerate(images):
            top = head + y * (height + GAP)
            fit = round(height * image.shape[1] / image.shape[0])
            method = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_CUBIC
            sheet[top : top + height, left : left + fit] = cv2.resize(image, (fit, height), interpolation=method)
            if x == 0:
                write(sheet, rows[y], left, top)
    return sheet


def fitted(text: str, width: int) -> str:
    """Shorten the text to `width` pixels by leaving out its middle: the ends of file names differ by epoch and direction."""
    if text_width(text) + 2 * GAP <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shorter = f"{text[: kept // 2]}..{text[len(text) - (kept - kept // 2) :]}"
        if text_width(shorter) + 2 * GAP <= width:
            return shorter
    return ""


def text_width(text: str) -> int:
    """Width in pixels."""
    return int(cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0])


def write(sheet: Image, text: str, left: int, top: int) -> None:
    """Write dark letters on a rectangle of the background colour, into the sheet."""
    right, bottom = left + text_width(text) + 2 * GAP, top + TEXT_HEIGHT + 2 * GAP
    sheet[top:bottom, left:right] = PAPER
    cv2.putText(sheet, text, (left + GAP, bottom - GAP), FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
