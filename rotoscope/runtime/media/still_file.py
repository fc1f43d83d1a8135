"""Pages of a picture file that FFmpeg does not read rightly, as Pictures: what Pillow gives, turned, in sRGB, over black."""

import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from rotoscope.base.frame import Array, Colour, Orientation, Picture
from rotoscope.runtime.media.colour_profile import UnusableProfile, is_srgb, profile_name, to_srgb
from rotoscope.runtime.media.opacity import OVER_BLACK, rgba_picture

MAX_PIXELS = 100_000_000  # per picture; a file of some bytes can claim a gigabyte
# What Pillow, pillow-heif and OpenCV raise for a damaged file.
DAMAGED = (
    OSError, ValueError, EOFError, SyntaxError, TypeError, LookupError, ArithmeticError, MemoryError, RuntimeError,
    struct.error, cv2.error,
)  # fmt: skip
DEFAULT_STEP_MS = 100  # of an animation that gives a frame no time: players show it so long

_TAG = 274  # Orientation of EXIF and TIFF
ORIENTATIONS = {
    2: Orientation(flip_x=True), 3: Orientation(flip_x=True, flip_y=True), 4: Orientation(flip_y=True),
    5: Orientation(True), 6: Orientation(True, flip_x=True), 7: Orientation(True, flip_x=True, flip_y=True),
    8: Orientation(True, flip_y=True),
}  # fmt: skip


@dataclass
class StillFile:
    """An opened file of pictures.

    kind          "TIFF", "WEBP", "HEIC" and so on
    pages         how many pictures it gives
    read          page number -> the picture, upright; raises one of DAMAGED
    pixel_format  FFmpeg's name for what the pages hold
    depth         bits of a code value
    steps_ms      page number -> how long it is shown, known once it was read; None: pages have no times
    notes         what is done with the file, in sentences; may grow with every page that is read
    """

    kind: str
    pages: int
    read: Callable[[int], Picture]
    close: Callable[[], None]
    pixel_format: str = "rgb24"
    depth: int = 8
    steps_ms: dict[int, int] | None = None
    notes: list[str] = field(default_factory=list)


def pillow_pages(
    image: Any,
    pages: list[int],
    *,
    animated: bool = False,
    unconverted: bool = False,
    keep_alpha: bool = False,
    hdr: Colour | None = None,
) -> StillFile:
    """The pages of an opened Pillow image.

    unconverted  gives their stored numbers
    hdr          what RGB values of PQ or HLG mean, which Pillow does not say
    """
    steps: dict[int, int] = {}
    notes: list[str] = []
    is_over_black = not unconverted and not keep_alpha

    def read(number: int) -> Picture:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damaged tags
            image.seek(pages[number])
            check_pixels(image.size)
            image.load()
        if is_over_black and OVER_BLACK not in notes and _is_transparent(image):
            notes.append(OVER_BLACK)
        steps[number] = int(image.info.get("duration") or DEFAULT_STEP_MS)
        picture = Picture((np.asarray(image),), Colour(full_range=True)) if unconverted else _rgb(image, keep_alpha)
        if hdr is not None and picture.planes[0].ndim == 3 and not unconverted:
            picture = replace(picture, colour=hdr)
        # Pillow turns a TIFF while it loads it; the other formats carry a tag.
        tag = 1 if image.format == "TIFF" else image.getexif().get(_TAG, 1)
        return ORIENTATIONS.get(tag, Orientation()).apply_to_picture(picture)

    profile = image.info.get("icc_profile")
    if not unconverted and has_other_profile(image):
        notes.append(converted_from(profile))
    is_deep = image.mode.startswith("I;16")
    pixel_format = "gray16le" if is_deep else "gray" if image.mode in ("1", "L") else "rgb24"
    return StillFile(
        kind=image.format, pages=len(pages), read=read, close=image.close, notes=notes,
        pixel_format="rgba" if image.has_transparency_data else pixel_format, depth=16 if is_deep else 8,
        steps_ms=steps if animated else None,
    )  # fmt: skip


def _is_transparent(image: Any) -> bool:
    """Whether a loaded page uses its alpha: many animations carry one of nothing but opaque pixels."""
    return image.has_transparency_data and bool(image.convert("RGBA").getchannel("A").getextrema()[0] < 255)


def converted_from(profile: bytes) -> str:
    """The note on a profile that is honoured."""
    return f"colours converted from the profile {profile_name(profile)} to sRGB"


def has_other_profile(image: Any) -> bool:
    """Whether the image carries a usable profile that its values must be converted from."""
    profile = image.info.get("icc_profile")
    if not profile:
        return False
    try:
        if image.mode in ("CMYK", "LAB"):
            return bool(profile_name(profile))
        return not is_srgb(profile, "L" if image.mode in ("1", "L", "LA") else "RGB")
    except UnusableProfile:
        return False


def check_pixels(size: tuple[int, int]) -> None:
    """Raise ValueError for a picture of more than MAX_PIXELS."""
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"{size[0]}x{size[1]} pixels; accepted: at most {MAX_PIXELS:,}")


def grey_picture(plane: Array, depth: int) -> Picture:
    """(H,W) of full range as a picture."""
    return Picture((np.ascontiguousarray(plane),), Colour("601", full_range=True), depth)


def rgb_picture(pixels: Array, depth: int, colour: Colour | None = None, *, keep_alpha: bool = False) -> Picture:
    """(H,W,3), or (H,W,4) with straight alpha, uint8 or uint16, as a picture."""
    if pixels.shape[2] == 4:
        return rgba_picture(pixels, depth, colour or Colour(full_range=True), keep_alpha=keep_alpha)
    return Picture((np.ascontiguousarray(pixels),), colour or Colour(full_range=True), depth)


def _rgb(image: Any, keep_alpha: bool) -> Picture:
    """A loaded image as RGB of 8 bits, or as grey of 8 or 16."""
    if image.mode.startswith("I;16"):
        return grey_picture(np.asarray(image).astype(np.uint16), 16)
    if image.mode == "F":  # from black 0 to white 1, as FFmpeg takes them
        return grey_picture(np.rint(np.clip(np.nan_to_num(np.asarray(image)), 0, 1) * 65535).astype(np.uint16), 16)
    if image.mode == "I":
        raise ValueError("numbers of 32 bits, which do not say what is black and white; convert them to 16 bits")
    plain = image
    if image.has_transparency_data:
        plain = image.convert("RGBA")
    elif image.mode == "1":
        plain = image.convert("L")
    elif image.mode in ("P", "YCbCr"):
        plain = image.convert("RGB")
    if has_other_profile(image):
        plain = to_srgb(plain, image.info["icc_profile"])
    elif plain.mode == "LAB":
        plain = _lab_to_rgb(plain)
    elif plain.mode not in ("L", "RGB", "RGBA"):
        plain = plain.convert("RGB")
    return (
        grey_picture(np.asarray(plain), 8)
        if plain.mode == "L"
        else rgb_picture(np.asarray(plain), 8, keep_alpha=keep_alpha)
    )


def _lab_to_rgb(image: Any) -> Any:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
