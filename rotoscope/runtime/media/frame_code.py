"""A frame's number as black and white cells in its picture, which survive lossy coding, scaling and inversion.

Two rows of 24 cells across the picture: a black cell, a white cell, and 22 bits of the number from the lowest on; the second
row is the complement of the first. A third row is white in a flash and black otherwise. The place of a cell is a fraction of
the picture, so that the code is also found after the picture was scaled.
"""

from dataclasses import dataclass

import numpy as np

from rotoscope.base.frame import Array

BITS = 22
NUMBERS = 1 << BITS  # numbers are kept modulo this: 38 hours at 30 frames per second
WHITE, BLACK = 235, 16  # luma of a cell, limited range

_CELLS = BITS + 2
_COLUMNS = _CELLS + 2  # a margin of one cell at the left and at the right
_ROWS = 18  # heights of a row in the height of a picture; the code begins half a row below its top
LEAST_CONTRAST = 60  # between white and black, in 8-bit levels
LEAST_DIFFERENCE = 0.5  # between a cell and its complement, as a share of the contrast


@dataclass(frozen=True, slots=True)
class FrameCode:
    """Content of a picture: number, 0 to NUMBERS - 1; whether it flashes; whether black and white are exchanged."""

    number: int
    is_flash: bool = False
    is_inverted: bool = False


def write_code(luma: Array, code: FrameCode) -> None:
    """Draw a code into a luma plane (H,W) uint8, at least 64 pixels wide and high."""
    bits = np.array([0, 1, *(code.number >> place & 1 for place in range(BITS))], bool)
    cells = np.stack([bits, ~bits, np.full(_CELLS, code.is_flash)]) ^ code.is_inverted
    levels = np.where(cells, np.uint8(WHITE), np.uint8(BLACK))
    x, y = np.round(_columns(luma.shape[1])).astype(int), np.round(_rows(luma.shape[0])).astype(int)
    luma[y[0] : y[-1], x[0] : x[-1]] = levels.repeat(np.diff(y), axis=0).repeat(np.diff(x), axis=1)


def read_code(luma: Array) -> FrameCode | None:
    """The code in a luma plane (H,W) of 8-bit levels; None if some cell is not the opposite of its complement."""
    code, complement, flash = _cells(luma)
    difference = code - complement  # positive where a bit is 1, unless the picture is inverted
    contrast = (difference[1] - difference[0]) / 2
    if abs(contrast) < LEAST_CONTRAST or np.abs(difference).min() < LEAST_DIFFERENCE * abs(contrast):
        return None
    is_one = difference * contrast > 0
    if is_one[0] or not is_one[1]:
        return None
    middle = (code[:2].mean() + complement[:2].mean()) / 2
    return FrameCode(
        number=int(np.dot(is_one[2:].astype(np.int64), 1 << np.arange(BITS))),
        is_flash=bool((flash.mean() - middle) * contrast > 0),
        is_inverted=bool(contrast < 0),
    )


def code_bottom(height: int) -> int:
    """The first row of pixels below the code in a picture of this height."""
    return int(np.round(_rows(height)[-1]))


def _columns(width: int) -> Array:
    """Edges of the cells in x, pixels."""
    return np.arange(1, _CELLS + 2) * width / _COLUMNS


def _rows(height: int) -> Array:
    """Edges of the three rows in y, pixels."""
    return (np.arange(4) + 0.5) * height / _ROWS


def _cells(luma: Array) -> Array:
    """(3,24) float64: the mean level of the inner part of each cell, because lossy coding mixes neighbours at their edges."""
    x, y = _inner(_columns(luma.shape[1])), _inner(_rows(luma.shape[0]))
    bands = np.stack([luma[top:bottom].mean(axis=0, dtype=np.float64) for top, bottom in y])
    sums = np.concatenate([np.zeros((3, 1)), np.cumsum(bands, axis=1)], axis=1)
    return (sums[:, x[:, 1]] - sums[:, x[:, 0]]) / (x[:, 1] - x[:, 0])


def _inner(edges: Array) -> Array:
    """(n,2) int: begin and end of the middle half between neighbouring edges, at least one pixel."""
    begin, end = edges[:-1], edges[1:]
    first = np.round(begin + (end - begin) / 4).astype(int)
    return np.stack([first, np.maximum(first + 1, np.round(end - (end - begin) / 4).astype(int))], axis=1)
