"""Layers of MUNIT (Huang et al. 2018), with the names of its published files."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from rotoscope.networks.norms import EPSILON


class LayerNorm(nn.Module):
    """Normalise each sample over channels and pixels, then scale and shift; unbiased deviation, eps added to the deviation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        deviation = x.std(dim=(1, 2, 3), keepdim=True)
        return (x - mean) / (deviation + EPSILON) * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


PaddingMode = Literal["reflect", "replicate", "zeros"]
PADDING_MODES: dict[str, PaddingMode] = {"reflect": "reflect", "replicate": "replicate", "zero": "zeros"}


def activation_named(word: str) -> nn.Module:
    """Return the activation of a configuration: "relu", or "lrelu", which is LeakyReLU 0.2."""
    return nn.ReLU() if word == "relu" else nn.LeakyReLU(0.2)


class ConvBlock(nn.Module):
    """Convolution with padding, then norm and activation if they are given."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        *,
        norm: nn.Module | None = None,
        activation: nn.Module | None = None,
        padding: str = "reflect",
    ) -> None:
        super().__init__()
        around = (kernel - stride + 1) // 2  # k4 s2 pads 1, odd kernels keep the size
        mode = PADDING_MODES[padding]
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=around, padding_mode=mode)
        self.norm = norm or nn.Identity()
        self.activation = activation or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y


class ContentBlock(nn.Module):
    """x + two convolutions with instance norm, the activation between them."""

    def __init__(self, width: int, activation: str = "relu", padding: str = "reflect") -> None:
        super().__init__()
        between = activation_named(activation)
        self.model = nn.Sequential(
            ConvBlock(width, width, 3, norm=nn.InstanceNorm2d(width), activation=between, padding=padding),
            ConvBlock(width, width, 3, norm=nn.InstanceNorm2d(width), padding=padding),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.model(x))


def instance_block(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    *,
    activation: str = "relu",
    padding: str = "reflect",
) -> ConvBlock:
    """Return convolution, instance norm, activation."""
    return ConvBlock(
        in_channels, out_channels, kernel, stride, norm=nn.InstanceNorm2d(out_channels),
        activation=activation_named(activation), padding=padding,
    )  # fmt: skip


class Blocks(nn.Module):
    """Blocks in sequence, with the published name `model`."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class StyledBlock(nn.Module):
    """x + two convolutions with AdaIN (instance norm, then scale and shift (N,C,1,1) from the style), activation between."""

    def __init__(self, width: int, activation: str = "relu", padding: str = "reflect") -> None:
        super().__init__()
        self.between = activation_named(activation)
        self.model = nn.Sequential(
            ConvBlock(width, width, 3, norm=nn.InstanceNorm2d(width), padding=padding),
            ConvBlock(width, width, 3, norm=nn.InstanceNorm2d(width), padding=padding),
        )

    def forward(self, x: Tensor, parameters: Iterator[Tensor]) -> Tensor:
        first, second = self.model
        shift, scale = next(parameters), next(parameters)
        y = self.between(first(x) * scale + shift)
        shift, scale = next(parameters), next(parameters)
        return torch.add(x, second(y) * scale + shift)


class StyledBlocks(nn.Module):
    """Residual blocks in sequence; each takes its shifts and scales from the iterator `parameters`."""

    def __init__(self, width: int, num_blocks: int, activation: str = "relu", padding: str = "reflect") -> None:
        super().__init__()
        self.model = nn.ModuleList(StyledBlock(width, activation, padding) for _ in range(num_blocks))

    def forward(self, x: Tensor, parameters: Iterator[Tensor]) -> Tensor:
        for block in self.model:
            x = block(x, parameters)
        return x


class LinearBlock(nn.Module):
    """Fully connected layer, then an activation."""

    def __init__(self, in_channels: int, out_channels: int, activation: nn.Module) -> None:
        super().__init__()
        self.fc = nn.Linear(in_channels, out_channels)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.fc(x))
        return y
