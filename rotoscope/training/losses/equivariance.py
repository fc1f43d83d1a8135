"""Equivariance: the network's answer to a picture moved by some pixels should be its moved answer to the picture."""

from collections.abc import Callable

import torch
from torch import Tensor

CELL = 4  # side of the cells in which networks work, pixels; a shift by a multiple of it changes nothing
MARGIN_PX = 16  # at the border the two answers see other padding


def shift_difference(network: Callable[[Tensor], Tensor], pictures: Tensor, made: Tensor) -> Tensor:
    """Return the mean absolute difference for one random shift of 1 to 3 pixels on each axis.

    pictures, made  input and output of the network, (N,3,H,W); H and W multiples of 4, at least 16
    The network is called once more, on a cut-out that is 4 pixels smaller.
    """
    height, width = (side - CELL for side in pictures.shape[-2:])
    top, left = (int(shift) for shift in torch.randint(1, CELL, (2,)))
    cut = (..., slice(top, top + height), slice(left, left + width))
    margin = min(MARGIN_PX, min(height, width) // 4)
    inner = (..., slice(margin, height - margin), slice(margin, width - margin))
    return (network(pictures[cut]) - made[cut])[inner].abs().mean()
