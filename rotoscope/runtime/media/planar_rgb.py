"""Planar RGB and float pictures of a decoder as whole numbers, exactly: FFmpeg's scaler would round and dither them.

gbrp10 to gbrp16, with alpha gbrap10 to gbrap16   their own code values
half and single floats, RGB and grey              16 bits; linear light (EXR) becomes sRGB, and values above 1 are clipped
"""

import re

import av
import numpy as np

from rotoscope.base.frame import Array

LINEAR, SRGB = 8, 13  # transfers of ITU-T H.273
_PLANAR = re.compile(r"gbra?p(9|10|12|14|16)le")
_FLOAT = re.compile(r"(gbra?p|rgba?|gray|ya)f(16|32)le")


def is_exact(pixel_format: str) -> bool:
    """Whether `rgb_codes` reads a pixel format."""
    return bool(_PLANAR.fullmatch(pixel_format) or _FLOAT.fullmatch(pixel_format))


def rgb_codes(frame: av.VideoFrame) -> tuple[Array, int]:
    """(H,W,3), (H,W,4) with alpha, or (H,W) grey, uint16, and the bits of a code value."""
    name = frame.format.name
    planar = _PLANAR.fullmatch(name)
    if planar:
        return _stacked(frame, "<u2"), int(planar.group(1))
    found = _FLOAT.fullmatch(name)
    assert found is not None
    values = _stacked(frame, f"<f{int(found.group(2)) // 8}").astype(np.float32)
    colours = values if values.ndim == 2 else values[..., :3]
    if values.ndim == 3 and values.shape[2] == 4 and int(frame.color_trc) == LINEAR:
        colours = colours / np.maximum(values[..., 3:], 1e-6)  # EXR holds colours times alpha
    colours = np.clip(np.nan_to_num(colours, posinf=1), 0, 1)
    if int(frame.color_trc) == LINEAR:
        colours = srgb_from_linear(colours)
    if values.ndim == 3 and values.shape[2] == 4:
        colours = np.concatenate([colours, np.clip(np.nan_to_num(values[..., 3:]), 0, 1)], axis=2)
    codes: Array = np.rint(colours * 65535).astype(np.uint16)
    return codes, 16


def srgb_from_linear(light: Array) -> Array:
    """Light in [0,1] as values of sRGB in [0,1] (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def linear_from_srgb(values: Array) -> Array:
    """Values of sRGB in [0,1] as light in [0,1]."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _stacked(frame: av.VideoFrame, dtype: str) -> Array:
    """The planes of a frame as one array with channels in the order R, G, B, A."""
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), dtype)
        rows = rows.reshape(plane.height, plane.line_size // np.dtype(dtype).itemsize)
        channels = 1 if len(frame.planes) > 1 else len(frame.format.components)
        planes.append(rows[:, : plane.width * channels].reshape(plane.height, plane.width, channels))
    if len(planes) == 1:
        return planes[0][..., 0] if planes[0].shape[2] == 1 else planes[0]
    return np.concatenate([planes[index] for index in (2, 0, 1, 3)[: len(planes)]], axis=2)
