"""Colour profiles (ICC) of pictures: convert their values to sRGB, which networks expect.

Pictures of 8 bits are converted by LittleCMS, through Pillow, with the perceptual intent, the default of ICC. LittleCMS in
Pillow knows 8 bits only, so RGB of 16 bits is converted here, for profiles of three curves and a matrix (nearly all of cameras
and screens). Source: ICC.1:2022, 8.4.3 (three-component matrix-based profiles), 10.6 (curveType), 10.18 (parametricCurveType).
"""

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.frame import Array

if TYPE_CHECKING:
    from PIL import Image, ImageCms

SAME_LEVELS = 2  # of 255: profiles of sRGB from different makers differ by their rounding
_STEPS = 9  # values of each channel with which a profile is compared with sRGB

# sRGB's colorants under D50, the white of profiles (IEC 61966-2-1, adapted with the Bradford matrix); columns are R, G, B.
SRGB_COLORANTS = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]], np.float64
)


class UnusableProfile(ValueError):
    """A profile that is damaged, or for another kind of picture."""


def profile_name(profile: bytes) -> str:
    """The description of a profile, such as "Display P3"; raises UnusableProfile for bytes that are none."""
    from PIL import ImageCms

    try:
        described = ImageCms.getProfileDescription(_opened(profile))
    except ImageCms.PyCMSError as error:
        raise UnusableProfile("a damaged colour profile") from error
    return " ".join(described.split()) or "without a name"


def is_srgb(profile: bytes, mode: str) -> bool:
    """Whether a profile leaves 8-bit values of a mode, "RGB" or "L", as they are; raises UnusableProfile."""
    from PIL import Image

    steps = np.linspace(0, 255, _STEPS).round().astype(np.uint8)
    if mode == "L":
        ramp = Image.fromarray(steps[None])
        expected = np.repeat(steps[None, :, None], 3, axis=2)
    else:
        expected = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        ramp = Image.fromarray(expected)
    found = np.asarray(to_srgb(ramp, profile))
    return bool(np.abs(found.astype(int) - expected).max() <= SAME_LEVELS)


def to_srgb(image: "Image.Image", profile: bytes) -> "Image.Image":
    """An image of mode L, RGB, RGBA, CMYK or LAB with a profile of its own, as RGB or RGBA in sRGB; raises UnusableProfile."""
    from PIL import ImageCms

    target = ImageCms.createProfile("sRGB")
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        converted = ImageCms.profileToProfile(image, _opened(profile), target, outputMode=mode)
    except (ImageCms.PyCMSError, OSError) as error:
        raise UnusableProfile(f"a profile that does not fit a picture of {image.mode}") from error
    assert converted is not None
    return converted


def deep_to_srgb(rgb: Array, profile: bytes) -> Array:
    """(H,W,3) uint16 of 16 bits with a matrix profile, as the same in sRGB; raises UnusableProfile for every other profile."""
    tags = _tags(profile)
    try:
        curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
        colorants = np.stack([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
    except (KeyError, struct.error) as error:
        raise UnusableProfile("a profile without curves and a matrix") from error
    mixing = np.linalg.inv(SRGB_COLORANTS) @ colorants
    linear = np.stack([curve[rgb[..., channel]] for channel, curve in enumerate(curves)], axis=-1)
    linear = np.clip(linear @ mixing.T.astype(np.float32), 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    found: Array = np.rint(encoded * 65535).astype(np.uint16)
    return found


def _opened(profile: bytes) -> "ImageCms.ImageCmsProfile":
    from PIL import ImageCms

    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError) as error:
        raise UnusableProfile("a damaged colour profile") from error


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """Tag -> its data."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        entries = [struct.unpack_from(">4sII", profile, 132 + 12 * index) for index in range(min(count, 200))]
    except struct.error as error:
        raise UnusableProfile("a damaged colour profile") from error
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _xyz(data: bytes) -> NDArray[np.float64]:
    return np.array(struct.unpack_from(">3i", data, 8), np.float64) / 65536


def _curve(data: bytes) -> NDArray[np.float32]:
    """A tone curve as 65536 values, code value -> light in [0,1]."""
    return np.asarray(_light(data), np.float32)


def _light(data: bytes) -> Array:
    x = np.linspace(0, 1, 65536)
    if data[:4] == b"curv":
        (count,) = struct.unpack_from(">I", data, 8)
        if count == 0:
            return x
        values = np.frombuffer(data, ">u2", count=min(count, (len(data) - 12) // 2), offset=12)
        if count == 1:
            return x ** (values[0] / 256)
        return np.interp(x, np.linspace(0, 1, len(values)), values / 65535)
    if data[:4] != b"para":
        raise UnusableProfile("a tone curve of an unknown kind")
    (kind,) = struct.unpack_from(">H", data, 8)
    if kind > 4:
        raise UnusableProfile("a tone curve of an unknown kind")
    numbers = [number / 65536 for number in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", data, 12)]
    g, a, b, c, d, e, f = numbers + [0.0] * (7 - len(numbers))
    if kind == 0:
        return x**g
    # Kinds 1 to 4 are one curve: (a x + b)^g + e from d on, c x + f below.
    if kind in (1, 2):
        d, e, f, c = -b / a, (c if kind == 2 else 0.0), (c if kind == 2 else 0.0), 0.0
    upper = np.maximum(a * x + b, 0) ** g + e
    return np.clip(np.where(x >= d, upper, c * x + f), 0, 1)
