"""Dense inverse search (Kroeger, Timofte, Dai, Van Gool, ECCV 2016), OpenCV's implementation, at a working scale."""

from typing import Any, Literal, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.resize_flow import resize_flow

Preset = Literal["ultrafast", "fast", "balanced", "medium"]


class Effort(NamedTuple):
    """Amount of search and refinement.

    finest_octave  the search ends at pictures scaled by 2^-finest_octave
    stride_px      distance of neighbouring patches
    descents       iterations for each patch of 8x8 pixels
    refinements    iterations of variational refinement at each size
    """

    finest_octave: int
    stride_px: int
    descents: int
    refinements: int


# OpenCV's presets and "balanced": at half size nearly as exact as medium, in a third of its time.
EFFORTS: dict[str, Effort] = {
    "ultrafast": Effort(2, 4, 12, 0),
    "fast": Effort(2, 4, 16, 5),
    "balanced": Effort(1, 4, 16, 3),
    "medium": Effort(1, 3, 25, 5),
}

PATCH_PX = 8
SHORTEST_SIDE = 64  # pixels; OpenCV's code reads beyond its arrays in pictures with sides of 8 to 31


class DisFlow:
    """Flow between two pictures. Thread-safe.

    preset  amount of search and refinement, see `EFFORTS`
    scale   flow is estimated on pictures scaled by this factor, in (0, 1], and enlarged
    """

    def __init__(self, preset: Preset = "balanced", scale: float = 0.5) -> None:
        if preset not in get_args(Preset):
            raise ValueError(f"{preset=}; accepted: {', '.join(get_args(Preset))}")
        if not 0 < scale <= 1:
            raise ValueError(f"{scale=}; accepted: above 0, at most 1")
        self.preset, self.scale = preset, scale

    def __call__(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Flow F_ab, (H,W,2) float32 pixels (dx, dy) on the grid of a: what a shows at p is at p + F_ab(p) in b.

        a, b  (H,W) grey or (H,W,3) RGB, uint8, of one size
        """
        if a.shape != b.shape:
            raise ValueError(f"pictures of {a.shape} and {b.shape}; accepted: two of one shape")
        height, width = a.shape[:2]
        size = self.working_size(width, height)
        # A new object for each pair: a used one lets earlier pairs change the last digits.
        effort = EFFORTS[self.preset]
        estimator: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        estimator.setPatchSize(PATCH_PX)
        estimator.setFinestScale(effort.finest_octave)
        estimator.setPatchStride(effort.stride_px)
        estimator.setGradientDescentIterations(effort.descents)
        estimator.setVariationalRefinementIterations(effort.refinements)
        flow = estimator.calc(_reduced(a, size), _reduced(b, size), None)
        return np.asarray(flow if size == (width, height) else resize_flow(flow, (height, width)), np.float32)

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) at which the flow is estimated; small sides are enlarged."""
        return max(SHORTEST_SIDE, round(width * self.scale)), max(SHORTEST_SIDE, round(height * self.scale))


def _reduced(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if picture.ndim == 3:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    if (picture.shape[1], picture.shape[0]) == size:
        return np.ascontiguousarray(picture)
    shrinks = size[0] <= picture.shape[1] and size[1] <= picture.shape[0]
    return np.asarray(
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
    )
