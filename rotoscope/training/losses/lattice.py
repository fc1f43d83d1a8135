"""Lattice penalty: the share of fine detail that repeats every 2 or 4 pixels, as `metrics.lattice` measures it in tiles.

The mean over the whole picture is not enough: a network evades it by a lattice whose sign follows the content.
"""

import torch
from torch import Tensor

from rotoscope.base.manifest import LUMA

TILE_PX = 60
PERIODS = (2, 4)  # the cells in which networks work, pixels
CHANCE_PERIODS = (3, 5)  # their share is chance
LEAST_SIDE_PX = TILE_PX + 2
FLAT = 1e-8  # variance of fine detail that is added, so that an even picture has a share of 0


def lattice_penalty(pictures: Tensor) -> Tensor:
    """Return the excess of the share of periods 2 and 4 over chance, summed, for pictures (N,3,H,W) of at least 62 pixels."""
    luma = torch.einsum("nchw,c->nhw", pictures, pictures.new_tensor(LUMA))
    neighbours = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    detail = luma[:, 1:-1, 1:-1] - neighbours / 4
    tiles = detail.unfold(1, TILE_PX, TILE_PX).unfold(2, TILE_PX, TILE_PX).flatten(0, 2)
    total = tiles.var(dim=(1, 2), correction=0).sum() + FLAT

    def share(period: int) -> Tensor:
        cells = tiles.unflatten(1, (-1, period)).unflatten(3, (-1, period)).mean(dim=(1, 3))
        share_of_all: Tensor = cells.var(dim=(1, 2), correction=0).sum() / total
        return share_of_all

    chance = torch.stack([share(period) / (period**2 - 1) for period in CHANCE_PERIODS]).mean()
    excess = [(share(period) - chance * (period**2 - 1)).clamp(min=0) for period in PERIODS]
    summed: Tensor = torch.stack(excess).sum()
    return summed
