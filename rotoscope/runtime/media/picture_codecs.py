"""One picture as the bytes of a file: PNG, JPEG, WebP and TIFF by OpenCV, AVIF by Pillow, OpenEXR and DPX by FFmpeg."""

import io
from fractions import Fraction

import av
import cv2
import numpy as np

from rotoscope.base.errors import OutputFailed
from rotoscope.base.frame import Array
from rotoscope.base.own_pictures import marked
from rotoscope.runtime.media.encoder_settings import picture_quality
from rotoscope.runtime.media.planar_rgb import linear_from_srgb

WRITABLE = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".exr", ".dpx")
DEEP = ("", ".png", ".tif", ".tiff")  # 16 bits for sources of more than 8; "" is a folder of PNG
ALWAYS_DEEP = (".exr", ".dpx")

_QUALITY = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".jpeg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}
_OPENCV = {
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 3],
    ".tif": [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_ADOBE_DEFLATE],
    ".tiff": [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_ADOBE_DEFLATE],
}
_EXR = {"format": "half", "compression": "zip16"}


def bits_of(suffix: str, source_depth: int) -> int:
    """Bits of the code values that a picture format is given: 16 or 8."""
    return 16 if suffix in ALWAYS_DEEP or (source_depth > 8 and suffix in DEEP) else 8


def encode_picture(suffix: str, rgb: Array, quality: str | None = None, alpha: Array | None = None) -> bytes:
    """(H,W,3) uint8 or uint16 RGB as a file with this ending; JPEG, WebP and AVIF take uint8, EXR and DPX uint16.

    PNG and TIFF also take numbers, (H,W).

    alpha    (H,W) of the same type, straight, for PNG, WebP, AVIF, TIFF and EXR
    quality  a name of `encoder_settings`, for JPEG, WebP and AVIF; None: good

    EXR holds linear light in half floats, DPX 10 bits; both take the values for sRGB.
    """
    try:
        if suffix == ".exr":
            light = linear_from_srgb(rgb / np.float32(65535))
            if alpha is None:
                return _encoded("exr", _planar("gbrpf32le", light, "<f4"), _EXR)
            opacity = (alpha / np.float32(65535))[..., None]
            light = np.concatenate([light * opacity, opacity], axis=2)  # EXR holds colours times alpha
            return _encoded("exr", _planar("gbrapf32le", light, "<f4"), _EXR)
        if suffix == ".dpx":
            return _encoded("dpx", _planar("gbrp10be", np.rint(rgb / 65535 * 1023), ">u2"), {})
        number = picture_quality(suffix, quality)
        if suffix == ".avif":
            return _avif(rgb if alpha is None else np.dstack([rgb, alpha]), number)
        settings = _OPENCV[suffix] if number is None else [_QUALITY[suffix], number]
        done, data = cv2.imencode(suffix, _bgr(rgb, alpha), settings)
    except (cv2.error, av.FFmpegError, OSError, ValueError) as error:
        raise OutputFailed(f"a picture of {rgb.shape[1]}x{rgb.shape[0]} cannot be written as {suffix}") from error
    if not done:
        raise OutputFailed(f"a picture of {rgb.shape[1]}x{rgb.shape[0]} cannot be written as {suffix}")
    return marked(np.asarray(data).tobytes())


def _bgr(rgb: Array, alpha: Array | None) -> Array:
    if rgb.ndim == 2:
        return rgb
    if alpha is None:
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return np.dstack([rgb[..., ::-1], alpha])


def _avif(pixels: Array, quality: int | None) -> bytes:
    """(H,W,3) or (H,W,4) uint8 as AVIF of 8 bits and 4:4:4, tagged as sRGB."""
    from PIL import Image, features

    if not features.check("avif"):
        raise OutputFailed("this Pillow writes no AVIF; give .png, .webp or .tif")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "AVIF", quality=quality, subsampling="4:4:4")
    return file.getvalue()


def _planar(pixel_format: str, rgb: Array, dtype: str) -> av.VideoFrame:
    """(H,W,3) or (H,W,4) as a frame of the planes G, B, R, A."""
    height, width = rgb.shape[:2]
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, channel in zip(frame.planes, (1, 2, 0, 3)[: rgb.shape[2]], strict=True):
        rows = np.frombuffer(memoryview(plane), dtype)
        rows.reshape(-1, plane.line_size // np.dtype(dtype).itemsize)[:height, :width] = rgb[..., channel]
    return frame


def _encoded(codec: str, frame: av.VideoFrame, options: dict[str, str]) -> bytes:
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base, context.options = Fraction(1, 25), options
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
