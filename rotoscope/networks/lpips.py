"""LPIPS v0.1 (Zhang et al. 2018): perceptual distance of two pictures from the features of a small network.

Features are scaled to unit length over channels. Squared differences are multiplied by learned weights per channel (>= 0),
averaged over pixels and summed over layers. Weights come from one file with `features.*` and `lin*`, or from two: the learned
weights (`lin*`) and torchvision's file of the backbone.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from rotoscope.networks.features import AlexNetFeatures, VggFeatures, load_features
from rotoscope.networks.squeezenet import SCALE, SHIFT, SqueezeNetFeatures

EPSILON = 1e-10
WIDTHS = {
    "squeeze": (64, 128, 256, 384, 384, 512, 512),
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
}
VGG_TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


def scale_picture(picture: Tensor) -> Tensor:
    """Normalise (N,3,H,W) RGB in [-1,1] by the ImageNet mean and deviation."""
    shift, scale = (picture.new_tensor(values).view(1, 3, 1, 1) for values in (SHIFT, SCALE))
    return (picture - shift) / scale


def unit_length(x: Tensor) -> Tensor:
    """Divide (N,C,...) by its length over channels; where all channels are 0, the result and its gradient are 0."""
    squared = x.square().sum(dim=1, keepdim=True)
    return x / (squared.clamp(min=torch.finfo(squared.dtype).tiny).sqrt() + EPSILON)  # sqrt has no gradient at 0


def feature_distance(first: Sequence[Tensor], second: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """Return distances (N,1,1,1) from features (N,C,H,W) and weights (1,C,1,1) per layer."""
    distance = torch.zeros(())
    for one, two, weight in zip(first, second, weights, strict=True):
        difference = (unit_length(one) - unit_length(two)).square()
        distance = distance + (difference * weight).sum(dim=1, keepdim=True).mean(dim=(2, 3), keepdim=True)
    return distance


class LinearHead(nn.Module):
    """Learned weights of one layer; the published name is `model.1`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))


class Lpips(nn.Module):
    """LPIPS v0.1 (Zhang et al. 2018): two pictures (N,3,H,W) RGB in [-1,1] -> distances (N,), >= 0.

    backbone  "squeeze", "alex" or "vgg"
    """

    def __init__(self, backbone: str) -> None:
        super().__init__()
        self.backbone: nn.Module
        if backbone == "squeeze":
            self.backbone = SqueezeNetFeatures()
        elif backbone == "alex":
            self.backbone = AlexNetFeatures()
        else:
            self.backbone = VggFeatures(16, VGG_TAPS)
        self.scales_itself = backbone == "squeeze"
        self.heads = nn.Module()
        for index, channels in enumerate(WIDTHS[backbone]):
            self.heads.add_module(f"lin{index}", LinearHead(channels))

    def layers(self, picture: Tensor) -> list[Tensor]:
        """Return the backbone's features of a picture (N,3,H,W) in [-1,1]."""
        maps: list[Tensor] = self.backbone(picture if self.scales_itself else scale_picture(picture))
        return maps

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return feature_distance(self.layers(first), self.layers(second), list(self.heads.parameters())).flatten()


def load_lpips(backbone: str, *paths: str | Path) -> Lpips:
    """Load LPIPS from one file, or from the file of its learned weights and torchvision's file of the backbone."""
    network = Lpips(backbone)
    load_features(network.backbone, *paths)
    load_features(network.heads, *paths)
    return network.eval()
