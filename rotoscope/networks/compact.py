"""Rotoscope's compact student: a feed-forward generator small enough for real time on a laptop CPU.

Most work is done at a quarter of the size. One convolution with stride 4 turns 4x4 pixels and their surroundings into
channels (pixel-unshuffle and 3x3 convolution in one, which engines run faster). Separable residual blocks (Howard et al.
2017; He et al. 2016) with instance norm (Ulyanov et al. 2016) follow. Their features are repeated to half the size; a 3x3
convolution and pixel shuffle (Shi et al. 2016) make the picture. The phases of both steps are equal in mean, because a network
that may choose them prints a lattice of four pixels on everything. With default width and depth: 79,059 parameters and 1.19 G
multiply-adds at 640x360, 29 times fewer than Johnson's TransformerNet.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad, pixel_shuffle

FOLD = 4  # pixels per cell and side; H and W of the input must be multiples of it
HALF_WIDTH = 16  # channels at half the size


def separable_conv(in_channels: int, out_channels: int, *, bias: bool) -> nn.Sequential:
    """Return a depthwise 3x3 convolution with reflection padding and a 1x1 convolution; the size is kept."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, padding_mode="reflect", groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=bias),
    )


class EqualShuffle(nn.Module):
    """3x3 convolution with reflection padding and pixel shuffle by 2, without a lattice: (N,C,H,W) -> (N,K,2H,2W).

    The four phases that become a square of 2x2 pixels have one bias and the same mean over the taps of each kernel, so that
    their answers to an even input are equal (Aitken et al. 2017 make only the start equal). `weight` is (4K,C,3,3).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        start = nn.Conv2d(in_channels, out_channels, 3)
        assert start.bias is not None
        self.weight = nn.Parameter(start.weight.detach().repeat_interleave(4, dim=0))
        self.bias = nn.Parameter(start.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.unflatten(0, (-1, 4))
        means = weight.mean(dim=(3, 4), keepdim=True)
        weight = (weight - means + means.mean(dim=1, keepdim=True)).flatten(0, 1)
        phases = conv2d(pad(x, (1, 1, 1, 1), mode="reflect"), weight, self.bias.repeat_interleave(4))
        return pixel_shuffle(phases, 2)


class ResidualBlock(nn.Module):
    """x + norm(conv(ReLU(norm(conv(x))))) with separable convolutions and affine instance norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = separable_conv(width, width, bias=False)
        self.norm1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = separable_conv(width, width, bias=False)
        self.norm2 = nn.InstanceNorm2d(width, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.add(x, self.norm2(self.conv2(y)))


class CompactGenerator(nn.Module):
    """Rotoscope's compact student, see the top of this file.

    (N,3,H,W) RGB in [-1,1] -> (N,3,H,W) RGB, about [-1,1], not clamped; H and W multiples of 4.
    """

    size_multiple = FOLD

    def __init__(self, width: int = 64, num_blocks: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3 * FOLD, stride=FOLD, padding=FOLD, padding_mode="reflect")
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(num_blocks)))
        self.narrow = separable_conv(width, HALF_WIDTH, bias=True)
        self.head = EqualShuffle(HALF_WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.stem(x))
        y = torch.relu(self.narrow(torch.relu(self.blocks(y))))
        picture: Tensor = self.head(interpolate(y, scale_factor=2.0, mode="nearest"))
        return picture


def compact_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `CompactGenerator` for a state dict."""
    num_blocks = sum(key.startswith("blocks.") and key.endswith(".conv1.0.weight") for key in weights)
    return {"width": weights["stem.weight"].shape[0], "num_blocks": num_blocks}
