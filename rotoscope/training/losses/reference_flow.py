"""Reference flow between real frames, for the losses on video: dense inverse search, on the CPU."""

import numpy as np
import torch
from torch import Tensor

from rotoscope.runtime.motion.dis import DisFlow

ESTIMATOR = DisFlow("medium", scale=1.0)


def reference_flow(a: Tensor, b: Tensor) -> Tensor:
    """Return F_ab (N,2,H,W) in pixels, dx first, between pictures (N,3,H,W) RGB in [-1,1]; no gradient passes."""
    steps = [
        np.ascontiguousarray(((pictures.detach().cpu() + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
        for pictures in (a, b)
    ]
    flows = [ESTIMATOR(one, other) for one, other in zip(*steps, strict=True)]
    return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).to(a.device)
