"""The network of `starry` and `scream` in torch, to time the same work there; the package holds these looks as ONNX files only.

A convolution of stride 4, five separable residual blocks with instance norm, features repeated to half the size, a 3x3
convolution and pixel shuffle whose four phases have the same mean.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad, pixel_shuffle

WIDTH, HALF_WIDTH, NUM_BLOCKS, CELL = 64, 16, 5, 4


def separable_conv(in_channels: int, out_channels: int, *, bias: bool) -> nn.Sequential:
    """Return a depthwise 3x3 convolution with reflection padding and a 1x1 convolution."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, padding_mode="reflect", groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=bias),
    )


class Head(nn.Module):
    """3x3 convolution and pixel shuffle by 2 to a picture, with phases of the same mean."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(12, HALF_WIDTH, 3, 3))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.unflatten(0, (-1, 4))
        means = weight.mean(dim=(3, 4), keepdim=True)
        weight = (weight - means + means.mean(dim=1, keepdim=True)).flatten(0, 1)
        phases = conv2d(pad(x, (1, 1, 1, 1), mode="reflect"), weight, self.bias.repeat_interleave(4))
        return pixel_shuffle(phases, 2)


class Block(nn.Module):
    """x + norm(conv(ReLU(norm(conv(x)))))."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = separable_conv(WIDTH, WIDTH, bias=False)
        self.norm1 = nn.InstanceNorm2d(WIDTH, affine=True)
        self.conv2 = separable_conv(WIDTH, WIDTH, bias=False)
        self.norm2 = nn.InstanceNorm2d(WIDTH, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.add(x, self.norm2(self.conv2(y)))


class PaintedLook(nn.Module):
    """(N,3,H,W) RGB in [-1,1] -> the same; H and W multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3 * CELL, stride=CELL, padding=CELL, padding_mode="reflect")
        self.blocks = nn.Sequential(*(Block() for _ in range(NUM_BLOCKS)))
        self.narrow = separable_conv(WIDTH, HALF_WIDTH, bias=True)
        self.head = Head()

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.stem(x))
        y = torch.relu(self.narrow(torch.relu(self.blocks(y))))
        picture: Tensor = self.head(interpolate(y, scale_factor=2.0, mode="nearest"))
        return picture
