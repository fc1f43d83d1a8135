"""Rotoscope's compact student: a feed-forward generator small enough for real time on a laptop CPU.

Most work is done at a quarter of the size. One convolution with stride 4 turns 4x4 pixels and their surroundings into
channels (pixel-unshuffle and 3x3 convolution in one, which engines run faster). Separable residual blocks (Howard et al.
2017; He et al. 2016) with instance norm (Ulyanov et al. 2016) follow. Two pixel-shuffle steps (Shi et al. 2016) with a
small convolution between them make the picture; this convolution prevents a visible 4x4 grid. With default width and depth:
82,188 parameters and 1.24 G multiply-adds at 640x360, 28 times fewer than Johnson's TransformerNet.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

FOLD = 4  # pixels per cell and side; H and W of the input must be multiples of it
HALF_WIDTH = 16  # channels at half the size


def separable_conv(in_channels: int, out_channels: int, *, bias: bool) -> nn.Sequential:
    """Return a depthwise 3x3 convolution with reflection padding and a 1x1 convolution; the size is kept."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, padding_mode="reflect", groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=bias),
    )


def start_without_checkerboard(layer: nn.Module) -> None:
    """Initialise the four channels that pixel shuffle places side by side with equal weights (Aitken et al. 2017)."""
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    with torch.no_grad():
        layer.weight.copy_(layer.weight[::4].repeat_interleave(4, dim=0))
        layer.bias.copy_(layer.bias[::4].repeat_interleave(4, dim=0))


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
        self.expand = separable_conv(width, 4 * HALF_WIDTH, bias=True)
        self.head = nn.Conv2d(HALF_WIDTH, 12, 3, padding=1, padding_mode="reflect")
        for layer in (self.expand[1], self.head):
            start_without_checkerboard(layer)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.stem(x))
        y = self.expand(torch.relu(self.blocks(y)))
        y = torch.relu(nn.functional.pixel_shuffle(y, 2))
        return nn.functional.pixel_shuffle(self.head(y), 2)


def compact_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `CompactGenerator` for a state dict."""
    num_blocks = sum(key.startswith("blocks.") and key.endswith(".conv1.0.weight") for key in weights)
    return {"width": weights["stem.weight"].shape[0], "num_blocks": num_blocks}
