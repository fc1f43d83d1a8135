"""Sources that are read in step with the main one: masks of holes, and instance maps."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Frame, Picture
from rotoscope.kernels.float_picture import float_picture
from rotoscope.runtime.media.open_source import MediaSource

HOLE = 0.5  # of the brightest channel: half-dark palette colours, 128 of 255, are holes too


def with_masks(frames: Iterable[Frame], masks: MediaSource) -> Iterator[Frame]:
    """Frames with the masks of a video, of a folder, or of one picture that serves for all."""
    for frame, picture in in_step(frames, masks, "mask"):
        frame.mask = hole(picture)
        yield frame


def with_instances(frames: Iterable[Frame], maps: MediaSource) -> Iterator[Frame]:
    """Frames with instance maps, which are read unconverted."""
    for frame, picture in in_step(frames, maps, "instance map"):
        frame.instances = picture
        yield frame


def hole(picture: Picture) -> NDArray[np.bool_]:
    """(H,W), True where the mask is white, or any bright colour."""
    return np.asarray(float_picture(picture)[..., :3].max(axis=2) >= HOLE)


def in_step(frames: Iterable[Frame], others: MediaSource, what: str) -> Iterator[tuple[Frame, Picture]]:
    """Each frame with the picture that comes at the same place; a single picture goes with every frame.

    Raises InputRefused for a picture of another size, or if they end before the frames do.
    """
    pictures = iter(others)
    picture: Picture | None = None
    for frame in frames:
        if picture is None or not others.is_picture:
            following = next(pictures, None)
            if following is None:
                raise InputRefused(
                    f"{others.info.path}: no {what} for frame {frame.index}; give one for each frame, or a picture"
                )
            picture = following.source
        size, wanted = (picture.width, picture.height), (frame.source.width, frame.source.height)
        if size != wanted:
            raise InputRefused(
                f"{others.info.path}: a {what} of {size[0]}x{size[1]} for a frame of {wanted[0]}x{wanted[1]}"
            )
        yield frame, picture
