"""Any look: the compact student in the style of any picture (after Ghiasi et al. 2017, Huang and Belongie 2017).

A style encoder makes a code of a painting, once: convolutions of stride 2, mean and deviation of their features at three sizes,
and a linear layer. The compact student paints every frame; after each of its instance norms, scale and shift of each channel
are a linear function of the code. So codes can be mixed.

With default sizes: 276,323 parameters, of which the student has 150,147.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.networks.compact import CELL, SmoothDown, SmoothUp, half_width
from rotoscope.networks.norms import EPSILON
from rotoscope.networks.resnet import numbers

PAINTING_PX = 256  # side of the square in which the encoder sees a painting
NUM_DOWNS = 4  # convolutions of the encoder
FIRST_POOLED = 1  # statistics are taken from this convolution on


class StyledNorm(nn.Module):
    """Instance norm whose scale and shift are a linear function of a code (N,S,1,1)."""

    def __init__(self, channels: int, style_channels: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels, eps=EPSILON)
        self.affine = nn.Conv2d(style_channels, 2 * channels, 1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        scale, shift = self.affine(code).chunk(2, dim=1)
        return torch.add(self.norm(x) * (1 + scale), shift)


class StyledBlock(nn.Module):
    """x + norm(conv(ReLU(norm(conv(x))))) with 3x3 convolutions and norms that follow a code."""

    def __init__(self, width: int, style_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1 = StyledNorm(width, style_channels)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = StyledNorm(width, style_channels)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x), code))
        return torch.add(x, self.norm2(self.conv2(y), code))


class StyledStudent(nn.Module):
    """The compact student with norms that follow a code: (picture (N,3,H,W), code (N,S,1,1)) -> picture."""

    def __init__(self, width: int, num_blocks: int, style_channels: int) -> None:
        super().__init__()
        half = half_width(width)
        self.down1 = SmoothDown(3, half)
        self.down2 = SmoothDown(half, width)
        self.norm = StyledNorm(width, style_channels)
        self.blocks = nn.ModuleList(StyledBlock(width, style_channels) for _ in range(num_blocks))
        self.up1 = SmoothUp(width, half)
        self.up_norm = StyledNorm(half, style_channels)
        self.up2 = SmoothUp(half, 3)

    def forward(self, picture: Tensor, code: Tensor) -> Tensor:
        lines = torch.relu(self.down1(picture))
        y = torch.relu(self.norm(self.down2(lines), code))
        for block in self.blocks:
            y = block(y, code)
        made: Tensor = self.up2(torch.relu(torch.add(self.up_norm(self.up1(y), code), lines)))
        return made


class StyleEncoder(nn.Module):
    """The code (N,S,1,1) of paintings (N,3,H,W) RGB in [-1,1]; H and W at least 32. A model file takes 256x256 pixels."""

    fixed_size = PAINTING_PX

    def __init__(self, width: int, style_channels: int) -> None:
        super().__init__()
        widths = [3, *(width * 2**level for level in range(NUM_DOWNS))]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(widths)
        )
        self.linear = nn.Conv2d(2 * sum(widths[1 + FIRST_POOLED :]), style_channels, 1)

    def forward(self, painting: Tensor) -> Tensor:
        statistics, y = [], painting
        for number, conv in enumerate(self.convs):
            y = torch.relu(conv(y))
            if number >= FIRST_POOLED:
                mean = y.mean(dim=(2, 3), keepdim=True)
                variance = (y - mean).square().mean(dim=(2, 3), keepdim=True)
                statistics += [mean, (variance + EPSILON).sqrt()]
        code: Tensor = self.linear(torch.cat(statistics, dim=1))
        return code


class AnyLook(nn.Module):
    """Encoder and student together, see the top of this file: (picture (N,3,H,W), code (N,S,1,1)) -> picture.

    Pictures are RGB in [-1,1], the result about [-1,1], not clamped; H and W multiples of 4.
    """

    size_multiple = CELL

    def __init__(self, width: int = 32, num_blocks: int = 5, style_channels: int = 64, encoder_width: int = 16) -> None:
        super().__init__()
        self.encoder = StyleEncoder(encoder_width, style_channels)
        self.student = StyledStudent(width, num_blocks, style_channels)

    def forward(self, picture: Tensor, code: Tensor) -> Tensor:
        made: Tensor = self.student(picture, code)
        return made


def any_look_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `AnyLook` for a state dict."""
    return {
        "width": weights["student.down2.weight"].shape[0],
        "num_blocks": len(numbers(weights, r"student\.blocks\.(\d+)\.conv1\.weight")),
        "style_channels": weights["encoder.linear.weight"].shape[0],
        "encoder_width": weights["encoder.convs.0.weight"].shape[0],
    }
