"""ResNet generators: CycleGAN (Zhu et al. 2017) and the global generator of pix2pixHD (Wang et al. 2018).

Both are one flat sequence `model`: reflection padding of 3, conv k7, norm, ReLU; per level conv k3 s2, norm, ReLU; residual
blocks; per level transposed conv k3 s2, norm, ReLU; reflection padding of 3, conv k7, tanh. CycleGAN has 2 levels, 6 or 9
blocks and no bias in front of a batch norm. pix2pixHD has 3 or 4 levels, at most 1024 channels, and all biases. In blocks
trained with dropout the key `conv_block.5` is `conv_block.6`.

| | width | blocks | norm | parameters |
|---|---|---|---|---|
| CycleGAN `resnet_9blocks` | 64 | 9 | instance / batch | 11,378,179 / 11,383,427 |
| CycleGAN `resnet_6blocks` | 64 | 6 | instance / batch | 7,837,699 / 7,841,411 |
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused
from rotoscope.base.text import shortened
from rotoscope.networks.norms import make_norm, norm_kind

MOST_CHANNELS = 1024
MOST_LAYERS = 1000


def head(in_channels: int, width: int, norm: str, *, bias: bool = True) -> list[nn.Module]:
    """Return four layers at full size: reflection padding of 3, conv k7, norm, ReLU."""
    conv = nn.Conv2d(in_channels, width, 7, bias=bias)
    return [nn.ReflectionPad2d(3), conv, make_norm(norm, width), nn.ReLU()]


def down(in_channels: int, out_channels: int, norm: str, *, bias: bool = True) -> list[nn.Module]:
    """Return three layers that halve the size: conv k3 s2, norm, ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=bias)
    return [conv, make_norm(norm, out_channels), nn.ReLU()]


def up(in_channels: int, out_channels: int, norm: str, *, bias: bool = True) -> list[nn.Module]:
    """Return three layers that double the size: transposed conv k3 s2, norm, ReLU."""
    conv = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1, bias=bias)
    return [conv, make_norm(norm, out_channels), nn.ReLU()]


def tail(width: int, out_channels: int, *activation: nn.Module) -> list[nn.Module]:
    """Return reflection padding of 3, conv k7 with bias, and the activation if one is given."""
    return [nn.ReflectionPad2d(3), nn.Conv2d(width, out_channels, 7), *activation]


class ResidualBlock(nn.Module):
    """x + conv_block(x), without activation after the sum; `dropout` adds a layer, which shifts the later numbers."""

    def __init__(self, width: int, norm: str, *, bias: bool = True, dropout: bool = False) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3, bias=bias),
            make_norm(norm, width),
            nn.ReLU(),
            *([nn.Dropout(0.5)] if dropout else []),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3, bias=bias),
            make_norm(norm, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.conv_block(x))


class ResnetGenerator(nn.Module):
    """CycleGAN's and pix2pixHD's generator: (N,C,H,W) in [-1,1] -> (N,C',H,W) in [-1,1]; H, W multiples of 2**num_downs."""

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        num_blocks: int = 9,
        *,
        num_downs: int = 2,
        norm: str = "instance",
        bias: bool = True,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        widths = [min(MOST_CHANNELS, width * 2**level) for level in range(num_downs + 1)]
        layers = head(in_channels, width, norm, bias=bias)
        for level in range(num_downs):
            layers += down(widths[level], widths[level + 1], norm, bias=bias)
        layers += [ResidualBlock(widths[-1], norm, bias=bias, dropout=dropout) for _ in range(num_blocks)]
        for level in reversed(range(num_downs)):
            layers += up(widths[level + 1], widths[level], norm, bias=bias)
        self.model = nn.Sequential(*layers, *tail(width, out_channels, nn.Tanh()))
        self.size_multiple = 2**num_downs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


def numbers(weights: Mapping[str, Tensor], pattern: str) -> list[int]:
    """Return the sorted, distinct numbers in the group of `pattern`, over all keys that match it.

    Raises ModelRefused for a number from MOST_LAYERS on: networks of so many layers would be built from it.
    """
    texts = {found[1] for key in weights if (found := re.fullmatch(pattern, key))}
    if any(len(text) > len(str(MOST_LAYERS - 1)) for text in texts):
        raise ModelRefused(
            f"a layer of number {shortened(max(texts, key=len), 20)}; at most {MOST_LAYERS - 1} are accepted"
        )
    return sorted(map(int, texts))


def resnet_sizes(weights: Mapping[str, Tensor], *, statistics: str = "frame") -> dict[str, Any]:
    """Return the arguments of `ResnetGenerator` for a state dict; `statistics` as in `norm_kind`."""
    blocks = numbers(weights, r"model\.(\d+)\.conv_block\.1\.weight")
    num_downs = (blocks[0] - 4) // 3
    bias = "model.1.bias" in weights
    last = blocks[-1] + 3 * num_downs + 2
    return {
        "in_channels": weights["model.1.weight"].shape[1],
        "out_channels": weights[f"model.{last}.weight"].shape[0],
        "width": weights["model.1.weight"].shape[0],
        "num_blocks": len(blocks),
        "num_downs": num_downs,
        "norm": norm_kind(weights, statistics, bias=bias),
        "bias": bias,
        "dropout": f"model.{blocks[0]}.conv_block.5.weight" not in weights,
    }
