"""Pictures in a labelled grid: one row for each frame, one column for each way to show it."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

GAP = 4  # pixels between cells
TEXT_HEIGHT = 14  # pixels of a capital letter
FONT = cv2.FONT_HERSHEY_DUPLEX
FONT_SCALE = TEXT_HEIGHT / 22  # of this font at scale 1
PAPER, INK = (255, 255, 255), (30, 30, 30)

Image = NDArray[np.uint8]


def contact_sheet(columns: Sequence[tuple[str, Sequence[Image]]], rows: Sequence[str], *, height: int) -> Image:
    """(H,W,3) uint8 RGB.

    columns  a label and one (h,w,3) uint8 RGB picture for each row; pictures of a row may differ in size, not in aspect
    rows     a label for each, written into the first column
    height   of a cell, in pixels
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
    """The text, its middle left out if it is wider than this: the ends tell epochs and directions apart."""
    if text_width(text) + 2 * GAP <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shorter = f"{text[: kept // 2]}..{text[len(text) - (kept - kept // 2) :]}"
        if text_width(shorter) + 2 * GAP <= width:
            return shorter
    return ""


def text_width(text: str) -> int:
    """In pixels."""
    return int(cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0])


def write(sheet: Image, text: str, left: int, top: int) -> None:
    """Dark letters on a patch of paper."""
    right, bottom = left + text_width(text) + 2 * GAP, top + TEXT_HEIGHT + 2 * GAP
    sheet[top:bottom, left:right] = PAPER
    cv2.putText(sheet, text, (left + GAP, bottom - GAP), FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
