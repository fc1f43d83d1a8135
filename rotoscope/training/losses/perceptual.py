"""Frozen VGG networks for perceptual losses. Weights come from a file of the user; nothing is downloaded."""

from pathlib import Path

from torch import Tensor

from rotoscope.base.errors import UsageError
from rotoscope.networks.features import IMAGENET_DEVIATION, IMAGENET_MEAN, VggFeatures, load_features
from rotoscope.weights.published import VGG16, VGG19


def frozen_vgg(depth: int, path: Path | None, *taps: str, weight: float = 1.0) -> VggFeatures | None:
    """Return a frozen VGG16 or VGG19 with torchvision's weights that returns the features `taps`; None if `weight` is 0.

    Raises UsageError if the weight is not 0 and there is no file, ModelRefused if the file does not fit.
    """
    if not weight:
        return None
    if path is None:
        raise UsageError(
            f"the perceptual loss needs --vgg{depth} FILE or --perceptual 0; the file: {VGG16 if depth == 16 else VGG19}"
        )
    return load_features(VggFeatures(depth, taps), path)


def normalise_imagenet(pictures: Tensor) -> Tensor:
    """Subtract the mean of ImageNet from pictures (N,3,H,W) RGB in [0,1] and divide by its standard deviation."""
    mean, deviation = (pictures.new_tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return (pictures - mean) / deviation
