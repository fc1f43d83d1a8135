"""LPIPS of pictures (Zhang et al., CVPR 2018, v0.1), with weights by path."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from rotoscope.metrics.pictures import RGB, same_size, unit_range
from rotoscope.networks.lpips import load_lpips


class LpipsDistance:
    """How different two pictures look to a network: 0 for equal ones, mostly below 1.

    weights   LPIPS' own file, or that of its learned weights and torchvision's of the backbone; ModelRefused where
              tensors are missing
    backbone  squeeze (Lai et al.'s evaluation), alex (HyperCon's) or vgg
    """

    def __init__(self, *weights: str | Path, backbone: Literal["squeeze", "alex", "vgg"] = "squeeze") -> None:
        self.network = load_lpips(backbone, *weights)

    def __call__(self, first: RGB, second: RGB) -> float:
        """Distance of two pictures of one size."""
        same_size(first, second)
        with torch.inference_mode():
            return float(self.network(_tensor(first), _tensor(second)))


def _tensor(picture: RGB) -> Tensor:
    """(1,3,H,W) in [-1,1]."""
    return torch.from_numpy(unit_range(picture)).permute(2, 0, 1)[None] * 2 - 1
