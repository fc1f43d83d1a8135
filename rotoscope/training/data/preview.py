"""Frames of a clip on which a run shows how far it is."""

from pathlib import Path

import numpy as np
from torch import Tensor

from rotoscope.training.data.datasets import read_picture, to_tensor
from rotoscope.training.data.frames import clips_of, reduced

NUM_FRAMES = 3
SHORTER_SIDE_PX = 240
MULTIPLE = 8  # of the sides, which all networks with a preview accept


def preview_frames(clip: Path) -> Tensor:
    """Return at most three frames, evenly spread over the first scene of a path, as (N,3,H,W) RGB in [-1,1].

    The shorter side is at most 240 pixels. Raises InputRefused.
    """
    files = clips_of(clip, shorter_side=SHORTER_SIDE_PX)[0]
    count = min(NUM_FRAMES, len(files))
    chosen = [files[(2 * index + 1) * len(files) // (2 * count)] for index in range(count)]
    pictures = [reduced(read_picture(file), SHORTER_SIDE_PX) for file in chosen]
    height, width = (
        min(sides) // MULTIPLE * MULTIPLE for sides in zip(*(each.shape[:2] for each in pictures), strict=True)
    )
    return to_tensor(np.stack([picture[:height, :width] for picture in pictures]))
