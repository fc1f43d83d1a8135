"""SqueezeNet 1.1 features (Iandola et al. 2016) at the seven layers that LPIPS v0.1 uses.

Keys are those of torchvision's `squeezenet1_1().features` (`features.N.*`). Other keys of an LPIPS file (`linN.*`) are ignored.
"""

import torch
from torch import Tensor, nn

from rotoscope.networks.features import load_features

# Mean and deviation of LPIPS v0.1: the ImageNet statistics, converted to pictures in [-1,1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)

TAPS = (1, 4, 7, 9, 10, 11, 12)  # after the ReLU of the first convolution and after these fire modules


class Fire(nn.Module):
    """1x1 convolution to few channels, then 1x1 and 3x3 convolutions in parallel, concatenated."""

    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


class SqueezeNetFeatures(nn.Module):
    """SqueezeNet 1.1 (2016): (N,3,H,W) RGB in [-1,1] -> seven maps of 64, 128, 256, 384, 384, 512 and 512 channels."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        x = (x - self.shift) / self.scale
        taps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in TAPS:
                taps.append(x)
        return taps


def load_squeezenet(path: str) -> SqueezeNetFeatures:
    """Load the frozen network from a file of torchvision's SqueezeNet 1.1 or of LPIPS v0.1."""
    return load_features(SqueezeNetFeatures(), path)
