"""Rotoscope's compact student: a feed-forward generator small enough for real time on a laptop CPU.

Two smooth convolutions of stride 2 lead to a quarter of the size, where dense residual blocks (He et al. 2016) with instance
norm (Ulyanov et al. 2016) do most of the work. Two smooth enlarging convolutions lead back; the features at half the size from
the way down are added, so that lines stay where they are. The blocks pad by zeros, which engines run faster than reflection;
the changes of size repeat the border, because zeros there draw a frame around the picture.

Every change of size is filtered, so that a picture moved by one pixel gives nearly the moved result (Zhang 2019), and lattices
hardly arise: the way down blurs before it drops pixels, and the way up is a convolution of the bilinearly
enlarged features, computed at the smaller size as four phases and pixel shuffle (Shi et al. 2016). With 32 channels and 5
blocks: 103,011 parameters and 2.06 G multiply-adds at 640x360.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, pixel_shuffle

from rotoscope.networks.resnet import numbers

CELL = 4  # pixels of the input per feature and side in the blocks; H and W must be multiples of it
DOWN_BLUR = (0.125, 0.375, 0.375, 0.125)  # centred between two pixels, as the sampling points of the smaller grid are
# Linear map of one axis from the taps of a kernel at the double size to taps at the single size, for both phases: bilinear
# enlargement takes 3/4 of the nearer feature and 1/4 of the next. [phase][tap at the single size][tap of the kernel]
UP_TAPS = (
    ((0.75, 0.25, 0.0), (0.25, 0.75, 0.75), (0.0, 0.0, 0.25)),
    ((0.25, 0.0, 0.0), (0.75, 0.75, 0.25), (0.0, 0.25, 0.75)),
)


class StudentSize(NamedTuple):
    """Channels at a quarter of the size, and residual blocks; the half size has half the channels."""

    width: int
    blocks: int


class SmoothDown(nn.Module):
    """Blur, 3x3 convolution and every second pixel, in one convolution k6 s2: (N,C,H,W) -> (N,K,H/2,W/2).

    `weight` is (K,C,3,3), `bias` (K,).
    """

    blur = DOWN_BLUR

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        start = nn.Conv2d(in_channels, out_channels, 3)
        assert start.bias is not None
        self.weight, self.bias = nn.Parameter(start.weight.detach()), nn.Parameter(start.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        blur = self.weight.new_tensor(self.blur)
        kernels = conv2d(self.weight.flatten(0, 1)[:, None], torch.outer(blur, blur)[None, None], padding=len(blur) - 1)
        x = pad(x, (2, 2, 2, 2), mode="replicate")
        return conv2d(x, kernels[:, 0].unflatten(0, self.weight.shape[:2]), self.bias, stride=2)


class SmoothUp(nn.Module):
    """3x3 convolution of features that are enlarged bilinearly to double size: (N,C,H,W) -> (N,K,2H,2W).

    `weight` is (K,C,3,3), `bias` (K,). Outside the picture the border is repeated.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        start = nn.Conv2d(in_channels, out_channels, 3)
        assert start.bias is not None
        self.weight, self.bias = nn.Parameter(start.weight.detach()), nn.Parameter(start.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        taps = self.weight.new_tensor(UP_TAPS)
        phases = torch.einsum("pya,qxb,kcab->kpqcyx", taps, taps, self.weight).flatten(0, 2)
        x = pad(x, (1, 1, 1, 1), mode="replicate")
        return pixel_shuffle(conv2d(x, phases, self.bias.repeat_interleave(4)), 2)


class ResidualBlock(nn.Module):
    """x + norm(conv(ReLU(norm(conv(x))))) with 3x3 convolutions and affine instance norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.InstanceNorm2d(width, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.add(x, self.norm2(self.conv2(y)))


class CompactGenerator(nn.Module):
    """Rotoscope's compact student, see the top of this file.

    (N,3,H,W) RGB in [-1,1] -> (N,3,H,W) RGB, about [-1,1], not clamped; H and W multiples of 4.
    """

    size_multiple = CELL

    def __init__(self, width: int = 32, num_blocks: int = 5) -> None:
        super().__init__()
        half = half_width(width)
        self.down1 = SmoothDown(3, half)
        self.down2 = SmoothDown(half, width)
        self.norm = nn.InstanceNorm2d(width, affine=True)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(num_blocks)))
        self.up1 = SmoothUp(width, half)
        self.up2 = SmoothUp(half, 3)

    def forward(self, x: Tensor) -> Tensor:
        lines = torch.relu(self.down1(x))
        y = self.blocks(torch.relu(self.norm(self.down2(lines))))
        picture: Tensor = self.up2(torch.relu(torch.add(self.up1(y), lines)))
        return picture


def half_width(width: int) -> int:
    """Return the channels at half the size."""
    return max(1, width // 2)


def compact_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `CompactGenerator` for a state dict."""
    blocks = numbers(weights, r"blocks\.(\d+)\.conv1\.weight")
    return {"width": weights["down2.weight"].shape[0], "num_blocks": len(blocks)}
