"""Blind video temporal consistency (Lai et al. 2018): a recurrent network that removes flicker from frames of an image network.

Two encoders (conv k7, conv k3 s2): one for processed frame and previous output, one for source frame and previous source
frame. Then a convolution k3 s2, residual blocks, a convolutional LSTM and a decoder with skip connections, whose tanh
output is added to the processed frame. LeakyReLU 0.2, reflection padding. 2,979,555 parameters at width 32 with 5 blocks.

The published files contain an instance norm that the published code never applies (it tests for "BN" only); its tensors are
ignored. Files trained with batch norm do use it, with stored statistics and convolutions without bias.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from rotoscope.networks.norms import make_norm
from rotoscope.networks.resnet import numbers

State = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class NormedConv(nn.Module):
    """Convolution with reflection padding, then the norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, norm: str, *, stride: int = 1) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(
            in_channels, out_channels, kernel, stride, padding=kernel // 2, padding_mode="reflect", bias=norm == "none"
        )
        self.norm_layer = make_norm(norm, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm_layer(self.conv2d(x))
        return y


class ResBlock(nn.Module):
    """x + conv(LeakyReLU(conv(x)))."""

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        self.conv1 = NormedConv(width, width, 3, norm)
        self.conv2 = NormedConv(width, width, 3, norm)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.conv2(leaky_relu(self.conv1(x), 0.2)))


class ConvLstm(nn.Module):
    """Convolutional LSTM; one convolution computes input, forget and output gate and the candidate."""

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.Gates = nn.Conv2d(in_channels + hidden_channels, 4 * hidden_channels, 3, padding=1)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        enter, keep, out, candidate = self.Gates(torch.cat([x, hidden], dim=1)).chunk(4, dim=1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
        return torch.sigmoid(out) * torch.tanh(cell), cell


class TransformNet(nn.Module):
    """Lai's consistency network (2018): (source, processed, state) -> (output, state).

    Pictures (N,3,H,W) RGB in [0,1]; H and W multiples of 4. The first frame of a video (state of zeros) is returned unchanged.
    The output is not clamped, also where it is fed back.
    """

    size_multiple = 4

    def __init__(self, width: int = 32, num_blocks: int = 5, *, norm: str = "none") -> None:
        super().__init__()
        wide = 4 * width
        self.conv1a = NormedConv(6, width, 7, norm)
        self.conv1b = NormedConv(6, width, 7, norm)
        self.conv2a = NormedConv(width, 2 * width, 3, norm, stride=2)
        self.conv2b = NormedConv(width, 2 * width, 3, norm, stride=2)
        self.conv3 = NormedConv(wide, wide, 3, norm, stride=2)
        self.ResBlocks = nn.ModuleList(ResBlock(wide, norm) for _ in range(num_blocks))
        self.convlstm = ConvLstm(wide, wide)
        self.deconv1 = NormedConv(wide, 2 * width, 3, norm)
        self.deconv2 = NormedConv(wide, width, 3, norm)
        self.deconv3 = NormedConv(2 * width, 3, 7, "none")
        self.hidden_channels = wide

    def initial_state(self, source: Tensor) -> State:
        """Return a state of zeros: previous source and output, LSTM hidden and cell, and (N,1,1,1): 1 after the first frame."""
        number, _, height, width = source.shape
        picture = torch.zeros_like(source)
        hidden = source.new_zeros(number, self.hidden_channels, height // 4, width // 4)
        return picture, picture, hidden, hidden, source.new_zeros(number, 1, 1, 1)

    def correction(
        self,
        source: Tensor,
        processed: Tensor,
        previous_source: Tensor,
        previous_output: Tensor,
        hidden: Tensor,
        cell: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the correction (N,3,H,W) that is added to the processed frame, and the LSTM's hidden and cell."""
        full_a = leaky_relu(self.conv1a(torch.cat([processed, previous_output], dim=1)), 0.2)
        full_b = leaky_relu(self.conv1b(torch.cat([source, previous_source], dim=1)), 0.2)
        half_a = leaky_relu(self.conv2a(full_a), 0.2)
        half_b = leaky_relu(self.conv2b(full_b), 0.2)
        y = leaky_relu(self.conv3(torch.cat([half_a, half_b], dim=1)), 0.2)
        for block in self.ResBlocks:
            y = block(y)
        hidden, cell = self.convlstm(y, hidden, cell)
        y = leaky_relu(self.deconv1(interpolate(hidden, scale_factor=2.0)), 0.2)
        y = leaky_relu(self.deconv2(interpolate(torch.cat([y, half_a], dim=1), scale_factor=2.0)), 0.2)
        return torch.tanh(self.deconv3(torch.cat([y, full_a], dim=1))), hidden, cell

    def forward(self, source: Tensor, processed: Tensor, state: State) -> tuple[Tensor, State]:
        previous_source, previous_output, hidden, cell, begun = state
        change, hidden, cell = self.correction(source, processed, previous_source, previous_output, hidden, cell)
        output = processed + begun * change
        return output, (source, output, begun * hidden, begun * cell, torch.ones_like(begun))


def transform_net_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `TransformNet` for a state dict."""
    return {
        "width": weights["conv1a.conv2d.weight"].shape[0],
        "num_blocks": len(numbers(weights, r"ResBlocks\.(\d+)\.conv1\.conv2d\.weight")),
        "norm": "batch_running" if "conv1a.norm_layer.weight" in weights else "none",
    }
