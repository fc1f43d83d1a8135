"""Feature networks as losses use them, with weights from a file: nothing is downloaded."""

from pathlib import Path

from torch import Tensor

from rotoscope.base.errors import UsageError
from rotoscope.networks.features import IMAGENET_DEVIATION, IMAGENET_MEAN, VggFeatures, load_features


def vgg(depth: int, path: Path | None, *taps: str, weight: float = 1.0) -> VggFeatures | None:
    """Frozen VGG16 or VGG19 with torchvision's weights, ending at the last of `taps`; None where its loss weighs nothing.

    Raises UsageError if the loss weighs something and there is no file.
    """
    if not weight:
        return None
    if path is None:
        raise UsageError(f"the perceptual loss needs --vgg{depth} FILE (torchvision's weights), or --perceptual 0")
    return load_features(VggFeatures(depth, taps), path)


def imagenet(pictures: Tensor) -> Tensor:
    """(N,3,H,W) RGB in [0,1] with the mean and deviation of ImageNet taken out."""
    mean, deviation = (pictures.new_tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return (pictures - mean) / deviation
