"""ReCoNet (Gao et al. 2018): a style network trained to be steady from frame to frame. Two ports with other names.

`ReCoNet` (safwankdb/ReCoNet-PyTorch, after irsisyphus/reconet): the layers of fast style transfer with 32, 64, 128 channels,
but each norm belongs to its convolution, and the last layer is 150 * tanh(x / 255) + 127.5. RGB in [0,255] in, about [0,255]
out. The first norm follows the first convolution, so the scale of the input has no effect.

`SteadyReCoNet` (EmptySamurai/pytorch-reconet): 48, 96, 192 channels and four residual blocks as in the paper, with a ReLU after
each sum, and tanh at the end. RGB in [-1,1] in and out.

All convolutions have reflection padding and a bias, all norms are affine instance norms, upsampling is nearest x2. H and W
multiples of 4.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from rotoscope.networks.fast_style import ReflectConv, StyleResidual
from rotoscope.networks.resnet import numbers


class NormedConv(ReflectConv):
    """Convolution, affine instance norm, ReLU; `enlarge` doubles the size first."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, enlarge: bool = False
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride)
        self.instance = nn.InstanceNorm2d(out_channels, affine=True)
        self.enlarge = enlarge

    def forward(self, x: Tensor) -> Tensor:
        x = interpolate(x, scale_factor=2.0) if self.enlarge else x
        return torch.relu(self.instance(super().forward(x)))


class ReCoNet(nn.Module):
    """ReCoNet of the first port: (N,3,H,W) RGB in [0,255] -> (N,3,H,W) RGB in [-22.5,277.5]."""

    size_multiple = 4

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.conv1 = NormedConv(3, width, 9)
        self.conv2 = NormedConv(width, 2 * width, 3, 2)
        self.conv3 = NormedConv(2 * width, 4 * width, 3, 2)
        self.res1 = StyleResidual(4 * width)
        self.res2 = StyleResidual(4 * width)
        self.res3 = StyleResidual(4 * width)
        self.res4 = StyleResidual(4 * width)
        self.res5 = StyleResidual(4 * width)
        self.deconv1 = NormedConv(4 * width, 2 * width, 3, enlarge=True)
        self.deconv2 = NormedConv(2 * width, width, 3, enlarge=True)
        self.deconv3 = ReflectConv(width, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv3(self.conv2(self.conv1(x)))
        for block in (self.res1, self.res2, self.res3, self.res4, self.res5):
            y = block(y)
        y = self.deconv3(self.deconv2(self.deconv1(y)))
        return 150 * torch.tanh(y / 255) + 127.5


class Layers(nn.Module):
    """Modules in sequence, with the published name `layers`."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*modules)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


def padded_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> Layers:
    """Return reflection padding and a convolution."""
    return Layers(nn.ReflectionPad2d(kernel // 2), nn.Conv2d(in_channels, out_channels, kernel, stride))


def normed_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, activated: bool = True) -> Layers:
    """Return a padded convolution, affine instance norm, and ReLU if `activated`."""
    norm = nn.InstanceNorm2d(out_channels, affine=True)
    return Layers(padded_conv(in_channels, out_channels, kernel, stride), norm, *([nn.ReLU()] if activated else []))


class ActivatedResidual(nn.Module):
    """ReLU(x + two convolutions with norm, ReLU between them)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(normed_conv(width, width, 3), normed_conv(width, width, 3, activated=False))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.branch(x))


class SteadyReCoNet(nn.Module):
    """ReCoNet of the second port: (N,3,H,W) RGB in [-1,1] -> (N,3,H,W) RGB in [-1,1]."""

    size_multiple = 4

    def __init__(self, width: int = 48, num_blocks: int = 4) -> None:
        super().__init__()
        self.encoder = Layers(
            normed_conv(3, width, 9),
            normed_conv(width, 2 * width, 3, 2),
            normed_conv(2 * width, 4 * width, 3, 2),
            *(ActivatedResidual(4 * width) for _ in range(num_blocks)),
        )
        self.decoder = Layers(
            nn.Upsample(scale_factor=2.0),
            normed_conv(4 * width, 2 * width, 3),
            nn.Upsample(scale_factor=2.0),
            normed_conv(2 * width, width, 3),
            Layers(padded_conv(width, 3, 9), nn.Tanh()),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.decoder(self.encoder(x))
        return y


def reconet_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `ReCoNet` for a state dict."""
    return {"width": weights["conv1.conv2d.weight"].shape[0]}


def steady_reconet_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `SteadyReCoNet` for a state dict."""
    return {
        "width": weights["encoder.layers.0.layers.0.layers.1.weight"].shape[0],
        "num_blocks": len(numbers(weights, r"encoder\.layers\.(\d+)\.branch\.0\.layers\.0\.layers\.1\.weight")),
    }
