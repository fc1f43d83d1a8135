"""MSG-Net (Zhang and Dana 2017), which takes its style from a picture: zhanghang1989/PyTorch-Multi-Style-Transfer.

Encoder: conv k7 to 64 channels, instance norm, ReLU, two bottlenecks with stride 2. The Gram matrix of the style's features
is multiplied by a learned matrix, and the features of the content by the result (CoMatch). Bottlenecks; two bottlenecks with
nearest x2; instance norm, ReLU, conv k7. A bottleneck is a sum of a residual and [norm, ReLU, conv 1x1], [norm, ReLU, conv
k3], [norm, ReLU, conv 1x1] to four times the channels. Norms have no tensors; convolutions of k3 and k7 have reflection
padding.

(N,3,H,W) BGR in [0,255] and a style picture of any size in the same coding -> (N,3,H,W) BGR, about [0,255], not clamped; H
and W multiples of 4.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.networks.fast_style import ReflectConv
from rotoscope.networks.resnet import numbers

EXPANSION = 4


class EnlargedConv(ReflectConv):
    """Nearest x2, then a convolution with reflection padding."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.interpolate(x, scale_factor=2.0))


def activated(channels: int) -> list[nn.Module]:
    """Return instance norm and ReLU."""
    return [nn.InstanceNorm2d(channels), nn.ReLU()]


def branch(in_channels: int, channels: int, middle: nn.Module) -> nn.Sequential:
    """Return the three convolutions of a bottleneck, norm and ReLU before each."""
    return nn.Sequential(
        *activated(in_channels), nn.Conv2d(in_channels, channels, 1),
        *activated(channels), middle,
        *activated(channels), nn.Conv2d(channels, EXPANSION * channels, 1),
    )  # fmt: skip


class Bottleneck(nn.Module):
    """The input, or with `halves` its 1x1 convolution of stride 2, plus the branch."""

    def __init__(self, in_channels: int, channels: int, *, halves: bool) -> None:
        super().__init__()
        stride = 2 if halves else 1
        self.residual_layer = nn.Conv2d(in_channels, EXPANSION * channels, 1, stride) if halves else nn.Identity()
        self.conv_block = branch(in_channels, channels, ReflectConv(channels, channels, 3, stride))

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.residual_layer(x), self.conv_block(x))


class EnlargingBottleneck(nn.Module):
    """A bottleneck that doubles the size."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.residual_layer = EnlargedConv(in_channels, EXPANSION * channels, 1)
        self.conv_block = branch(in_channels, channels, EnlargedConv(channels, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.residual_layer(x), self.conv_block(x))


class CoMatch(nn.Module):
    """Multiply features (N,C,H,W) by the transpose of a learned matrix times the style's Gram matrix (N,C,C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, channels, channels))

    def forward(self, x: Tensor, gram: Tensor) -> Tensor:
        matrix = torch.matmul(self.weight, gram).transpose(1, 2)
        return torch.matmul(matrix, x.flatten(2)).view_as(x)


def gram_matrix(features: Tensor) -> Tensor:
    """Return the Gram matrix (N,C,C) of features (N,C,H,W), divided by C * H * W."""
    flat = features.flatten(2)
    return torch.matmul(flat, flat.transpose(1, 2)) / (flat.shape[1] * flat.shape[2])


class MsgNet(nn.Module):
    """MSG-Net: (picture, style picture) -> the picture in that style; see the top of this file."""

    size_multiple = 4

    def __init__(self, width: int = 128, num_blocks: int = 6) -> None:
        super().__init__()
        wide = EXPANSION * width
        self.model = nn.Sequential(
            nn.Sequential(
                ReflectConv(3, 64, 7),
                *activated(64),
                Bottleneck(64, 32, halves=True),
                Bottleneck(128, width, halves=True),
            ),
            CoMatch(wide),
            *(Bottleneck(wide, width, halves=False) for _ in range(num_blocks)),
            EnlargingBottleneck(wide, 32),
            EnlargingBottleneck(128, 16),
            *activated(64),
            ReflectConv(64, 3, 7),
        )

    def forward(self, picture: Tensor, example: Tensor) -> Tensor:
        encoder, match, *others = self.model
        y: Tensor = match(encoder(picture), gram_matrix(encoder(example)))
        for layer in others:
            y = layer(y)
        return y


def msgnet_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `MsgNet` for a state dict."""
    blocks = numbers(weights, r"model\.(\d+)\.conv_block\.2\.weight")
    return {"width": weights["model.1.weight"].shape[1] // EXPANSION, "num_blocks": len(blocks) - 2}


def convert_msgnet(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the second names of the same tensors: `model1` is `model.0`, `ins` is `model.1`."""
    return {key: value for key, value in weights.items() if not key.startswith(("model1.", "ins."))}
