"""Super SloMo (Jiang et al. 2018): interpolate a frame at any time between two frames, by flow in both directions.

Two U-Nets of the same form: five times average pool and two convolutions, five times bilinear x2 and two convolutions with
a skip connection; zero padding; LeakyReLU 0.1 after every convolution, also the last. The first (`flowComp`, 19,794,116
parameters) estimates both flows. The second (`ArbTimeFlowIntrp`, 19,816,357) refines them for one time and estimates which
of the two frames shows each pixel.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from rotoscope.networks.warps import warp_scaled

MEAN = (0.429, 0.431, 0.397)  # subtracted from RGB [0,1]
WIDTHS = (32, 64, 128, 256, 512, 512)
KERNELS = (5, 3, 3, 3, 3)


def conv(in_channels: int, out_channels: int, kernel: int) -> nn.Conv2d:
    """Return a convolution with zero padding that keeps the size."""
    return nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)


class Down(nn.Module):
    """Halve the size by averaging, then two convolutions."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, kernel)
        self.conv2 = conv(out_channels, out_channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        y = leaky_relu(self.conv1(avg_pool2d(x, 2)), 0.1)
        return leaky_relu(self.conv2(y), 0.1)


class Up(nn.Module):
    """Double the size bilinearly, convolve, concatenate the skip connection, convolve."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, 3)
        self.conv2 = conv(2 * out_channels, out_channels, 3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        y = leaky_relu(self.conv1(interpolate(x, scale_factor=2.0, mode="bilinear")), 0.1)
        return leaky_relu(self.conv2(torch.cat([y, skip], dim=1)), 0.1)


class SlomoUnet(nn.Module):
    """U-Net of Super SloMo: (N,C,H,W) -> (N,C',H,W); H and W multiples of 32."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, WIDTHS[0], 7)
        self.conv2 = conv(WIDTHS[0], WIDTHS[0], 7)
        self.down1, self.down2, self.down3, self.down4, self.down5 = (
            Down(WIDTHS[index], WIDTHS[index + 1], kernel) for index, kernel in enumerate(KERNELS)
        )
        self.up1, self.up2, self.up3, self.up4, self.up5 = (
            Up(WIDTHS[index + 1], WIDTHS[index]) for index in reversed(range(len(KERNELS)))
        )
        self.conv3 = conv(WIDTHS[0], out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = leaky_relu(self.conv1(x), 0.1)
        skips = [leaky_relu(self.conv2(x), 0.1)]
        for down in (self.down1, self.down2, self.down3, self.down4, self.down5):
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in (self.up1, self.up2, self.up3, self.up4, self.up5):
            x = up(x, skips.pop())
        return leaky_relu(self.conv3(x), 0.1)


def flows_at(time: Tensor, forward: Tensor, backward: Tensor) -> tuple[Tensor, Tensor]:
    """Return flows (N,2,H,W) from the frame at `time` to the first and second, assuming constant speed.

    time     in (0,1)
    forward  flow from the first frame to the second; backward: from the second to the first
    """
    to_first = -(1 - time) * time * forward + time**2 * backward
    to_second = (1 - time) ** 2 * forward - time * (1 - time) * backward
    return to_first, to_second


class Interpolation(NamedTuple):
    """A frame between two others; flows from it to both, (dx, dy) in pixels; visibility of the first frame in [0,1]."""

    frame: Tensor
    flow_to_first: Tensor
    flow_to_second: Tensor
    visibility: Tensor


class SuperSloMo(nn.Module):
    """Super SloMo (2018): two frames (N,3,H,W) RGB in [0,1], time (N,1,1,1) in (0,1) -> frame (N,3,H,W) at that time.

    H and W are multiples of 32.
    """

    size_multiple = 32

    def __init__(self) -> None:
        super().__init__()
        self.flowComp = SlomoUnet(6, 4)
        self.ArbTimeFlowIntrp = SlomoUnet(20, 5)

    def flows(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the flows first to second and second to first, (N,2,H,W), of frames whose mean was subtracted."""
        forward, backward = self.flowComp(torch.cat([first, second], dim=1)).split(2, dim=1)
        return forward, backward

    def at(self, time: Tensor, first: Tensor, second: Tensor, forward: Tensor, backward: Tensor) -> Interpolation:
        """Return the frame at `time`, with the mean subtracted, from such frames and the flows between them."""
        to_first, to_second = flows_at(time, forward, backward)
        guesses = warp_scaled(second, to_second), warp_scaled(first, to_first)
        known = torch.cat([first, second, forward, backward, to_second, to_first, *guesses], dim=1)
        more_to_first, more_to_second, logit = self.ArbTimeFlowIntrp(known).split([2, 2, 1], dim=1)
        to_first, to_second = to_first + more_to_first, to_second + more_to_second
        visibility = torch.sigmoid(logit)
        of_first, of_second = (1 - time) * visibility, time * (1 - visibility)
        frame = of_first * warp_scaled(first, to_first) + of_second * warp_scaled(second, to_second)
        return Interpolation(frame / (of_first + of_second), to_first, to_second, visibility)

    def forward(self, first: Tensor, second: Tensor, time: Tensor) -> Tensor:
        mean = first.new_tensor(MEAN).view(1, 3, 1, 1)
        first, second = first - mean, second - mean
        return self.at(time, first, second, *self.flows(first, second)).frame + mean


def slomo_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `SuperSloMo`: none, all widths are fixed."""
    return {}


def convert_slomo(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the two networks of the published file."""
    names = {"state_dictFC": "flowComp", "state_dictAT": "ArbTimeFlowIntrp"}
    parts = {key: key.partition(".") for key in weights}
    return {
        f"{names.get(first, first)}.{rest}": weights[key]
        for key, (first, _, rest) in parts.items()
        if first in (*names, *names.values())
    }
