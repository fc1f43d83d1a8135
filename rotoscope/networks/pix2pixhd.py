"""Parts of pix2pixHD (Wang et al. 2018) beside its global generator, `resnet.ResnetGenerator`.

vid2vid uses them for its first frames.

- `LocalEnhancer`: the global generator at half the size without its last layers, and enhancer layers at full size.
- `FeatureGenerator`: the global generator with extra feature channels, also given to its residual blocks and last layers.
- `FeatureEncoder`: computes those features from a picture, averaged over each instance; they control the look of objects.

All have norms between convolutions with bias, and ReLU. vid2vid's versions have 1024 channels at most.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.networks.norms import norm_kind
from rotoscope.networks.resnet import (
    BLOCK_MARK,
    MOST_CHANNELS,
    ResidualBlock,
    ResnetGenerator,
    count_downs,
    down,
    head,
    most_channels_of,
    numbers,
    tail,
    up,
)
from rotoscope.networks.vid2vid import half, pyramid

MOST_INSTANCES = 2**16  # instance maps are 16-bit pictures


class LocalEnhancer(nn.Module):
    """pix2pixHD's local enhancer: (N,C,H,W) -> (N,3,H,W) in [-1,1]; H and W multiples of 2**(num_downs + num_enhancers)."""

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 32,
        num_blocks: int = 9,
        *,
        num_downs: int = 3,
        num_enhancers: int = 1,
        num_local_blocks: int = 3,
        norm: str = "instance",
        most_channels: int = MOST_CHANNELS,
    ) -> None:
        super().__init__()
        coarse = ResnetGenerator(
            in_channels, out_channels, width * 2**num_enhancers, num_blocks, num_downs=num_downs, norm=norm,
            most_channels=most_channels,
        )  # fmt: skip
        self.model = coarse.model[:-3]
        for number in range(1, num_enhancers + 1):
            narrow = width * 2 ** (num_enhancers - number)
            blocks = [ResidualBlock(2 * narrow, norm) for _ in range(num_local_blocks)]
            last = tail(narrow, out_channels, nn.Tanh()) if number == num_enhancers else []
            self.add_module(
                f"model{number}_1", nn.Sequential(*head(in_channels, narrow, norm), *down(narrow, 2 * narrow, norm))
            )
            self.add_module(f"model{number}_2", nn.Sequential(*blocks, *up(2 * narrow, narrow, norm), *last))
        self.num_enhancers = num_enhancers
        self.size_multiple = 2 ** (num_downs + num_enhancers)

    def forward(self, x: Tensor) -> Tensor:
        levels = pyramid(x, self.num_enhancers + 1)
        y: Tensor = self.model(levels.pop())
        for number in range(1, self.num_enhancers + 1):
            below, above = (self.get_submodule(f"model{number}_{part}") for part in (1, 2))
            y = above(below(levels.pop()) + y)
        return y


class FeatureGenerator(nn.Module):
    """Generator with features: labels (N,C,H,W), features (N,F,H,W) -> (N,3,H,W) in [-1,1]; H, W multiples of 2**num_downs."""

    def __init__(
        self,
        in_channels: int,
        num_features: int,
        out_channels: int = 3,
        width: int = 64,
        num_blocks: int = 9,
        *,
        num_downs: int = 3,
        norm: str = "instance",
    ) -> None:
        super().__init__()
        widths = [min(MOST_CHANNELS, width * 2**level) for level in range(num_downs + 1)]
        self.model_downsample = nn.Sequential(*head(in_channels + num_features, width, norm))
        self.model_resnet = nn.Sequential(*(ResidualBlock(widths[-1] + num_features, norm) for _ in range(num_blocks)))
        self.model_upsample = nn.Sequential()
        for level in range(num_downs):
            self.model_downsample.extend(down(widths[level], widths[level + 1], norm))
        for level in reversed(range(num_downs)):
            extra = 2 * num_features if level == num_downs - 1 else 0
            self.model_upsample.extend(up(widths[level + 1] + extra, widths[level], norm))
        self.model_upsample_conv = nn.Sequential(*tail(width + num_features, out_channels, nn.Tanh()))
        self.num_downs = num_downs
        self.size_multiple = 2**num_downs

    def forward(self, labels: Tensor, features: Tensor) -> Tensor:
        small = features
        for _ in range(self.num_downs):
            small = half(small)
        y = self.model_downsample(torch.cat([labels, features], dim=1))
        y = self.model_resnet(torch.cat([y, small], dim=1))
        y = self.model_upsample(torch.cat([y, small], dim=1))
        picture: Tensor = self.model_upsample_conv(torch.cat([y, features], dim=1))
        return picture


def average_by_instance(x: Tensor, instances: Tensor) -> Tensor:
    """Replace each pixel of (N,C,H,W) by the mean over its instance; ids (N,1,H,W) in [0,65535]."""
    index = instances.long().flatten(2)
    flat = x.flatten(2)
    counts = torch.zeros_like(flat[:, :1, :1]).repeat(1, 1, MOST_INSTANCES)
    counts = counts.scatter_add(2, index, torch.ones_like(flat[:, :1]))
    index = index.expand(-1, x.shape[1], -1)
    sums = torch.zeros_like(flat[:, :, :1]).repeat(1, 1, MOST_INSTANCES).scatter_add(2, index, flat)
    return (sums / counts.clamp(min=1)).gather(2, index).view_as(x)


class FeatureEncoder(nn.Module):
    """Picture (N,3,H,W) in [-1,1], instance ids (N,1,H,W) -> features (N,F,H,W); H and W multiples of 2**num_downs."""

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 16,
        *,
        num_downs: int = 4,
        norm: str = "instance",
    ) -> None:
        super().__init__()
        self.model = nn.Sequential(*head(in_channels, width, norm))
        for level in range(num_downs):
            self.model.extend(down(width * 2**level, width * 2 ** (level + 1), norm))
        for level in reversed(range(num_downs)):
            self.model.extend(up(width * 2 ** (level + 1), width * 2**level, norm))
        self.model.extend(tail(width, out_channels, nn.Tanh()))
        self.size_multiple = 2**num_downs

    def forward(self, picture: Tensor, instances: Tensor) -> Tensor:
        return average_by_instance(self.model(picture), instances)


def enhancer_sizes(weights: Mapping[str, Tensor], *, statistics: str = "frame") -> dict[str, Any]:
    """Return the arguments of `LocalEnhancer` for a state dict."""
    enhancers = numbers(weights, r"model(\d+)_1\.1\.weight")
    finest = f"model{enhancers[-1]}"
    blocks = numbers(weights, BLOCK_MARK)
    num_downs = count_downs(weights, has_tail=False)
    local_blocks = numbers(weights, rf"{finest}_2\.(\d+)\.conv_block\.1\.weight")
    return {
        "in_channels": weights[f"{finest}_1.1.weight"].shape[1],
        "out_channels": weights[f"{finest}_2.{len(local_blocks) + 4}.weight"].shape[0],
        "width": weights[f"{finest}_1.1.weight"].shape[0],
        "num_blocks": len(blocks),
        "num_downs": num_downs,
        "num_enhancers": len(enhancers),
        "num_local_blocks": len(local_blocks),
        "norm": norm_kind(weights, statistics),
        "most_channels": most_channels_of(weights, num_downs),
    }


def feature_generator_sizes(weights: Mapping[str, Tensor], *, statistics: str = "frame") -> dict[str, Any]:
    """Return the arguments of `FeatureGenerator` for a state dict."""
    width, with_features = weights["model_downsample.1.weight"].shape[:2]
    out_channels, last_width = weights["model_upsample_conv.1.weight"].shape[:2]
    downs = [key for key, value in weights.items() if key.startswith("model_downsample.") and value.ndim == 4]
    return {
        "in_channels": with_features - (last_width - width),
        "num_features": last_width - width,
        "out_channels": out_channels,
        "width": width,
        "num_blocks": len(numbers(weights, r"model_resnet\.(\d+)\.conv_block\.1\.weight")),
        "num_downs": len(downs) - 1,
        "norm": norm_kind(weights, statistics),
    }


def feature_encoder_sizes(weights: Mapping[str, Tensor], *, statistics: str = "frame") -> dict[str, Any]:
    """Return the arguments of `FeatureEncoder` for a state dict."""
    convs = [index for index in numbers(weights, r"model\.(\d+)\.weight") if weights[f"model.{index}.weight"].ndim == 4]
    width, in_channels = weights["model.1.weight"].shape[:2]
    return {
        "in_channels": in_channels,
        "out_channels": weights[f"model.{convs[-1]}.weight"].shape[0],
        "width": width,
        "num_downs": (len(convs) - 2) // 2,
        "norm": norm_kind(weights, statistics),
    }
