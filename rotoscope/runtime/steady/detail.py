"""Detail of one scene: when `kernels.detail` measures, and what it keeps from frame to frame.

Only the shown picture is raised, never the one that the next frame builds on.
"""

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.arrays import on_cuda
from rotoscope.kernels.detail import SMALLEST_PX, DetailScratch, Energies, detail, detail_scratch, first_energies

F32 = NDArray[np.float32]

SETTLED = 4  # frames at the start of a scene that are all measured
MEASURED_EVERY = 12  # frames, after those


class Detail:
    """Gains of one scene; they follow its energies slowly."""

    def __init__(self) -> None:
        self._age = 0
        self._energies: Energies | None = None
        self._scratch: DetailScratch | None = None  # on a GPU

    def __call__(self, averaged: F32, framewise: F32, weight: F32) -> F32:
        """Return the averaged picture with the detail of the frame-wise one; small pictures as they are.

        averaged, framewise  (H,W,4) float32 RGB in [0,1]
        weight               (H,W) float32 in [0,1]: where history was used
        """
        if min(averaged.shape[:2]) < SMALLEST_PX:
            return averaged
        measured = self._age < SETTLED or self._age % MEASURED_EVERY == 0
        self._age += 1
        if self._energies is None:
            self._energies = first_energies(averaged)
            self._scratch = detail_scratch(averaged.shape[:2], averaged) if on_cuda(averaged) else None
        made: F32 = detail(averaged, framewise, weight, self._energies, measure=measured, scratch=self._scratch)
        return made
