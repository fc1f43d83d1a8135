"""ResNet generators: CycleGAN (Zhu et al. 2017) and the global generator of pix2pixHD (Wang et al. 2018).

Both are one flat sequence `model`: reflection padding of 3, conv k7, norm, ReLU; per level conv k3 s2, norm, ReLU; residual
blocks; per level transposed conv k3 s2, norm, ReLU; reflection padding of 3, conv k7, tanh. CycleGAN has 2 levels, 6 or 9
blocks and no bias in front of a batch norm. pix2pixHD has by default 3 or 4 levels, and all biases; vid2vid's first frames have
at most 1024 channels. In blocks trained with dropout the key `conv_block.5` is `conv_block.6`; in blocks padded with zeros
there is no padding layer, and the keys are `conv_block.0` and `conv_block.3` or `.4`.

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

from rotoscope.base.errors import ModelRefused, UsageError
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


PADDINGS = {"reflect": nn.ReflectionPad2d, "replicate": nn.ReplicationPad2d}


class ResidualBlock(nn.Module):
    """x + conv_block(x), without activation after the sum; `dropout` adds a layer, which shifts the later numbers.

    padding  "reflect", "replicate", or "zero", which has no layer of its own
    """

    def __init__(
        self, width: int, norm: str, *, bias: bool = True, dropout: bool = False, padding: str = "reflect"
    ) -> None:
        super().__init__()

        def convolution() -> list[nn.Module]:
            before: list[nn.Module] = [PADDINGS[padding](1)] if padding != "zero" else []
            around = 0 if before else 1
            return [*before, nn.Conv2d(width, width, 3, padding=around, bias=bias), make_norm(norm, width)]

        dropped = [nn.Dropout(0.5)] if dropout else []
        self.conv_block = nn.Sequential(*convolution(), nn.ReLU(), *dropped, *convolution())

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
        padding: str = "reflect",
        output: str = "tanh",
        most_channels: int = MOST_CHANNELS,
    ) -> None:
        super().__init__()
        widths = [min(most_channels, width * 2**level) for level in range(num_downs + 1)]
        layers = head(in_channels, width, norm, bias=bias)
        for level in range(num_downs):
            layers += down(widths[level], widths[level + 1], norm, bias=bias)
        layers += [
            ResidualBlock(widths[-1], norm, bias=bias, dropout=dropout, padding=padding) for _ in range(num_blocks)
        ]
        for level in reversed(range(num_downs)):
            layers += up(widths[level + 1], widths[level], norm, bias=bias)
        self.model = nn.Sequential(*layers, *tail(width, out_channels, activation_of(output)))
        self.size_multiple = 2**num_downs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class ScaledTanh(nn.Module):
    """factor * tanh(x)."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * torch.tanh(x)


def activation_of(output: str) -> nn.Module:
    """Return the last layer of a generator by the hint `output`: "tanh", "tanh150" (150 * tanh) or "linear".

    Raises UsageError for other words.
    """
    found = re.fullmatch(r"tanh(\d{0,4})", output)
    if found:
        return ScaledTanh(float(found[1])) if found[1] else nn.Tanh()
    if output == "linear":
        return nn.Identity()
    raise UsageError(f"hint output={shortened(output)}; accepted: tanh, linear, or tanh and a factor such as tanh150")


def numbers(weights: Mapping[str, Tensor], pattern: str) -> list[int]:
    """Return the sorted, distinct numbers in the group of `pattern`, over all keys that match it.

    Raises ModelRefused for a number from MOST_LAYERS on: a network with that many layers would be built from it.
    """
    texts = {found[1] for key in weights if (found := re.fullmatch(pattern, key))}
    if any(len(text) > len(str(MOST_LAYERS - 1)) for text in texts):
        raise ModelRefused(
            f"a layer of number {shortened(max(texts, key=len), 20)}; at most {MOST_LAYERS - 1} are accepted"
        )
    return sorted(map(int, texts))


BLOCK_MARK = r"model\.(\d+)\.conv_block\.[01]\.weight"


def count_downs(weights: Mapping[str, Tensor], *, has_tail: bool = True) -> int:
    """Count the levels of a generator `model`: layers of 3 before its first block; without blocks, half of its convolutions.

    has_tail  whether its last convolution is there
    """
    blocks = numbers(weights, BLOCK_MARK)
    if blocks:
        return (blocks[0] - 4) // 3
    layers = numbers(weights, r"model\.(\d+)\.weight")
    return (sum(weights[f"model.{layer}.weight"].ndim == 4 for layer in layers) - 1 - has_tail) // 2


def most_channels_of(weights: Mapping[str, Tensor], num_downs: int) -> int:
    """Return the number of channels that no level exceeds: that of the smallest level."""
    return weights[f"model.{1 + 3 * num_downs}.weight"].shape[0]


def resnet_sizes(
    weights: Mapping[str, Tensor],
    *,
    statistics: str = "frame",
    norm: str | None = None,
    padding: str | None = None,
    output: str = "tanh",
) -> dict[str, Any]:
    """Return the arguments of `ResnetGenerator` for a state dict; `statistics` and `norm` as in `norm_kind`."""
    blocks = numbers(weights, BLOCK_MARK)
    num_downs = count_downs(weights)
    bias = "model.1.bias" in weights
    last = 4 + 6 * num_downs + len(blocks) + 1
    sizes = {
        "in_channels": weights["model.1.weight"].shape[1],
        "out_channels": weights[f"model.{last}.weight"].shape[0],
        "width": weights["model.1.weight"].shape[0],
        "num_blocks": len(blocks),
        "num_downs": num_downs,
        "norm": norm_kind(weights, statistics, bias=bias, norm=norm),
        "bias": bias,
        "output": output,
        "most_channels": most_channels_of(weights, num_downs),
    }
    if blocks:
        layers = {layer: weights.get(f"model.{blocks[0]}.conv_block.{layer}.weight") for layer in (1, 3, 5)}
        convs = {layer for layer, weight in layers.items() if weight is not None and weight.ndim == 4}
        is_padded = 1 in convs  # by a layer of its own, number 0
        if padding is not None and (padding != "zero") != is_padded:
            stored = "reflect or replicate" if is_padded else "zero"
            raise UsageError(f"hint padding={padding}: the names in this file are those of padding {stored}")
        sizes["padding"] = padding or ("reflect" if is_padded else "zero")
        sizes["dropout"] = (5 if is_padded else 3) not in convs
    return sizes
