"""TIFF files that FFmpeg reads in part or in wrong colours: several pages, JPEG compression, Y'CbCr, Lab, CMYK, profiles."""

import ctypes
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import cv2.utils.logging
import numpy as np

from rotoscope.base.frame import Orientation, Picture
from rotoscope.runtime.media.colour_profile import UnusableProfile, deep_to_srgb, is_srgb
from rotoscope.runtime.media.opacity import OVER_BLACK
from rotoscope.runtime.media.still_file import (
    ORIENTATIONS,
    StillFile,
    check_pixels,
    converted_from,
    grey_picture,
    has_other_profile,
    pillow_pages,
    rgb_picture,
)

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # OpenCV would print what is wrong with a file, raw


def _silence_libtiff() -> None:
    """Let Pillow's libtiff print nothing: it writes its errors to standard error, and Pillow has no switch for it (Linux)."""
    with suppress(OSError, AttributeError):
        import PIL._imaging  # noqa: F401  which loads libtiff

        lines = Path("/proc/self/maps").read_text().splitlines()
        for file in {line.split(maxsplit=5)[-1] for line in lines if "/libtiff" in line}:
            ctypes.CDLL(file).TIFFSetErrorHandler(None)


_silence_libtiff()

MOST_PAGES = 100_000
_NEW_SUBFILE_TYPE, _BITS_PER_SAMPLE, _PHOTOMETRIC, _ORIENTATION = 254, 258, 262, 274
_REDUCED, _MASK = 1, 4  # of NewSubfileType: a thumbnail or a level of a pyramid, a transparency mask
_SEPARATED, _YCBCR, _LAB = 5, 6, 8  # of PhotometricInterpretation
_JPEG = ("jpeg", "tiff_jpeg")


def open_tiff(path: Path, image: Any, *, unconverted: bool, keep_alpha: bool = False) -> StillFile | None:
    """The pages of an opened TIFF; None if FFmpeg reads it rightly: one page of RGB, grey or a palette without a profile."""
    pages, others = _full_pages(image)
    tags = image.tag_v2
    bits = max(tags.get(_BITS_PER_SAMPLE, (1,)))
    is_odd = image.info.get("compression") in _JPEG or tags.get(_PHOTOMETRIC) in (_SEPARATED, _YCBCR, _LAB)
    if len(pages) == 1 and not is_odd and (unconverted or not has_other_profile(image)):
        return None
    if bits > 8 and not image.mode.startswith("I;16"):
        found = deep_pages(path, image, pages, keep_alpha=keep_alpha)
    else:
        found = pillow_pages(image, pages, unconverted=unconverted, keep_alpha=keep_alpha)
    if len(pages) > 1:
        found.notes.append(f"{len(pages)} pages, each a frame")
    if others:
        found.notes.append(f"{others} page{'s' * (others > 1)} left out: thumbnails, smaller copies or masks")
    return found


def open_unknown_tiff(path: Path, *, keep_alpha: bool) -> StillFile | None:
    """Several pages of a TIFF that Pillow does not know, such as RGB floats; None for one page, which FFmpeg reads."""
    count = cv2.imcount(str(path), cv2.IMREAD_UNCHANGED)
    if count < 2:
        return None
    found = _opencv_pages(path, list(range(count)), keep_alpha=keep_alpha)
    found.notes.append(f"{count} pages, each a frame")
    return found


def _full_pages(image: Any) -> tuple[list[int], int]:
    """Numbers of the pages that are full pictures, and how many others there are."""
    full, others = [], 0
    for number in range(min(getattr(image, "n_frames", 1), MOST_PAGES)):
        image.seek(number)
        if int(image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)) & (_REDUCED | _MASK):
            others += 1
        else:
            full.append(number)
    image.seek(full[0] if full else 0)
    return (full, others) if full else ([0], 0)


def deep_pages(path: Path, image: Any, pages: list[int], *, keep_alpha: bool = False) -> StillFile:
    """Pages of 16 bits, which Pillow would give as 8, with the profile of an opened Pillow image, which is closed."""
    profile, notes = image.info.get("icc_profile"), []
    if profile:
        try:
            if is_srgb(profile, "RGB"):
                profile = None
            else:
                deep_to_srgb(np.zeros((1, 1, 3), np.uint16), profile)
                notes.append(converted_from(profile))
        except UnusableProfile as error:
            notes.append(f"the colour profile is not applied to 16 bits: {error}")
            profile = None
    has_alpha = image.mode == "RGBA"
    if has_alpha and not keep_alpha:
        notes.append(OVER_BLACK)
    turned = ORIENTATIONS.get(_orientation(image), Orientation())
    image.close()
    found = _opencv_pages(path, pages, keep_alpha=keep_alpha, turned=turned, profile=profile)
    found.kind, found.notes = image.format, notes
    if has_alpha:
        found.pixel_format = "rgba64le"
    return found


def _opencv_pages(
    path: Path,
    pages: list[int],
    *,
    keep_alpha: bool,
    turned: Orientation = Orientation(),  # noqa: B008  a frozen value
    profile: bytes | None = None,
) -> StillFile:
    def read(number: int) -> Picture:
        done, found = cv2.imreadmulti(str(path), start=pages[number], count=1, flags=cv2.IMREAD_UNCHANGED)
        if not done or not found:
            raise ValueError("it cannot be decoded")
        page = found[0]
        check_pixels((page.shape[1], page.shape[0]))
        if page.dtype in (np.float32, np.float64):  # from black 0 to white 1, as FFmpeg takes them
            page = np.rint(np.clip(np.nan_to_num(page), 0, 1) * 65535).astype(np.uint16)
        if page.dtype not in (np.uint8, np.uint16):
            raise ValueError(
                f"numbers of {page.dtype}, which do not say what is black and white; convert them to 16 bits"
            )
        depth = 8 * page.dtype.itemsize
        if page.ndim == 2:
            return turned.apply_to_picture(grey_picture(page, depth))
        page = np.ascontiguousarray(page[..., [2, 1, 0, 3][: page.shape[2]]])
        if profile is not None and depth == 16:
            page[..., :3] = deep_to_srgb(page[..., :3], profile)
        return turned.apply_to_picture(rgb_picture(page, depth, keep_alpha=keep_alpha))

    return StillFile(kind="TIFF", pages=len(pages), read=read, close=lambda: None, pixel_format="rgb48le", depth=16)


def _orientation(image: Any) -> int:
    tag = image.tag_v2.get(_ORIENTATION, 1) if image.format == "TIFF" else image.getexif().get(_ORIENTATION, 1)
    return int(tag)
