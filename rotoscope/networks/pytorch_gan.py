"""The generators of eriklindernoren/PyTorch-GAN: cyclegan's ResNet and the U-Net of pix2pix.

`ResampledResnet`: CycleGAN's ResNet with nearest x2 and a convolution k3 in place of each transposed convolution. Instance norm
without tensors, every convolution with a bias. H and W multiples of 4.

`PlainUnet`: eight levels of conv k4 s2 without bias, instance norm but at the first and the last, LeakyReLU 0.2; seven levels
of transposed conv k4 s2, instance norm, ReLU, each concatenated with the level of its size; nearest x2, padding by one zero
on the left and on top, conv k4 p1, tanh. H and W multiples of 256; dropout is for training.

(N,3,H,W) RGB in [-1,1] -> (N,3,H,W) RGB in [-1,1].
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.networks.resnet import activation_of, down, head, numbers, tail


class PaddedResidual(nn.Module):
    """x + two convolutions k3 with reflection padding and instance norm, ReLU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.block(x))


def resample(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Return four layers that double the size: nearest x2, conv k3, instance norm, ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    return [nn.Upsample(scale_factor=2.0), conv, nn.InstanceNorm2d(out_channels), nn.ReLU()]


class ResampledResnet(nn.Module):
    """PyTorch-GAN's cyclegan generator: (N,C,H,W) in [-1,1] -> (N,C,H,W) in [-1,1]; H and W multiples of 4."""

    size_multiple = 4

    def __init__(self, in_channels: int = 3, width: int = 64, num_blocks: int = 9, *, output: str = "tanh") -> None:
        super().__init__()
        self.model = nn.Sequential(
            *head(in_channels, width, "instance"),
            *down(width, 2 * width, "instance"),
            *down(2 * width, 4 * width, "instance"),
            *(PaddedResidual(4 * width) for _ in range(num_blocks)),
            *resample(4 * width, 2 * width),
            *resample(2 * width, width),
            *tail(width, in_channels, activation_of(output)),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class Level(nn.Module):
    """Layers with the published name `model`."""

    def __init__(self, conv: nn.Module, norm: nn.Module | None, activation: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(conv, *([norm] if norm else []), activation)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


NUM_LEVELS = 8


class PlainUnet(nn.Module):
    """PyTorch-GAN's pix2pix generator: (N,C,H,W) in [-1,1] -> (N,C',H,W) in [-1,1]; H and W multiples of 256."""

    size_multiple = 2**NUM_LEVELS

    def __init__(self, in_channels: int = 3, out_channels: int = 3, width: int = 64) -> None:
        super().__init__()
        widths = [in_channels, *(width * min(2**level, 8) for level in range(NUM_LEVELS))]
        for level in range(1, NUM_LEVELS + 1):
            conv = nn.Conv2d(widths[level - 1], widths[level], 4, stride=2, padding=1, bias=False)
            norm = nn.InstanceNorm2d(widths[level]) if 1 < level < NUM_LEVELS else None
            self.add_module(f"down{level}", Level(conv, norm, nn.LeakyReLU(0.2)))
        channels = widths[-1]
        for number in range(1, NUM_LEVELS):
            across = widths[NUM_LEVELS - number]
            double = nn.ConvTranspose2d(channels, across, 4, stride=2, padding=1, bias=False)
            self.add_module(f"up{number}", Level(double, nn.InstanceNorm2d(across), nn.ReLU()))
            channels = 2 * across
        self.final = nn.Sequential(
            nn.Upsample(scale_factor=2.0), nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(channels, out_channels, 4, padding=1),
            nn.Tanh(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for level in range(1, NUM_LEVELS + 1):
            found.append(self.get_submodule(f"down{level}")(found[-1]))
        y = found.pop()
        for number in range(1, NUM_LEVELS):
            y = torch.cat([self.get_submodule(f"up{number}")(y), found.pop()], dim=1)
        picture: Tensor = self.final(y)
        return picture


def resampled_resnet_sizes(weights: Mapping[str, Tensor], *, output: str = "tanh") -> dict[str, Any]:
    """Return the arguments of `ResampledResnet` for a state dict."""
    width, in_channels = weights["model.1.weight"].shape[:2]
    num_blocks = len(numbers(weights, r"model\.(\d+)\.block\.1\.weight"))
    return {"in_channels": in_channels, "width": width, "num_blocks": num_blocks, "output": output}


def plain_unet_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `PlainUnet` for a state dict."""
    width, in_channels = weights["down1.model.0.weight"].shape[:2]
    return {"in_channels": in_channels, "out_channels": weights["final.2.weight"].shape[0], "width": width}
