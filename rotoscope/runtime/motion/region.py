"""Motion of a source as motion of its result, which may show a part of the source at another size."""

import cv2
import numpy as np

from rotoscope.base.frame import Array, Motion
from rotoscope.kernels.arrays import contiguous, on_cuda
from rotoscope.kernels.resize_flow import resize_flow
from rotoscope.kernels.resize_grey import resize_grey

Region = tuple[int, int, int, int]
"""(left, top, width, height) in pixels of the source: the part that a result shows"""


def motion_in_region(motion: Motion, region: Region, size: tuple[int, int]) -> Motion:
    """The motion within a region, for results of `size` (height, width): cropped, resized, vectors scaled."""
    left, top, width, height = region
    rows, columns = slice(top, top + height), slice(left, left + width)

    def flow(field: Array) -> Array:
        part = contiguous(field[rows, columns])
        return part if part.shape[:2] == size else resize_flow(part, size)

    def trust(values: Array) -> Array:
        part = contiguous(values[rows, columns])
        if part.shape == size:
            return part
        if on_cuda(part):
            return resize_grey(part, size)
        return np.asarray(cv2.resize(part, size[::-1], interpolation=cv2.INTER_LINEAR))

    back = None if motion.from_previous is None else flow(motion.from_previous)
    ahead = None if motion.trust_ahead is None else trust(motion.trust_ahead)
    return Motion(flow(motion.to_previous), back, trust(motion.trust), ahead)
