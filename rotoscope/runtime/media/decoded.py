"""Turn a decoded AVFrame into a Picture: planes are copied once, so that the AVFrame can be released at once.

Kept AVFrames hold decoder buffers and, once converted, a scaler with its threads each. Formats that the kernels read are
copied as they are; every other one is converted by one scaler to the nearest of them:

    4:2:0, 4:2:2, 4:4:4 at 8 to 12 bits, NV12, P010, grey 8 to 16 bits, RGB 8 and 16   as they are
    planar RGB of 9 to 16 bits, floats                                                 exactly, see `planar_rgb`
    other Y'CbCr (4:1:1, 4:4:0, high bit depths, big endian)                           4:4:4 at 8 or 16 bits
    palettes, packed and planar RGB                                                    RGB 8, or 16 if deeper
    anything with alpha                                                                RGB over black, or with its alpha
"""

import functools
from dataclasses import replace
from typing import Any

import av
import av.video.reformatter
import numpy as np

from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Array, Colour, Orientation, Picture
from rotoscope.runtime.media.colour_tags import FULL, LIMITED, colour_of
from rotoscope.runtime.media.nvdec import is_surface, surface_picture
from rotoscope.runtime.media.opacity import rgba_picture
from rotoscope.runtime.media.planar_rgb import LINEAR, SRGB, is_exact, rgb_codes

_PLANAR = {
    f"yuv{j}{chroma}p{bits}": int(bits[:2] or 8)
    for chroma in ("420", "422", "444")
    for j, bits in (("", ""), ("j", ""), ("", "10le"), ("", "12le"), ("", "16le"))
}
_GREY = {"gray": 8, "gray10le": 10, "gray12le": 12, "gray16le": 16}
_RGB = {"rgb24": 8, "rgb48le": 16}
_SEMI_PLANAR = {"nv12": 8, "nv16": 8, "nv24": 8, "p010le": 16, "p210le": 16, "p410le": 16}
LEFT, CENTRE = (0.0, 0.5), (0.5, 0.5)


@functools.cache
def _reformatter() -> av.video.reformatter.VideoReformatter:
    return av.video.reformatter.VideoReformatter()


def nearest_format(name: str) -> str:
    """The format that the kernels read for a decoded pixel format; the same name if no conversion is needed."""
    if name in _PLANAR or name in _GREY or name in _RGB or name in _SEMI_PLANAR:
        return name
    pixel_format = av.VideoFormat(name)
    depth = max((component.bits for component in pixel_format.components), default=8)
    if has_alpha(name):
        return "rgba" if depth <= 8 else "rgba64le"
    if pixel_format.is_rgb or pixel_format.has_palette:
        return "rgb24" if depth <= 8 else "rgb48le"
    if len(pixel_format.components) == 1:
        return "gray" if depth <= 8 else "gray16le"
    return "yuv444p" if depth <= 8 else "yuv444p16le"


def has_alpha(name: str) -> bool:
    """Whether the pixel format carries transparency (palettes may)."""
    pixel_format = av.VideoFormat(name)
    return pixel_format.has_palette or any(component.is_alpha for component in pixel_format.components)


def depth_of(name: str) -> int:
    """Bits of the deepest component."""
    return max((component.bits for component in av.VideoFormat(name).components), default=8)


def chroma_of(name: str) -> str:
    """Chroma layout of a pixel format: "420", "422", "444", "gray" or "rgb"; 4:1:1, 4:4:0 and 4:1:0 count as "444"."""
    pixel_format = av.VideoFormat(name)
    if pixel_format.is_rgb or pixel_format.has_palette:
        return "rgb"
    if len([component for component in pixel_format.components if not component.is_alpha]) == 1:
        return "gray"
    size = (pixel_format.chroma_width(64), pixel_format.chroma_height(64))
    return {(32, 32): "420", (32, 64): "422"}.get(size, "444")


def format_name(frame: av.VideoFrame) -> str:
    """The pixel format of a decoded frame, on a GPU too, where FFmpeg calls every format "cuda"."""
    stored = frame.sw_format
    return stored.name if is_surface(frame) and stored is not None else frame.format.name


def picture_of(frame: av.VideoFrame, orientation: Orientation, *, is_jpeg: bool, keep_alpha: bool = False) -> Picture:
    """Copy a decoded frame into a Picture, turned upright; transparency is laid over black unless keep_alpha.

    Chroma siting is centred for JPEG (is_jpeg) and left for video; vertically it is on the luma rows unless rows are halved.
    """
    name = format_name(frame)
    target = nearest_format(name)
    grey_full = target in _GREY and frame.color_range != LIMITED
    colour = colour_of(
        space=int(frame.colorspace),
        range_=int(frame.color_range),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        height=frame.height,
        full_by_format=name.startswith("yuvj") or grey_full,
    )
    if is_surface(frame):
        return surface_picture(frame, colour, LEFT)
    if is_exact(name):
        return orientation.apply_to_picture(_exact_picture(frame, colour, keep_alpha))
    if target != name:
        full = FULL if colour.full_range else LIMITED
        ranges = {} if target.startswith("rgb") else {"src_color_range": full, "dst_color_range": full}
        frame = _reformatter().reformat(frame, format=target, threads=1, **ranges)
    siting = LEFT
    if target.startswith("rgba"):
        depth = 16 if "64" in target else 8
        rgba = _plane(frame, 0, 4, np.uint16 if depth == 16 else np.uint8)
        return orientation.apply_to_picture(rgba_picture(rgba, depth, colour, keep_alpha=keep_alpha))
    planes: tuple[Array, ...]
    if target in _RGB:
        depth = _RGB[target]
        planes = (_plane(frame, 0, 3, np.uint8 if depth == 8 else np.uint16),)
    elif target in _GREY:
        depth = _GREY[target]
        planes = (_plane(frame, 0, 1, np.uint8 if depth == 8 else np.uint16),)
    elif target in _SEMI_PLANAR:
        depth = _SEMI_PLANAR[target]
        dtype = np.uint8 if depth == 8 else np.uint16
        planes = (_plane(frame, 0, 1, dtype), _plane(frame, 1, 2, dtype))
    else:
        depth = _PLANAR[target]
        dtype = np.uint8 if depth == 8 else np.uint16
        planes = tuple(_plane(frame, index, 1, dtype) for index in range(3))
        siting = CENTRE if is_jpeg else LEFT
    if len(planes) > 1 and planes[1].shape[0] == planes[0].shape[0]:
        siting = (siting[0], 0.0)
    return orientation.apply_to_picture(Picture(planes, colour, depth, siting))


def _exact_picture(frame: av.VideoFrame, colour: Colour, keep_alpha: bool) -> Picture:
    codes, depth = rgb_codes(frame)
    colour = replace(colour, full_range=True, transfer=SRGB if colour.transfer == LINEAR else colour.transfer)
    if codes.ndim == 3 and codes.shape[2] == 4:
        return rgba_picture(codes, depth, colour, keep_alpha=keep_alpha)
    return Picture((np.ascontiguousarray(codes),), colour, depth)


def _plane(frame: av.VideoFrame, index: int, channels: int, dtype: Any) -> Array:
    """A contiguous copy of one plane, (h,w) or (h,w,channels)."""
    plane = frame.planes[index]
    width, height = plane.width, plane.height
    row = plane.line_size // np.dtype(dtype).itemsize
    data = np.frombuffer(memoryview(plane), dtype=dtype)[: height * row].reshape(height, row)[:, : width * channels]
    copy: Array = data.copy()
    return copy.reshape(height, width, channels) if channels > 1 else copy


def codes_of(frame: av.VideoFrame) -> Array:
    """The stored numbers of a picture: palette indices, label ids, 16-bit values; (H,W) or (H,W,C), uint8 or uint16.

    Raises InputRefused for pixel formats whose codes are not stored one by one, such as Y'CbCr.
    """
    name = frame.format.name
    if name == "pal8":
        return _plane(frame, 0, 1, np.uint8)
    components = len(frame.format.components)
    if not frame.format.is_planar and components in (1, 2, 3, 4) and frame.format.name.endswith(("be", "le")):
        codes = _plane(frame, 0, components, np.dtype(">u2" if frame.format.is_big_endian else "<u2"))
        return codes.astype(np.uint16)
    if name in ("gray", "rgb24", "rgba", "ya8"):
        return _plane(frame, 0, components, np.uint8)
    raise InputRefused(f"{name} pictures have no stored numbers to hand out; palette, grey or RGB PNG have")
