"""RAFT-small (Teed and Deng 2020): optical flow by iterated look-ups in all-pairs correlations, 990,162 parameters.

Two encoders of bottleneck blocks at 1/8 of the size: features of both frames (instance norm) and context of the first frame (no
norm). The correlations of all pairs of pixels are averaged to four levels. In each iteration a convolutional GRU reads a 7x7
window of each level around the position that the flow points to, and returns a correction of the flow. The flow is upsampled by
8, bilinearly with aligned corners.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from rotoscope.networks.norms import make_norm
from rotoscope.networks.warps import pixel_grid, sample

STRIDE = 8
NUM_LEVELS = 4
RADIUS = 3
HIDDEN = 96
CONTEXT = 64
FEATURES = 128


class Bottleneck(nn.Module):
    """ReLU(x + three convolutions with norm and ReLU); if the size changes, x is convolved too."""

    def __init__(self, in_channels: int, out_channels: int, norm: str, stride: int = 1) -> None:
        super().__init__()
        narrow = out_channels // 4
        self.conv1 = nn.Conv2d(in_channels, narrow, 1)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride, padding=1)
        self.conv3 = nn.Conv2d(narrow, out_channels, 1)
        self.norm1 = make_norm(norm, narrow)
        self.norm2 = make_norm(norm, narrow)
        self.norm3 = make_norm(norm, out_channels)
        strided = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride), make_norm(norm, out_channels))
        self.downsample = strided if stride > 1 else nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        y = torch.relu(self.norm2(self.conv2(y)))
        y = torch.relu(self.norm3(self.conv3(y)))
        return torch.relu(self.downsample(x) + y)


class SmallEncoder(nn.Module):
    """(N,3,H,W) in [-1,1] -> (N,C,H/8,W/8)."""

    def __init__(self, out_channels: int, norm: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 7, stride=2, padding=3)
        self.norm1 = make_norm(norm, 32)
        self.layer1 = nn.Sequential(Bottleneck(32, 32, norm), Bottleneck(32, 32, norm))
        self.layer2 = nn.Sequential(Bottleneck(32, 64, norm, stride=2), Bottleneck(64, 64, norm))
        self.layer3 = nn.Sequential(Bottleneck(64, 96, norm, stride=2), Bottleneck(96, 96, norm))
        self.conv2 = nn.Conv2d(96, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        features: Tensor = self.conv2(self.layer3(self.layer2(self.layer1(y))))
        return features


def correlations(first: Tensor, second: Tensor) -> list[Tensor]:
    """Correlate each pixel of the first map with all pixels of the second, both (N,C,H,W).

    Return one volume (N*H*W,1,H/2**level,W/2**level) per level.
    """
    channels, height, width = first.shape[1:]
    volume = torch.matmul(first.flatten(2).transpose(1, 2), second.flatten(2)) / channels**0.5
    levels = [volume.reshape(-1, 1, height, width)]
    while len(levels) < NUM_LEVELS:
        levels.append(avg_pool2d(levels[-1], 2))
    return levels


def look_up(levels: list[Tensor], positions: Tensor) -> Tensor:
    """Sample a window around each position (N,2,H,W): (N,levels*(2*RADIUS+1)**2,H,W); in a window dx varies slowest."""
    height, width = positions.shape[-2:]
    steps = torch.arange(-RADIUS, RADIUS + 1, device=positions.device, dtype=positions.dtype)
    side = len(steps)
    window = torch.stack([steps[:, None].expand(side, side), steps.expand(side, side)])[None]
    centres = positions.permute(0, 2, 3, 1).reshape(-1, 2, 1, 1)
    samples = [
        sample(volume, centres / 2**level + window, volume.shape[3] - 1, volume.shape[2] - 1, "zeros")
        for level, volume in enumerate(levels)
    ]
    return torch.cat(samples, dim=1).view(-1, height, width, NUM_LEVELS * side**2).permute(0, 3, 1, 2)


class MotionEncoder(nn.Module):
    """Encode windows and flow (N,2,h,w) as 82 channels: 80 of features, 2 of the flow."""

    def __init__(self) -> None:
        super().__init__()
        self.convc1 = nn.Conv2d(NUM_LEVELS * (2 * RADIUS + 1) ** 2, 96, 1)
        self.convf1 = nn.Conv2d(2, 64, 7, padding=3)
        self.convf2 = nn.Conv2d(64, 32, 3, padding=1)
        self.conv = nn.Conv2d(128, 80, 3, padding=1)

    def forward(self, flow: Tensor, windows: Tensor) -> Tensor:
        of_windows = torch.relu(self.convc1(windows))
        of_flow = torch.relu(self.convf2(torch.relu(self.convf1(flow))))
        return torch.cat([torch.relu(self.conv(torch.cat([of_windows, of_flow], dim=1))), flow], dim=1)


class ConvGru(nn.Module):
    """Gated recurrent unit with 3x3 convolutions."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.convz = nn.Conv2d(HIDDEN + in_channels, HIDDEN, 3, padding=1)
        self.convr = nn.Conv2d(HIDDEN + in_channels, HIDDEN, 3, padding=1)
        self.convq = nn.Conv2d(HIDDEN + in_channels, HIDDEN, 3, padding=1)

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        both = torch.cat([hidden, x], dim=1)
        update, reset = torch.sigmoid(self.convz(both)), torch.sigmoid(self.convr(both))
        candidate = torch.tanh(self.convq(torch.cat([reset * hidden, x], dim=1)))
        return (1 - update) * hidden + update * candidate


class FlowHead(nn.Module):
    """Compute the correction of the flow (N,2,h,w), in pixels of 1/8 size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(HIDDEN, 128, 3, padding=1)
        self.conv2 = nn.Conv2d(128, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(torch.relu(self.conv1(x)))
        return y


class UpdateBlock(nn.Module):
    """One iteration: (hidden, context, windows, flow) -> (hidden, correction)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MotionEncoder()
        self.gru = ConvGru(CONTEXT + 82)
        self.flow_head = FlowHead()

    def forward(self, hidden: Tensor, context: Tensor, windows: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.gru(hidden, torch.cat([context, self.encoder(flow, windows)], dim=1))
        return hidden, self.flow_head(hidden)


class RaftSmall(nn.Module):
    """RAFT-small (Teed and Deng 2020): two pictures (N,3,H,W) RGB in [0,255] -> flow (N,2,H,W), (dx, dy) in pixels.

    The flow goes from the first picture to the second. H and W are multiples of 8, at least 128.
    """

    size_multiple = STRIDE

    def __init__(self, *, iterations: int = 12) -> None:
        super().__init__()
        self.fnet = SmallEncoder(FEATURES, "instance")
        self.cnet = SmallEncoder(HIDDEN + CONTEXT, "none")
        self.update_block = UpdateBlock()
        self.iterations = iterations

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        first, second = first / 127.5 - 1, second / 127.5 - 1
        levels = correlations(self.fnet(first), self.fnet(second))
        hidden, context = self.cnet(first).split([HIDDEN, CONTEXT], dim=1)
        hidden, context = torch.tanh(hidden), torch.relu(context)
        flow = torch.zeros_like(hidden[:, :2])
        grid = pixel_grid(flow)
        for _ in range(self.iterations):
            hidden, correction = self.update_block(hidden, context, look_up(levels, grid + flow), flow)
            flow = flow + correction
        return STRIDE * interpolate(flow, scale_factor=float(STRIDE), mode="bilinear", align_corners=True)


def raft_sizes(weights: Mapping[str, Tensor], *, iterations: int = 12) -> dict[str, Any]:
    """Return the arguments of `RaftSmall`; widths are fixed. More iterations are slower and, up to about 12, more accurate."""
    return {"iterations": iterations}
