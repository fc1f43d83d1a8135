"""U-GAT-IT's generator (Kim et al. 2020) as in znxlwm/UGATIT-pytorch: attention over channels and adaptive layer-instance norm.

Encoder: conv k7, two convolutions k3 s2, residual blocks, all with instance norm, ReLU and reflection padding, without bias.
Attention: the features, weighted by the weights of two classifiers on their average and their maximum, are concatenated and
reduced by 1x1. Two fully connected layers on these features (light: on their average) give `gamma` and `beta` for the
residual blocks of the decoder, whose norm mixes instance and layer norm by a learned share `rho`. Two [nearest x2, conv k3,
layer-instance norm, ReLU], conv k7, tanh. Variances are unbiased.

(N,3,H,W) RGB in [-1,1] -> (N,3,H,W) in [-1,1]. The full network takes one size, usually 256x256; the light one multiples of
4. 283,679,424 and 15,309,504 parameters.
"""

from collections.abc import Mapping
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.networks.norms import EPSILON
from rotoscope.networks.resnet import ResidualBlock, numbers

DOWNS = 2


def mixed_norm(x: Tensor, share: Tensor) -> Tensor:
    """Return share * instance norm + (1 - share) * layer norm of (N,C,H,W), both with unbiased variance; share (1,C,1,1)."""

    def normalised(axes: tuple[int, ...]) -> Tensor:
        return (x - x.mean(dim=axes, keepdim=True)) / torch.sqrt(x.var(dim=axes, keepdim=True) + EPSILON)

    return share * normalised((2, 3)) + (1 - share) * normalised((1, 2, 3))


class AdaptiveNorm(nn.Module):
    """Layer-instance norm with a learned share; scale and shift (N,C) come from outside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((1, channels, 1, 1), 0.9))

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        return mixed_norm(x, self.rho) * gamma[:, :, None, None] + beta[:, :, None, None]


class LearnedNorm(nn.Module):
    """Layer-instance norm with a learned share, scale and shift."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return mixed_norm(x, self.rho) * self.gamma + self.beta


def reflect_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Return reflection padding and a convolution without bias."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, bias=False)
    return [nn.ReflectionPad2d(kernel // 2), conv]


class AdaptiveBlock(nn.Module):
    """x + two convolutions k3 with adaptive norm, ReLU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pad1, self.conv1 = reflect_conv(width, width, 3)
        self.norm1 = AdaptiveNorm(width)
        self.pad2, self.conv2 = reflect_conv(width, width, 3)
        self.norm2 = AdaptiveNorm(width)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(self.pad1(x)), gamma, beta))
        y = self.norm2(self.conv2(self.pad2(y)), gamma, beta)
        return torch.add(x, y)


class UgatitGenerator(nn.Module):
    """U-GAT-IT's generator, see the top of this file; `size`: side of the only picture it takes; None: light, any size."""

    size_multiple = 2**DOWNS

    def __init__(
        self, in_channels: int = 3, out_channels: int = 3, width: int = 64, num_blocks: int = 6, size: int | None = None
    ) -> None:
        super().__init__()
        self.fixed_size = size
        layers = [*reflect_conv(in_channels, width, 7), nn.InstanceNorm2d(width), nn.ReLU()]
        for _ in range(DOWNS):
            layers += [*reflect_conv(width, 2 * width, 3, 2), nn.InstanceNorm2d(2 * width), nn.ReLU()]
            width *= 2
        self.DownBlock = nn.Sequential(
            *layers, *(ResidualBlock(width, "instance", bias=False) for _ in range(num_blocks))
        )
        self.gap_fc = nn.Linear(width, 1, bias=False)
        self.gmp_fc = nn.Linear(width, 1, bias=False)
        self.conv1x1 = nn.Conv2d(2 * width, width, 1)
        features = width if size is None else width * (size // 2**DOWNS) ** 2
        self.FC = nn.Sequential(
            nn.Linear(features, width, bias=False), nn.ReLU(), nn.Linear(width, width, bias=False), nn.ReLU()
        )
        self.gamma = nn.Linear(width, width, bias=False)
        self.beta = nn.Linear(width, width, bias=False)
        self.num_blocks = num_blocks
        for number in range(1, num_blocks + 1):
            self.add_module(f"UpBlock1_{number}", AdaptiveBlock(width))
        layers = []
        for _ in range(DOWNS):
            half = width // 2
            layers += [nn.Upsample(scale_factor=2.0), *reflect_conv(width, half, 3), LearnedNorm(half), nn.ReLU()]
            width = half
        self.UpBlock2 = nn.Sequential(*layers, *reflect_conv(width, out_channels, 7), nn.Tanh())

    def forward(self, picture: Tensor) -> Tensor:
        x = self.DownBlock(picture)
        weighted = [x * classifier.weight[:, :, None, None] for classifier in (self.gap_fc, self.gmp_fc)]
        x = torch.relu(self.conv1x1(torch.cat(weighted, dim=1)))
        code = self.FC(x.mean(dim=(2, 3)) if self.fixed_size is None else x.flatten(1))
        gamma, beta = self.gamma(code), self.beta(code)
        for number in range(1, self.num_blocks + 1):
            x = self.get_submodule(f"UpBlock1_{number}")(x, gamma, beta)
        made: Tensor = self.UpBlock2(x)
        return made


def ugatit_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `UgatitGenerator` for a state dict."""
    width, in_channels = weights["DownBlock.1.weight"].shape[:2]
    wide, features = weights["FC.0.weight"].shape
    last = max(numbers(weights, r"UpBlock2\.(\d+)\.weight"))
    return {
        "in_channels": in_channels,
        "out_channels": weights[f"UpBlock2.{last}.weight"].shape[0],
        "width": width,
        "num_blocks": len(numbers(weights, r"UpBlock1_(\d+)\.conv1\.weight")),
        "size": None if features == wide else isqrt(features // wide) * 2**DOWNS,
    }
