"""Trust along a chain of flows, for neighbours that are several frames away."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Array
from rotoscope.kernels.arrays import on_cuda
from rotoscope.kernels.trust_along import trust_along
from rotoscope.kernels.warp import warp

F32 = NDArray[np.float32]


def along(sure: F32, flow: F32 | None, trust: F32 | None, votes_from: float = 0.5) -> tuple[F32, Array]:
    """(trust along a chain of flows, where it is above `votes_from`).

    sure         (H,W) float32 in [0,1]: trust of the last flow of the chain
    flow, trust  the chain before it, (H,W,2) in pixels and (H,W); None for the first
    """
    if on_cuda(sure):
        votes: Any = np.empty_like(sure, dtype=np.uint8)
        return trust_along(sure, flow, trust, votes_from=votes_from, votes=votes), votes
    together = sure if flow is None or trust is None else trust * np.asarray(warp(sure[None], flow)[0])
    return together, together > votes_from
