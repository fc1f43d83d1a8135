"""Losses that compare a painted picture with a photograph and a painting, on features of SqueezeNet 1.1.

Content and style as in Johnson, Alahi, Fei-Fei 2016, each divided by the energy of its target, so that weights are comparable
between layers and paintings. The style is compared at full and at half the size: the features are shallow and see only strokes
of one size otherwise.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from rotoscope.base.errors import UsageError
from rotoscope.networks.squeezenet import SqueezeNetFeatures, load_squeezenet
from rotoscope.weights.published import SQUEEZENET, published_file

CONTENT_TAP = 2
STYLE_SHARES = (1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25)  # weights of SqueezeNet's seven taps
SCALES = (1, 2)  # divisors of the size at which the style is compared

Features = Callable[[Tensor], list[Tensor]]
StyleTargets = list[list[Tensor]]
"""Gram matrices (N,C,C) of a painting, for each scale and tap; N is 1 for one painting for all photographs"""


def frozen_squeezenet(path: Path | None, *, fetch: bool) -> SqueezeNetFeatures:
    """Return SqueezeNet with the weights of a file, or with `fetch` of the published one.

    Raises UsageError, which names the published file, if there is neither.
    """
    if path is not None:
        return load_squeezenet(str(path))
    if not fetch:
        raise UsageError(f"--squeezenet FILE is needed: {SQUEEZENET}; --fetch downloads it")
    return load_squeezenet(str(published_file(SQUEEZENET)))


def gram_matrix(features: Tensor) -> Tensor:
    """Return inner products of channels, divided by C*H*W: (N,C,H,W) -> (N,C,C) (equation 3 of the paper)."""
    n, c, h, w = features.shape
    flat = features.reshape(n, c, h * w)
    return flat @ flat.transpose(1, 2) / (c * h * w)


def smaller(pictures: Tensor, scale: int) -> Tensor:
    """Return pictures (N,C,H,W) at 1/scale of their size, by averaging."""
    return avg_pool2d(pictures, scale) if scale > 1 else pictures


@torch.no_grad()
def style_targets(features: Features, paintings: Tensor) -> StyleTargets:
    """Return the Gram matrices of paintings (N,3,H,W) in [-1,1]."""
    return [[gram_matrix(tap) for tap in features(smaller(paintings, scale))] for scale in SCALES]


def content_and_style(
    features: Features, painted: Tensor, photos: Tensor, targets: Sequence[Sequence[Tensor]]
) -> tuple[Tensor, Tensor]:
    """Return both distances, divided by the energy of their targets, for pictures (N,3,H,W) in [-1,1]."""
    taps = features(painted)
    with torch.no_grad():
        goal = features(photos)[CONTENT_TAP]
    content = (taps[CONTENT_TAP] - goal).square().mean() / goal.square().mean()
    style = []
    for scale, wanted in zip(SCALES, targets, strict=True):
        found = taps if scale == 1 else features(smaller(painted, scale))
        style += [
            share * gram_distance(gram_matrix(tap), target.to(photos.device))
            for share, tap, target in zip(STYLE_SHARES, found, wanted, strict=True)
        ]
    return content, torch.stack(style).sum() / len(SCALES)


def gram_distance(found: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference of Gram matrices, divided by the energy of the target of each picture."""
    energy = target.square().mean(dim=(1, 2))
    distance: Tensor = ((found - target).square().mean(dim=(1, 2)) / energy).mean()
    return distance


def total_variation(pictures: Tensor) -> Tensor:
    """Return the mean squared difference of neighbouring pixels of (N,C,H,W), in y plus in x."""
    return pictures.diff(dim=-2).square().mean() + pictures.diff(dim=-1).square().mean()


def overshoot(pictures: Tensor) -> Tensor:
    """Return the mean square of what lies outside [-1,1], which is clipped when a picture is written."""
    return (pictures.abs() - 1).clamp(min=0).square().mean()
