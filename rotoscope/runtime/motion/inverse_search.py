"""Dense inverse search with our own kernels, both directions at once, wherever the pictures are: NumPy or CuPy arrays.

From the coarsest level of a pyramid to the finest: two rounds of `kernels.inverse_search`, `kernels.densify_flow`,
`kernels.refine_flow`. Each level is 12 launches on a GPU; a pair at 960x540 has six levels. Measured beside OpenCV's DIS in
docs/lab/flow.md.
"""

import logging
import threading
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rotoscope.base.engine import first_line
from rotoscope.base.frame import Array
from rotoscope.base.gpu_run import GpuRun
from rotoscope.kernels.densify_flow import densify_flow
from rotoscope.kernels.halve import halve, halved_size
from rotoscope.kernels.inverse_search import inverse_search, patch_grid
from rotoscope.kernels.refine_flow import refine_flow
from rotoscope.kernels.resize_flow import resize_flow

LEAST_SIDE_PX = 12  # of the coarsest level
ROUNDS = ((2, 3), (1, 3))  # (distance of the neighbours that are tried in patches, descents)
SWEEPS = 8


class PyramidLevel(NamedTuple):
    """Arrays for one level of a pair of pictures (H,W), reused from pair to pair."""

    patches: tuple[Array, Array]
    flow: Array
    spare: Array
    equations: Array


class Workspace:
    """All arrays that the flow of pictures of one size needs; made once, so that a pair allocates nothing.

    height, width  of the finest level
    like           an array of the device on which the arrays are to be
    Takes 108 bytes for each pixel of the finest level: 56 MB for 960x540.
    """

    def __init__(self, height: int, width: int, like: Array) -> None:
        self.size = (height, width)

        def empty(*shape: int) -> Array:
            return np.empty_like(like, np.float32, shape=shape)  # a CuPy array if `like` is one

        self.levels = [
            PyramidLevel(
                (empty(2, *patch_grid(h, w), 2), empty(2, *patch_grid(h, w), 2)),
                empty(2, h, w, 2),
                empty(2, h, w, 2),
                empty(2, 5, h, w),
            )
            for h, w in pyramid_sizes(height, width)
        ]


def pyramid_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """(height, width) of each level, finest first: halved until a side would be shorter than 12 pixels."""
    sizes = [(height, width)]
    while min(halved_size(sizes[-1])) >= LEAST_SIDE_PX:
        sizes.append(halved_size(sizes[-1]))
    return sizes


def grey_pyramid(picture: Array, out: list[Array] | None = None) -> list[Array]:
    """The picture and its halves, finest first.

    picture  (H,W) float32 grey, 0 to 255; the first level is this array, not a copy
    out      arrays for the other levels, overwritten; new ones if None
    """
    levels = [picture]
    for number, _ in enumerate(pyramid_sizes(*picture.shape)[1:]):
        levels.append(halve(levels[-1], out=None if out is None else out[number]))
    return levels


def flow_both_ways(first: list[Array], second: list[Array], workspace: Workspace) -> Array:
    """Flow between two pictures, (2,H,W,2) float32 pixels (dx, dy): first to second, second to first.

    first, second  pyramids of `grey_pyramid`, of one size
    workspace      of that size; the result is memory of it, and lasts until it is used again
    Enqueues kernels on a GPU's current stream and does not wait.
    """
    flow: Array | None = None
    for a, b, level in zip(first[::-1], second[::-1], workspace.levels[::-1], strict=True):
        patches: Array | None = None
        for number, (reach, descents) in enumerate(ROUNDS):
            out = level.patches[number % 2]
            patches = inverse_search(
                a, b, coarser=None if number else flow, patches=patches, reach=reach, descents=descents, out=out
            )
        flow = densify_flow(a, b, patches, out=level.flow)
        flow = refine_flow(a, b, flow, sweeps=SWEEPS, equations=level.equations, spare=level.spare)
    assert flow is not None  # a pyramid has a level
    return flow


class GpuSearch:
    """`flow_both_ways` between neighbouring pictures of a stream on a GPU, replayed as a CUDA graph.

    A pair is some 75 launches, most of them of a few microseconds. Pictures take turns in two sets of arrays; the second pair
    of each turn is captured, and later ones are replays. If a capture fails, pairs are launched one by one, which is logged.

    height, width  of the working size
    """

    def __init__(self, run: GpuRun, height: int, width: int) -> None:
        self._run = run
        self.size = (height, width)
        sizes = pyramid_sizes(height, width)
        self._pyramids = [[run.device.empty(size, np.float32) for size in sizes] for _ in range(2)]
        self._workspace = Workspace(height, width, self._pyramids[0][0])
        self._turn = 0
        self._found: list[Array | None] = [None, None]  # by turn: the flow of the last pair; always the same array
        self._graphs: list[Any] = [None, None]
        self._captures = True

    def next_picture(self) -> Array:
        """Return the array, (H,W) float32, that the next picture is to be written to, 0 to 255; the last but one was in it."""
        self._turn = 1 - self._turn
        return self._pyramids[self._turn][0]

    def complete(self) -> None:
        """Make the halves of the picture that was written."""
        pyramid = self._pyramids[self._turn]
        grey_pyramid(pyramid[0], pyramid[1:])

    def flow(self) -> Array:
        """Return the flow between the last picture and the one before, as `flow_both_ways` gives it."""
        turn = self._turn
        if self._graphs[turn] is None and self._found[turn] is not None and self._captures:
            try:
                self._graphs[turn] = self._run.captured(self._search)
            except Exception as error:  # of CuPy's own kinds
                self._captures = False
                logging.getLogger("rotoscope").warning("flow search without a CUDA graph: %s", first_line(error))
        if self._graphs[turn] is None:
            self._found[turn] = self._search()
        else:
            self._graphs[turn].launch(self._run.compute)
        return self._found[turn]

    def _search(self) -> Array:
        return flow_both_ways(self._pyramids[self._turn], self._pyramids[1 - self._turn], self._workspace)


class InverseSearchFlow:
    """Flow between two pictures by `flow_both_ways`. Thread-safe, one pair at a time: it keeps arrays for the last size.

    scale  flow is estimated on pictures scaled by this factor, in (0, 1], and enlarged
    """

    def __init__(self, scale: float = 0.5) -> None:
        if not 0 < scale <= 1:
            raise ValueError(f"{scale=}; accepted: above 0, at most 1")
        self.scale = scale
        self._lock = threading.Lock()
        self._workspace: Workspace | None = None

    def __call__(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Flow F_ab, (H,W,2) float32 pixels (dx, dy) on the grid of a: what a shows at p is at p + F_ab(p) in b.

        a, b  (H,W) grey or (H,W,3) RGB, uint8, of one size
        """
        return self.both_ways(a, b)[0]

    def both_ways(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(F_ab, F_ba) as `__call__` gives them, for little more than the time of one."""
        if a.shape != b.shape:
            raise ValueError(f"pictures of {a.shape} and {b.shape}; accepted: two of one shape")
        height, width = a.shape[:2]
        size = max(1, round(height * self.scale)), max(1, round(width * self.scale))
        first, second = (grey_pyramid(_grey(picture, size)) for picture in (a, b))
        with self._lock:
            if self._workspace is None or self._workspace.size != size:
                self._workspace = Workspace(*size, first[0])
            there, back = flow_both_ways(first, second, self._workspace)
            return resize_flow(there, (height, width)), resize_flow(back, (height, width))


def _grey(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """The brightness of a picture at another size (height, width), by area, without rounding."""
    levels = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture, np.float32)
    return np.asarray(cv2.resize(levels, size[::-1], interpolation=cv2.INTER_AREA), np.float32)
