"""AnimeGANv2's generator (Chen et al. 2019; bryandlee's PyTorch port): an encoder-decoder of inverted residual blocks.

Unit: reflection padding, conv, group norm with one group, LeakyReLU 0.2. Inverted residual: 1x1 expansion, depthwise 3x3, 1x1
projection, group norm. Units with stride 2 pad one row below and one column to the right. The decoder upsamples bilinearly:
with aligned corners to the sizes of the encoder's features, without them by factors of two. Files do not say which; the
published files need aligned corners. 2,143,552 parameters.

(N,3,H,W) RGB in [-1,1] -> (N,3,H,W) RGB in [-1,1]; any size with aligned corners, else multiples of 4.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


def one_group(channels: int) -> nn.GroupNorm:
    """Return a group norm with one group: statistics over all channels of a frame."""
    return nn.GroupNorm(1, channels)


def unit(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return pad, conv (with bias only if depthwise), norm and activation. Stride 1 keeps the size, stride 2 halves it."""
    before = kernel // 2
    padding = (before, before, before, before) if stride == 1 else (0, 1, 0, 1)
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=groups > 1)
    return nn.Sequential(nn.ReflectionPad2d(padding), conv, one_group(out_channels), nn.LeakyReLU(0.2))


class InvertedResidual(nn.Module):
    """Double the channels, convolve each, project; add the input if the numbers of channels are equal."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        wide = 2 * in_channels
        self.layers = nn.Sequential(
            unit(in_channels, wide, kernel=1),
            unit(wide, wide, groups=wide),
            nn.Conv2d(wide, out_channels, 1, bias=False),
            one_group(out_channels),
        )
        self.is_residual = in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.is_residual else y


class AnimeGenerator(nn.Module):
    """AnimeGANv2's generator (Chen et al. 2019), see the top of this file.

    (N,3,H,W) RGB in [-1,1] -> (N,3,H,W) RGB in [-1,1]; any size with `align_corners`, else H and W multiples of 4.
    """

    def __init__(self, *, align_corners: bool = True) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.size_multiple = 1 if align_corners else 4
        self.block_a = nn.Sequential(unit(3, 32, kernel=7), unit(32, 64, stride=2), unit(64, 64))
        self.block_b = nn.Sequential(unit(64, 128, stride=2), unit(128, 128))
        self.block_c = nn.Sequential(
            unit(128, 128),
            InvertedResidual(128, 256),
            InvertedResidual(256, 256),
            InvertedResidual(256, 256),
            InvertedResidual(256, 256),
            unit(256, 128),
        )
        self.block_d = nn.Sequential(unit(128, 128), unit(128, 128))
        self.block_e = nn.Sequential(unit(128, 64), unit(64, 64), unit(64, 32, kernel=7))
        self.out_layer = nn.Sequential(nn.Conv2d(32, 3, 1, bias=False), nn.Tanh())

    def enlarge(self, x: Tensor, size: torch.Size) -> Tensor:
        """Upsample bilinearly: with `align_corners` to `size` (H,W), else by two."""
        if self.align_corners:
            return interpolate(x, size=size, mode="bilinear", align_corners=True)
        return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

    def forward(self, x: Tensor) -> Tensor:
        half = self.block_a(x)
        y = self.block_c(self.block_b(half))
        y = self.block_d(self.enlarge(y, half.shape[-2:]))
        y = self.block_e(self.enlarge(y, x.shape[-2:]))
        picture: Tensor = self.out_layer(y)
        return picture


def anime_sizes(weights: Mapping[str, Tensor], *, align_corners: bool = True) -> dict[str, Any]:
    """Return the arguments of `AnimeGenerator`; all widths are fixed."""
    return {"align_corners": align_corners}
