"""RRDBNet of ESRGAN and Real-ESRGAN (Wang et al. 2018, 2021): residual-in-residual dense blocks, then upsampling.

Dense block: five convolutions k3, each on the input and all results before it, LeakyReLU 0.2 between; its result is added to
the input with weight 0.2. Three of them, again added with weight 0.2, are one block. Conv k3, the blocks, conv k3 added to
the first; twice nearest x2, conv k3, LeakyReLU; conv k3, LeakyReLU, conv k3. For a scale of 2 (or 1) the picture is first
folded by 2 (or 4): pixels of a square become channels. Old files (ESRGAN, BSRGAN) have one upsampling for a scale of 2 and no
fold.

(N,3,H,W) RGB in [0,1] -> (N,3,S*H,S*W) RGB, about [0,1], not clamped; H and W multiples of the fold. 16,697,987 parameters with
23 blocks and a scale of 4.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_unshuffle

from rotoscope.networks.resnet import numbers

SLOPE = 0.2  # of the LeakyReLU
RESIDUAL = 0.2  # weight of a block's result


def conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Return a convolution k3 with zero padding."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


class DenseBlock(nn.Module):
    """x + 0.2 * five dense convolutions."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for number in range(1, 6):
            self.add_module(f"conv{number}", conv(width + (number - 1) * growth, growth if number < 5 else width))

    def forward(self, x: Tensor) -> Tensor:
        found = x
        for number in range(1, 5):
            found = torch.cat([found, leaky_relu(self.get_submodule(f"conv{number}")(found), SLOPE)], dim=1)
        made: Tensor = self.get_submodule("conv5")(found)
        return x + RESIDUAL * made


class Block(nn.Module):
    """x + 0.2 * three dense blocks."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(width, growth)
        self.rdb2 = DenseBlock(width, growth)
        self.rdb3 = DenseBlock(width, growth)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.rdb3(self.rdb2(self.rdb1(x)))
        return x + RESIDUAL * made


class RRDBNet(nn.Module):
    """Real-ESRGAN's upscaler, see the top of this file.

    fold     side of the squares of pixels that become channels: 1, 2 or 4
    num_ups  doublings of the size; the scale is 2**num_ups / fold
    """

    def __init__(
        self, width: int = 64, num_blocks: int = 23, growth: int = 32, *, fold: int = 1, num_ups: int = 2
    ) -> None:
        super().__init__()
        self.fold, self.num_ups, self.size_multiple = fold, num_ups, fold
        self.conv_first = conv(3 * fold**2, width)
        self.body = nn.Sequential(*(Block(width, growth) for _ in range(num_blocks)))
        self.conv_body = conv(width, width)
        for number in range(1, num_ups + 1):
            self.add_module(f"conv_up{number}", conv(width, width))
        self.conv_hr = conv(width, width)
        self.conv_last = conv(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_first(pixel_unshuffle(x, self.fold) if self.fold > 1 else x)
        y = y + self.conv_body(self.body(y))
        for number in range(1, self.num_ups + 1):
            up = self.get_submodule(f"conv_up{number}")
            y = leaky_relu(up(interpolate(y, scale_factor=2.0, mode="nearest")), SLOPE)
        picture: Tensor = self.conv_last(leaky_relu(self.conv_hr(y), SLOPE))
        return picture


NAMES = {
    "RRDB_trunk": "body", "trunk_conv": "conv_body", "upconv1": "conv_up1", "upconv2": "conv_up2", "HRconv": "conv_hr",
    "RDB1": "rdb1", "RDB2": "rdb2", "RDB3": "rdb3",
}  # fmt: skip


def convert_rrdb(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of older files our names: `RRDB_trunk`, `HRconv` ..., or the numbers of ESRGAN's first release."""
    found = {}
    last = max(numbers(weights, r"model\.(\d+)\.weight"), default=0)  # 10 with two doublings, 7 with one
    trunk = max(numbers(weights, r"model\.1\.sub\.(\d+)\.weight"), default=0)
    layers = {0: "conv_first", 3: "conv_up1", last - 2: "conv_hr", last: "conv_last"} | (
        {6: "conv_up2"} if last > 7 else {}
    )
    for key, value in weights.items():
        name = re.sub(r"^model\.1\.sub\.(\d+)\.(RDB\d\.conv\d)\.0\.", r"body.\1.\2.", key)
        name = name.replace(f"model.1.sub.{trunk}.", "conv_body.") if name == key else name
        name = re.sub(r"^model\.(\d+)\.", lambda number: f"{layers.get(int(number[1]), number[0])}.", name)
        found[".".join(NAMES.get(word, word) for word in name.split("."))] = value
    return found


def rrdb_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `RRDBNet` for a state dict, under any of its names."""
    ours = convert_rrdb(weights)
    width, channels = ours["conv_first.weight"].shape[:2]
    fold = {3: 1, 12: 2, 48: 4}[channels]
    num_ups = len(numbers(ours, r"conv_up(\d+)\.weight"))
    return {
        "width": width,
        "num_blocks": len(numbers(ours, r"body\.(\d+)\.rdb1\.conv1\.weight")),
        "growth": ours["body.0.rdb1.conv1.weight"].shape[0],
        "fold": fold,
        "num_ups": num_ups,
    }
