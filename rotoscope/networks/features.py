"""Feature networks with torchvision's weights: VGG16, VGG19 (Simonyan and Zisserman 2014), AlexNet (Krizhevsky 2014).

Keys are those of torchvision's models (`features.N.*`); classifiers in a file are ignored. Input: (N,3,H,W) RGB, normalised
by the caller, usually with the ImageNet mean and deviation. Output: the feature maps after the named ReLUs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from rotoscope.base.errors import ModelRefused
from rotoscope.networks.torch_tensors import load_tensors

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of RGB in [0,1]
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

VGG_DEPTHS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
VGG_WIDTHS = (64, 128, 256, 512, 512)

Network = TypeVar("Network", bound=nn.Module)


class VggFeatures(nn.Module):
    """VGG (Simonyan and Zisserman 2014): (N,3,H,W) normalised RGB -> feature maps after the ReLUs in `taps`, in network order.

    depth  16 or 19
    taps   names from relu1_1 to relu5_3, at depth 19 to relu5_4; each block halves the size
    """

    def __init__(self, depth: int, taps: Sequence[str]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.names: list[str] = []  # of the layers; empty if a layer is not a ReLU
        channels = 3
        for block, (count, width) in enumerate(zip(VGG_DEPTHS[depth], VGG_WIDTHS, strict=True), start=1):
            for index in range(1, count + 1):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                self.names += ["", f"relu{block}_{index}"]
                channels = width
            layers.append(nn.MaxPool2d(2))
            self.names.append("")
        self.features = nn.Sequential(*layers)
        self.taps = frozenset(taps)
        unknown = sorted(self.taps - set(self.names))
        if unknown:
            raise ValueError(f"VGG{depth} has no {', '.join(unknown)}")

    def forward(self, x: Tensor) -> list[Tensor]:
        found: list[Tensor] = []
        for name, layer in zip(self.names, self.features, strict=True):
            x = layer(x)
            if name in self.taps:
                found.append(x)
            if len(found) == len(self.taps):
                break
        return found


class AlexNetFeatures(nn.Module):
    """AlexNet (Krizhevsky 2014): (N,3,H,W) normalised RGB -> maps of 64, 192, 384, 256, 256 channels, after each ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                found.append(x)
        return found


def load_features(network: Network, *paths: str | Path) -> Network:
    """Load the tensors of a network from one or several files and freeze it; other tensors in the files are ignored."""
    weights: dict[str, Any] = {}
    for path in paths:
        weights |= load_tensors(Path(path))
    wanted = network.state_dict()
    missing = [key for key, value in wanted.items() if not _fits(weights.get(key), value)]
    if missing:
        files = ", ".join(str(path) for path in paths)
        shown = ", ".join(missing[:3])
        raise ModelRefused(f"{files}: {len(missing)} tensors of {type(network).__name__} missing, such as {shown}")
    network.load_state_dict({key: weights[key].to(value.dtype) for key, value in wanted.items()})
    return network.eval().requires_grad_(False)


def _fits(found: object, wanted: Tensor) -> bool:
    """Whether a value from a file is a tensor of the shape and kind of number that a network has."""
    return (
        isinstance(found, Tensor)
        and found.shape == wanted.shape
        and found.is_floating_point() == wanted.is_floating_point()
    )
