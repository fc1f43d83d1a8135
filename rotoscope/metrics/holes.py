"""Masks of the holes that an inpainting filled: read beside the video, one for each frame."""

from collections.abc import Iterator
from itertools import repeat

import numpy as np

from rotoscope.base.errors import InputRefused
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.metrics.matched import opened
from rotoscope.metrics.rgb_array import RGB
from rotoscope.metrics.warping_error import Mask

HOLE = 128  # of 255 of the brightest channel, as for the masks that `translate --mask` takes


def hole_masks(
    name: str, *, start: float | None = None, duration: float | None = None, rate: float = 25.0
) -> Iterator[Mask]:
    """Yield (H,W) bool of each frame, True in the hole: white or any bright colour. A single picture is repeated for ever.

    name  a video, folder or pattern of pictures, or one picture; the other arguments are those of `side_by_side`
    """
    with opened(name, start=start, duration=duration, rate=rate) as masks:
        is_picture = masks.is_picture
        for frame in masks:
            hole = np.asarray(rgb_picture(frame.source).max(axis=2) >= HOLE)
            yield from repeat(hole) if is_picture else (hole,)


def hole_for(holes: Iterator[Mask], picture: RGB, index: int) -> Mask:
    """Return the next mask, for frame `index`; raises InputRefused if there is none, or if it has another size."""
    hole = next(holes, None)
    if hole is None:
        raise InputRefused(f"no mask for frame {index}; accepted: one for each frame, or one picture for all")
    if hole.shape != picture.shape[:2]:
        (height, width), (wanted_height, wanted_width) = hole.shape, picture.shape[:2]
        raise InputRefused(
            f"a mask of {width}x{height} for a frame of {wanted_width}x{wanted_height}; accepted: one size"
        )
    return hole
