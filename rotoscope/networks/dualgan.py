"""DualGAN's generator (Yi et al. 2017), published for TensorFlow: a U-Net of eight levels, 30,627,907 parameters at width 64.

e1: conv k5 s2. e2 to e8: LeakyReLU 0.2, conv k3 s2, norm. d1 to d7: ReLU, transposed conv k3 s2, norm, concatenation with the
encoder's output of the same size. d8: ReLU, transposed conv k5 s2, tanh. What the code calls batch norm is an affine instance
norm with eps 1e-6. TensorFlow's SAME padding at stride 2 is asymmetric: k3 pads one pixel after, k5 one before and two after;
transposed convolutions are the adjoints.

(N,3,H,W) BGR in [-1,1] -> (N,3,H,W) BGR in [-1,1]; H and W multiples of 256 (published at 256x256 only).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from rotoscope.base.errors import ModelRefused

EPSILON = 1e-6
LEVELS = range(1, 9)
PADDING = {3: (0, 1), 5: (1, 2)}  # kernel size: (pixels before, pixels after)


class TensorFlowNorm(nn.InstanceNorm2d):
    """Affine instance norm that also accepts a map of 1x1 pixels (the innermost at 256x256): the result is the bias."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPSILON, affine=True)

    def forward(self, input: Tensor) -> Tensor:
        centred = input - input.mean(dim=(2, 3), keepdim=True)
        rate = torch.rsqrt(centred.square().mean(dim=(2, 3), keepdim=True) + EPSILON)
        return centred * rate * self.weight.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


class SameConv(nn.Conv2d):
    """Convolution at stride 2 with SAME padding."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__(in_channels, out_channels, kernel, stride=2)
        self.around = PADDING[kernel] * 2

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(pad(input, self.around))


class SameDeconv(nn.ConvTranspose2d):
    """Transposed convolution that doubles the size: the adjoint of `SameConv`, with a bias."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__(in_channels, out_channels, kernel, stride=2)
        self.before, self.after = PADDING[kernel]

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        y = super().forward(input, output_size)
        height, width = y.shape[-2:]
        return y[:, :, self.before : height - self.after, self.before : width - self.after]


class DualGenerator(nn.Module):
    """DualGAN's generator (Yi et al. 2017), see the top of this file. Layers have the names of the published variables.

    (N,3,H,W) BGR in [-1,1] -> (N,3,H,W) BGR in [-1,1]; H and W multiples of 256.
    """

    size_multiple = 2 ** len(LEVELS)

    def __init__(self, in_channels: int = 3, out_channels: int = 3, width: int = 64) -> None:
        super().__init__()
        widths = [width * min(2 ** (level - 1), 8) for level in LEVELS]
        for level in LEVELS:
            before = in_channels if level == 1 else widths[level - 2]
            self.add_module(f"e{level}_conv", SameConv(before, widths[level - 1], 5 if level == 1 else 3))
            if level > 1:
                self.add_module(f"bn_e{level}", TensorFlowNorm(widths[level - 1]))
        before = widths[-1]
        for level in LEVELS[:-1]:
            skip = widths[-1 - level]
            self.add_module(f"d{level}", SameDeconv(before, skip, 3))
            self.add_module(f"bn_d{level}", TensorFlowNorm(skip))
            before = 2 * skip
        self.d8 = SameDeconv(before, out_channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.get_submodule("e1_conv")(x)]
        for level in LEVELS[1:]:
            y = self.get_submodule(f"e{level}_conv")(leaky_relu(skips[-1], 0.2))
            skips.append(self.get_submodule(f"bn_e{level}")(y))
        y = skips.pop()
        for level in LEVELS[:-1]:
            y = self.get_submodule(f"bn_d{level}")(self.get_submodule(f"d{level}")(torch.relu(y)))
            y = torch.cat([y, skips.pop()], dim=1)
        return torch.tanh(self.d8(torch.relu(y)))


def dual_sizes(weights: dict[str, Tensor], *, direction: str | None = None) -> dict[str, Any]:
    """Return the arguments of `DualGenerator` for a state dict."""
    weights = convert_dual(weights, direction=direction)
    width, in_channels = weights["e1_conv.weight"].shape[:2]
    return {"in_channels": in_channels, "out_channels": weights["d8.weight"].shape[1], "width": width}


def convert_dual(weights: dict[str, Tensor], *, direction: str | None = None) -> dict[str, Tensor]:
    """Rename the TensorFlow variables of one generator; `A_g_` maps A to B. Filters are HWIO, or HWOI if transposed."""
    if "e1_conv.weight" in weights:
        return weights
    prefixes = {"AtoB": "A_g_", "BtoA": "B_g_"}
    present = [prefix for prefix in prefixes.values() if f"{prefix}e1_conv/w" in weights]
    if len(present) > 1 and direction not in prefixes:
        raise ModelRefused(
            "this DualGAN file holds both directions: give --hint direction=AtoB or --hint direction=BtoA"
        )
    prefix = prefixes[direction] if direction in prefixes else present[0]
    names = {"w": "weight", "biases": "bias", "scale": "weight", "center": "bias"}
    converted = {}
    for key, value in weights.items():
        layer, _, kind = key.removeprefix(prefix).partition("/")
        if key.startswith(prefix) and kind in names:
            converted[f"{layer}.{names[kind]}"] = value.permute(3, 2, 0, 1).contiguous() if kind == "w" else value
    return converted
