"""The picture that the page shows, as one frame of code values: the result, or the result with its source below it."""

import math
from collections.abc import Callable
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from rotoscope.base.frame import Frame, Picture
from rotoscope.base.live import Place
from rotoscope.base.sizes import Size
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.kernels.rows import SERIAL
from rotoscope.runtime.media.colour_tags import range_of, space_of

Bytes = NDArray[np.uint8]


def shown_picture(frame: Frame, *, with_source: bool, place: Callable[[Size], Place] | None = None) -> av.VideoFrame:
    """The result of a frame as yuv420p, tagged with its colour; below it the source of the same frame, at the same size.

    frame.result  8-bit 4:2:0 planes (Y, Cb, Cr) of even width and height
    place         (width, height) of a source -> where the result shows it; None: the whole source fills the result
    """
    result = frame.result
    if result is None:
        raise ValueError(f"frame {frame.index} has no result yet")
    size = result.size
    shown = av.VideoFrame(size[0], size[1] * (2 if with_source else 1), "yuv420p")
    shown.colorspace, shown.color_range = space_of(result.colour), range_of(result.colour)
    below = []
    if with_source:
        source = frame.source
        everything = Place((0, 0, *source.size), (0, 0, *size))
        below = source_planes(source, result, everything if place is None else place(source.size))
    for index, part in enumerate(result.planes):
        plane = _plane(shown, index)
        plane[: part.shape[0]] = part
        if with_source:
            plane[part.shape[0] :] = below[index]
    return shown


def source_planes(source: Picture, like: Picture, place: Place) -> list[Bytes]:
    """The source as planes (Y, Cb, Cr) of the size and colour of the result, placed as the result shows it, on black."""
    (part_left, part_top, part_width, part_height), (left, top, width, height) = place.part, place.filled
    across, down = width / part_width, height / part_height
    columns, rows = _even_range(left, width, like.width), _even_range(top, height, like.height)
    scaled_width = max(2 * math.ceil(source.width * across / 2), len(columns))
    scaled_height = max(2 * math.ceil(source.height * down / 2), len(rows))
    picture = _video_frame(source).reformat(
        scaled_width,
        scaled_height,
        format="yuv420p",
        dst_colorspace=space_of(like.colour),
        dst_color_range=range_of(like.colour),
        interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,  # else a change of matrix darkens
        threads=1,  # the run needs the other cores
    )
    hidden_left = _even_offset(part_left * across + columns.start - left, scaled_width - len(columns))
    hidden_top = _even_offset(part_top * down + rows.start - top, scaled_height - len(rows))
    planes = []
    for index, factor in enumerate((1, 2, 2)):
        plane = np.full(like.planes[index].shape, 128 if index else 0 if like.colour.full_range else 16, np.uint8)
        above, before = hidden_top // factor, hidden_left // factor
        num_rows, num_columns = len(rows) // factor, len(columns) // factor
        part = _plane(picture, index)[above : above + num_rows, before : before + num_columns]
        below, beside = rows.start // factor, columns.start // factor
        plane[below : below + num_rows, beside : beside + num_columns] = part
        planes.append(plane)
    return planes


def _even_range(begin: int, length: int, limit: int) -> range:
    """The smallest range with even ends, as 4:2:0 needs, around another one; `limit` is even."""
    return range(begin // 2 * 2, min(-(-(begin + length) // 2) * 2, limit))


def _even_offset(wanted: float, most: int) -> int:
    """The even number nearest to the wanted one from 0 to `most`, which is even."""
    return min(max(2 * round(wanted / 2), 0), most)


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
