"""The picture that the page shows, as one frame of code values: the result, or the result with its source below it."""

from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from rotoscope.base.frame import Frame, Picture
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.kernels.rows import SERIAL
from rotoscope.runtime.media.colour_tags import range_of, space_of

Bytes = NDArray[np.uint8]


def shown_picture(frame: Frame, *, with_source: bool) -> av.VideoFrame:
    """The result of a frame as yuv420p, tagged with its colour; below it the source of the same frame, at the same size.

    frame.result  8-bit 4:2:0 planes (Y, Cb, Cr) of even width and height
    """
    result = frame.result
    if result is None:
        raise ValueError(f"frame {frame.index} has no result yet")
    size = result.size
    shown = av.VideoFrame(size[0], size[1] * (2 if with_source else 1), "yuv420p")
    shown.colorspace, shown.color_range = space_of(result.colour), range_of(result.colour)
    below = source_planes(frame.source, result) if with_source else ()
    for index, part in enumerate(result.planes):
        plane = _plane(shown, index)
        plane[: part.shape[0]] = part
        if with_source:
            plane[part.shape[0] :] = below[index]
    return shown


def source_planes(source: Picture, like: Picture) -> list[Bytes]:
    """The source as planes (Y, Cb, Cr) of the size and colour of the result, cut around its centre to the result's shape."""
    width, height = like.size
    scale = max(width / source.width, height / source.height)
    scaled_width = max(2 * round(source.width * scale / 2), width)
    scaled_height = max(2 * round(source.height * scale / 2), height)
    picture = _video_frame(source).reformat(
        scaled_width,
        scaled_height,
        format="yuv420p",
        dst_colorspace=space_of(like.colour),
        dst_color_range=range_of(like.colour),
        interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,  # else a change of matrix darkens
        threads=1,  # the run needs the other cores
    )
    left, top = (scaled_width - width) // 4 * 2, (scaled_height - height) // 4 * 2
    planes = []
    for index, factor in enumerate((1, 2, 2)):
        rows = slice(top // factor, (top + height) // factor)
        planes.append(_plane(picture, index)[rows, left // factor : (left + width) // factor])
    return planes


def _video_frame(picture: Picture) -> av.VideoFrame:
    """A picture as a PyAV frame that is tagged with its colour: 8-bit 4:2:0 without a conversion, all others as RGB."""
    planes = picture.planes
    is_420 = len(planes) == 3 and planes[1].shape == tuple(-(-side // 2) for side in planes[0].shape)
    if picture.device == "cpu" and is_420 and planes[0].dtype == np.uint8:
        frame = av.VideoFrame(picture.width, picture.height, "yuv420p")
        for index, plane in enumerate(planes):
            _plane(frame, index)[...] = plane
        frame.colorspace, frame.color_range = space_of(picture.colour), range_of(picture.colour)
        return frame
    with SERIAL.active():  # the workers of the run have other work
        rgb: Any = rgb_picture(picture)
    return av.VideoFrame.from_ndarray(rgb if picture.device == "cpu" else rgb.get(), format="rgb24")


def _plane(frame: av.VideoFrame, index: int) -> Bytes:
    """A writable view of a plane of 8-bit code values, (h,w)."""
    plane = frame.planes[index]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)  # type: ignore[call-overload]
    view: Bytes = rows[:, : plane.width]
    return view
