"""Open one local file: a video or picture that FFmpeg reads, or a picture file that needs another reader."""

import os
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

from rotoscope.base.device import Device
from rotoscope.base.errors import InputRefused
from rotoscope.base.options import Hdr
from rotoscope.runtime.media.heif_picture import is_heif_still, open_heif
from rotoscope.runtime.media.local_file import open_local, open_regular
from rotoscope.runtime.media.still_file import DAMAGED, MAX_PIXELS, StillFile, has_other_profile, pillow_pages
from rotoscope.runtime.media.still_source import StillSource
from rotoscope.runtime.media.tiff_pages import deep_pages, open_tiff, open_unknown_tiff
from rotoscope.runtime.media.video_source import VideoSource

_HEAD_BYTES = 4096
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ICO, _PCX = b"\0\0\1\0", (b"\x0a\x02\x01", b"\x0a\x03\x01", b"\x0a\x05\x01")
_PILLOW_SIGNS = (_JPEG, _PNG, *_TIFF, b"RIFF", _ICO, *_PCX)
_TGA_ENDINGS = (".tga", ".icb", ".vda", ".vst")  # a TGA has no sign at its start
_OLD_FORMATS = ("TGA", "PCX", "ICO")  # which FFmpeg has no demuxer for, or knows by the ending of the name
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_DPX = (b"SDPX", b"XPDS")
_DPX_TRANSFER = 801  # offset of the transfer of the first element: 1 printing density, 3 logarithmic (SMPTE ST 268)
_JPEG_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".insp")


def open_file(
    name: str,
    *,
    rate: Fraction = Fraction(25),
    start: Fraction | None = None,
    duration: Fraction | None = None,
    threads: int = 1,
    unconverted: bool = False,
    gpu: Device | None = None,
    keep_alpha: bool = False,
    deinterlace: bool = False,
    hdr: Hdr | None = None,
) -> VideoSource | StillSource:
    """Open a file; raises InputRefused if it cannot be read. The arguments are those of `open_source`."""
    path = Path(name)
    head = _head(path)
    if head.startswith(_JPEG_XL):
        raise InputRefused(f"{name}: a JPEG XL picture, which nothing here reads; convert it: djxl in.jxl out.png")
    is_heif = is_heif_still(head)
    is_for_pillow = head.startswith(_PILLOW_SIGNS) or path.suffix.lower() in _TGA_ENDINGS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about sizes, which are checked here, and damaged tags, which FFmpeg judges
        image = None if is_heif or not is_for_pillow else _identified(path)
        still = (
            open_heif(path, head, keep_alpha=keep_alpha)
            if is_heif and not unconverted
            else _other_reader(path, head, image, unconverted, keep_alpha)
        )
    if still is not None:
        return StillSource(name, still, rate=rate, start=start, duration=duration, hdr=None if unconverted else hdr)
    is_photo = head.startswith(_JPEG) and _is_photo(path, image)
    num_pictures = getattr(image, "n_frames", 1) if is_photo else 1
    is_unapplied = image is not None and image.format == "PNG" and not unconverted and has_other_profile(image)
    if image is not None:
        image.close()
    opened = open_local(path, gpu)
    threads = threads if gpu is None else 1  # each thread of FFmpeg would hold surfaces of the GPU's decoder
    source = VideoSource(
        name, opened, start=start, duration=duration, threads=threads, unconverted=unconverted,
        is_still=is_photo or is_heif, keep_alpha=keep_alpha, deinterlace=deinterlace, hdr=hdr,
    )  # fmt: skip
    if is_unapplied:
        source.notes.append("the colour profile of an animated PNG is not applied")
    if num_pictures > 1:
        source.notes.append(f"{num_pictures} pictures in this file; the first is used")
    if head[:4] in _DPX and len(head) > _DPX_TRANSFER and head[_DPX_TRANSFER] in (1, 3):
        source.notes.append("logarithmic film densities (DPX); code values are used as they are")
    return source


def _head(path: Path) -> bytes:
    """The first bytes of a regular file; none if they cannot be read, which FFmpeg reports."""
    with os.fdopen(open_regular(path), "rb") as file:
        try:
            return file.read(_HEAD_BYTES)
        except OSError:
            return b""


def _identified(path: Path) -> Any:
    """The file as a Pillow image whose pixels are not read yet; None if Pillow cannot say what it is."""
    from PIL import Image

    try:
        image = Image.open(path, formats=("JPEG", "PNG", "TIFF", "WEBP", *_OLD_FORMATS))
        if image.width * image.height <= MAX_PIXELS:
            return image
        image.close()
    except Exception:  # Pillow raises errors of any kind for damaged files; FFmpeg tries next, and says what is wrong
        pass
    return None


def _other_reader(path: Path, head: bytes, image: Any, unconverted: bool, keep_alpha: bool) -> StillFile | None:
    """The pages of a file that FFmpeg does not read rightly; None for all others."""
    if image is None:
        is_tiff = head.startswith(_TIFF) and not unconverted
        return open_unknown_tiff(path, keep_alpha=keep_alpha) if is_tiff else None
    if image.format == "TIFF":
        try:
            return open_tiff(path, image, unconverted=unconverted, keep_alpha=keep_alpha)
        except DAMAGED:  # FFmpeg says what is wrong
            return None
    if image.format in _OLD_FORMATS:  # of the pictures of an ICO, the largest
        return pillow_pages(image, [0], unconverted=unconverted, keep_alpha=keep_alpha)
    if unconverted:
        return None
    is_animated = bool(getattr(image, "is_animated", False))
    if image.format == "WEBP" and is_animated:
        return pillow_pages(image, list(range(image.n_frames)), animated=True, keep_alpha=keep_alpha)
    if (image.format == "PNG" and is_animated) or not image.info.get("icc_profile"):
        return None
    if head.startswith(_PNG) and head[24:25] == b"\x10":  # 16 bits
        return deep_pages(path, image, [0], keep_alpha=keep_alpha) if has_other_profile(image) else None
    return pillow_pages(image, [0], keep_alpha=keep_alpha) if has_other_profile(image) else None


def _is_photo(path: Path, image: Any) -> bool:
    """Whether a JPEG is one picture, whatever stands behind it; a raw film of JPEGs has another ending and no index."""
    return path.suffix.lower() in _JPEG_ENDINGS or getattr(image, "format", "") == "MPO"
