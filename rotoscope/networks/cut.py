"""CUT and FastCUT (Park et al. 2020): the CycleGAN ResNet with antialiased resampling.

Down: convolution at stride 1, then a blur with stride 2 (binomial 3x3, reflection padding) instead of a convolution with
stride 2. Up: upsampling by a blur (binomial 4x4, replication padding), then a convolution, instead of a transposed
convolution. The blurs are buffers `filt` in the state dict, so each change of size has four entries instead of three.
Training options can turn either off. 11,378,179 parameters at width 64 with 9 blocks and instance norm.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rotoscope.networks import resnet
from rotoscope.networks.norms import make_norm, norm_kind


def binomial(taps: tuple[int, ...], channels: int) -> Tensor:
    """Return a binomial filter (C,1,k,k), the same for all channels; sum 1 per channel."""
    line = torch.tensor(taps, dtype=torch.float32)
    square = torch.outer(line, line)
    return (square / square.sum()).expand(channels, 1, -1, -1).clone()


class BlurDown(nn.Module):
    """Blur and halve the size: (N,C,H,W) -> (N,C,ceil(H/2),ceil(W/2))."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", binomial((1, 2, 1), channels))

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
        return nn.functional.conv2d(padded, self.filt, stride=2, groups=x.shape[1])


class BlurUp(nn.Module):
    """Double the size and blur: (N,C,H,W) -> (N,C,2H,2W)."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", 4 * binomial((1, 3, 3, 1), channels))

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        y = nn.functional.conv_transpose2d(padded, self.filt, stride=2, padding=2, groups=x.shape[1])
        return y[:, :, 1:-1, 1:-1]


def smooth_down(in_channels: int, out_channels: int, norm: str, *, bias: bool) -> list[nn.Module]:
    """Return four layers that halve the size: conv, norm, ReLU, blur."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
    return [conv, make_norm(norm, out_channels), nn.ReLU(), BlurDown(out_channels)]


def smooth_up(in_channels: int, out_channels: int, norm: str, *, bias: bool) -> list[nn.Module]:
    """Return four layers that double the size: blur, conv, norm, ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
    return [BlurUp(in_channels), conv, make_norm(norm, out_channels), nn.ReLU()]


class CutGenerator(nn.Module):
    """CUT's generator (Park et al. 2020): (N,C,H,W) in [-1,1] -> (N,C',H,W) in [-1,1]; H and W multiples of 4."""

    size_multiple = 4

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        num_blocks: int = 9,
        *,
        norm: str = "instance",
        bias: bool = True,
        dropout: bool = False,
        smooth_downs: bool = True,
        smooth_ups: bool = True,
        padding: str = "reflect",
        output: str = "tanh",
    ) -> None:
        super().__init__()
        down = smooth_down if smooth_downs else resnet.down
        up = smooth_up if smooth_ups else resnet.up
        self.model = nn.Sequential(
            *resnet.head(in_channels, width, norm, bias=bias),
            *down(width, 2 * width, norm, bias=bias),
            *down(2 * width, 4 * width, norm, bias=bias),
            *(
                resnet.ResidualBlock(4 * width, norm, bias=bias, dropout=dropout, padding=padding)
                for _ in range(num_blocks)
            ),
            *up(4 * width, 2 * width, norm, bias=bias),
            *up(2 * width, width, norm, bias=bias),
            *resnet.tail(width, out_channels, resnet.activation_of(output)),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


def cut_sizes(
    weights: Mapping[str, Tensor],
    *,
    statistics: str = "frame",
    norm: str | None = None,
    padding: str = "reflect",
    output: str = "tanh",
) -> dict[str, Any]:
    """Return the arguments of `CutGenerator` for a state dict; the sizes of its blurs (3 down, 4 up) tell their direction."""
    blocks = resnet.numbers(weights, r"model\.(\d+)\.conv_block\.1\.weight")
    kernels = {value.shape[-1] for key, value in weights.items() if key.endswith(".filt")}
    bias = "model.1.bias" in weights
    last = blocks[-1] + (11 if 4 in kernels else 9) - 1
    return {
        "in_channels": weights["model.1.weight"].shape[1],
        "out_channels": weights[f"model.{last}.weight"].shape[0],
        "width": weights["model.1.weight"].shape[0],
        "num_blocks": len(blocks),
        "norm": norm_kind(weights, statistics, bias=bias, norm=norm),
        "bias": bias,
        "padding": padding,
        "output": output,
        "dropout": f"model.{blocks[0]}.conv_block.5.weight" not in weights,
        "smooth_downs": 3 in kernels,
        "smooth_ups": 4 in kernels,
    }
