"""Frames of one flat colour, and the value of their results."""

from fractions import Fraction

import numpy as np

from rotoscope.base.frame import Frame, Picture


def frame(index, value=None, size=(16, 12)):
    """A flat RGB frame, its value its index unless told."""
    picture = np.full((size[1], size[0], 3), index if value is None else value, np.uint8)
    return Frame(index, index, Fraction(1, 25), 1, Picture((picture,)))


def values(frames):
    """The value of each flat result, in 0..255."""
    return [float(item.pixels()[..., :3].mean() * 255) for item in frames]
