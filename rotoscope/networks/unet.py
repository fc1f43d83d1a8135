"""U-Net generators: pix2pix (Isola et al. 2017) and Recycle-GAN's temporal predictors (Bansal et al. 2018).

Blocks are nested: each halves the size (LeakyReLU 0.2, conv k4 s2, norm), runs the block inside it, doubles the size (ReLU,
transposed conv k4 s2, norm) and concatenates its input and its result. Channels from the outermost block inwards are 1, 2,
4, 8, 8, ... times the width. The outermost block has no norms and ends in tanh; the innermost has no norm on the way down.
Inner blocks of full width have dropout in training, which has no tensors. Convolutions in front of a batch norm have no
bias.

| | levels | width | norm | parameters |
|---|---|---|---|---|
| pix2pix `unet_256` | 8 | 64 | batch | 54,413,955 |
| pix2pix `unet_128` | 7 | 64 | batch | 41,828,995 |
| Recycle-GAN predictor `unet_256` | 8 | 64 | instance | 54,412,675 |
| Recycle-GAN predictor `prediction` | 6 | 8 | instance | 117,199,267 |
"""

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.networks.norms import make_norm, norm_kind
from rotoscope.networks.resnet import head, tail


def halve(in_channels: int, out_channels: int, *, bias: bool) -> nn.Conv2d:
    """Return a convolution k4 s2 p1, which halves the size."""
    return nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)


def double(in_channels: int, out_channels: int, *, bias: bool) -> nn.ConvTranspose2d:
    """Return a transposed convolution k4 s2 p1, which doubles the size."""
    return nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)


class SkipBlock(nn.Module):
    """Concatenate the input and the output of the layers: (N,C,H,W) -> (N,2C,H,W), input first."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.model(x)], dim=1)


class OutermostBlock(nn.Module):
    """A block without a skip connection; it gives the layers the published name `model`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class UnetGenerator(nn.Module):
    """pix2pix's U-Net (Isola et al. 2017): (N,C,H,W) in [-1,1] -> (N,C',H,W) in [-1,1]; H and W multiples of 2**num_downs.

    As a temporal predictor it takes two consecutive frames in 6 channels, older first, and returns the next frame.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        num_downs: int = 8,
        *,
        norm: str = "batch_by_frame",
        bias: bool = False,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(num_downs)]
        outer, inner = widths[-2:]
        block: nn.Module = SkipBlock(
            nn.LeakyReLU(0.2),
            halve(outer, inner, bias=bias),
            nn.ReLU(),
            double(inner, outer, bias=bias),
            make_norm(norm, outer),
        )
        for level in reversed(range(num_downs - 2)):
            outer, inner = widths[level : level + 2]
            block = SkipBlock(
                nn.LeakyReLU(0.2),
                halve(outer, inner, bias=bias),
                make_norm(norm, inner),
                block,
                nn.ReLU(),
                double(2 * inner, outer, bias=bias),
                make_norm(norm, outer),
                *([nn.Dropout(0.5)] if dropout and outer == inner else []),
            )
        self.model = OutermostBlock(
            halve(in_channels, width, bias=bias),
            block,
            nn.ReLU(),
            double(2 * width, out_channels, bias=True),
            nn.Tanh(),
        )
        self.size_multiple = 2**num_downs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


def stage(in_channels: int, out_channels: int, norm: str, *, bias: bool) -> list[nn.Module]:
    """Return three layers at full size: conv k3, norm, ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
    return [conv, make_norm(norm, out_channels), nn.ReLU()]


class ViewsPredictor(nn.Module):
    """Recycle-GAN's `prediction` (Bansal et al. 2018): first layers shared by both frames, a U-Net, last layers.

    Two frames (N,3,H,W) in [-1,1], older first -> the next frame (N,3,H,W) in [-1,1]; H and W multiples of 2**num_downs.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 8,
        num_downs: int = 6,
        *,
        norm: str = "instance",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.model1 = nn.Sequential(
            *head(in_channels, width, norm, bias=bias),
            *stage(width, 2 * width, norm, bias=bias),
            *stage(2 * width, 4 * width, norm, bias=bias),
        )
        self.model = UnetGenerator(8 * width, 4 * width, 16 * width, num_downs, norm=norm, bias=bias)
        self.model3 = nn.Sequential(
            *stage(4 * width, 2 * width, norm, bias=bias),
            *stage(2 * width, width, norm, bias=bias),
            *tail(width, out_channels, nn.Tanh()),
        )
        self.size_multiple = 2**num_downs

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        features = torch.cat([self.model1(older), self.model1(newer)], dim=1)
        y: Tensor = self.model3(self.model(features))
        return y


def num_downs_of(weights: Mapping[str, Tensor], outermost: str) -> int:
    """Count the U-Net's blocks in a state dict: the block named `outermost` and those nested in it."""
    nested = (outermost + ".1" + ".model.3" * depth + ".model.1.weight" for depth in itertools.count())
    return 1 + sum(1 for _ in itertools.takewhile(weights.__contains__, nested))


def unet_sizes(weights: Mapping[str, Tensor], *, statistics: str = "frame", norm: str | None = None) -> dict[str, Any]:
    """Return the arguments of `UnetGenerator` for a state dict."""
    width, in_channels = weights["model.model.0.weight"].shape[:2]
    bias = "model.model.0.bias" in weights
    return {
        "in_channels": in_channels,
        "out_channels": weights["model.model.3.weight"].shape[1],
        "width": width,
        "num_downs": num_downs_of(weights, "model.model"),
        "norm": norm_kind(weights, statistics, bias=bias, norm=norm),
        "bias": bias,
    }


def views_sizes(weights: Mapping[str, Tensor], *, statistics: str = "frame") -> dict[str, Any]:
    """Return the arguments of `ViewsPredictor` for a state dict."""
    width, in_channels = weights["model1.1.weight"].shape[:2]
    bias = "model1.1.bias" in weights
    return {
        "in_channels": in_channels,
        "out_channels": weights["model3.7.weight"].shape[0],
        "width": width,
        "num_downs": num_downs_of(weights, "model.model.model"),
        "norm": norm_kind(weights, statistics, bias=bias),
        "bias": bias,
    }
