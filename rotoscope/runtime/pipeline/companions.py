"""Sources that are read in step with the main one: masks of holes, instance maps, second drawings."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Frame, Picture
from rotoscope.kernels.float_picture import float_picture
from rotoscope.runtime.media.open_source import MediaSource

HOLE = 0.5  # of the brightest channel: half-dark palette colours, 128 of 255, are holes too


def with_masks(
    frames: Iterable[Frame], masks: MediaSource, *, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Frame]:
    """Frames with the masks of a video, of a folder, or of one picture for all frames.

    stopped  says that the run is being stopped: a mask that does not come then ends the stream without an error
    """
    for frame, picture in in_step(frames, masks, "mask", stopped):
        yield replace(frame, mask=hole(picture))


def with_instances(
    frames: Iterable[Frame], maps: MediaSource, *, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Frame]:
    """Frames with instance maps, which are read unconverted; `stopped` as in `with_masks`."""
    for frame, picture in in_step(frames, maps, "instance map", stopped):
        yield replace(frame, instances=picture)


def with_drawings(
    frames: Iterable[Frame], drawings: MediaSource, *, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Frame]:
    """Frames with their second drawings, in the place of instance maps; `stopped` as in `with_masks`."""
    for frame, picture in in_step(frames, drawings, "drawing", stopped):
        yield replace(frame, instances=picture)


def hole(picture: Picture) -> NDArray[np.bool_]:
    """(H,W), True where the mask is white or any bright colour."""
    return np.asarray(float_picture(picture)[..., :3].max(axis=2) >= HOLE)


def in_step(
    frames: Iterable[Frame], others: MediaSource, what: str, stopped: Callable[[], bool]
) -> Iterator[tuple[Frame, Picture]]:
    """Each frame with the picture at the same position; a single picture goes with every frame.

    Raises InputRefused for a picture of another size, or if the pictures end before the frames do.
    """
    pictures = iter(others)
    picture: Picture | None = None
    for frame in frames:
        if picture is None or not others.is_picture:
            following = next(pictures, None)
            if following is None and stopped():
                return
            if following is None:
                raise InputRefused(
                    f"{others.info.path}: no {what} for frame {frame.index}; give one for each frame, or a picture"
                )
            picture = following.source
        if picture.size != frame.source.size:
            (width, height), (wanted_width, wanted_height) = picture.size, frame.source.size
            raise InputRefused(
                f"{others.info.path}: a {what} of {width}x{height} for a frame of {wanted_width}x{wanted_height}"
            )
        yield frame, picture
