"""HEIC and AVIF photographs: large ones are grids of tiles, of which FFmpeg gives every tile as a video stream.

One picture without tiles, alpha and profile is FFmpeg's, at its own depth. For the others, Pillow reads AVIF (at 8 bits) and
pillow-heif HEIC. Source: ISO/IEC 23008-12 (HEIF), 10.2 (brands).
"""

from pathlib import Path
from typing import Any

import numpy as np

from rotoscope.base.errors import InputRefused
from rotoscope.base.frame import Colour, Picture
from rotoscope.runtime.media.colour_profile import UnusableProfile, is_srgb, to_srgb
from rotoscope.runtime.media.local_file import open_local
from rotoscope.runtime.media.opacity import OVER_BLACK
from rotoscope.runtime.media.still_file import (
    DAMAGED,
    StillFile,
    check_pixels,
    converted_from,
    grey_picture,
    pillow_pages,
    rgb_picture,
)

STILL_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"avif"}
HEIF_EXTRA = 'pip install "rotoscope[heif]"'


def is_heif_still(head: bytes) -> bool:
    """Whether the first bytes are those of a HEIC or AVIF picture; sequences and films have other major brands."""
    return head[4:8] == b"ftyp" and head[8:12] in STILL_BRANDS


def open_heif(path: Path, head: bytes, *, keep_alpha: bool = False) -> StillFile | None:
    """The picture of a file for which `is_heif_still`; None if FFmpeg reads it whole. Raises InputRefused."""
    with open_local(path) as container:
        streams = list(container.streams.video)
        pixel_format = streams[0].codec_context.format if streams else None
        context = streams[0].codec_context if streams else None
        primaries, transfer = (2, 2) if context is None else (int(context.color_primaries), int(context.color_trc))
    depth = max((part.bits for part in pixel_format.components), default=8) if pixel_format is not None else 8
    if len(streams) == 1 and b"colrprof" not in head and b"colrrICC" not in head:
        return None
    if b"avif" in head[8 : int.from_bytes(head[:4], "big")]:
        colour = Colour(full_range=True, primaries=primaries, transfer=transfer)
        return _avif(path, depth, keep_alpha, colour if colour.is_hdr else None)
    try:
        import pillow_heif
    except ModuleNotFoundError:
        raise InputRefused(
            f"{path}: a HEIC photograph of tiles or with a colour profile, which needs one more package: {HEIF_EXTRA}"
        ) from None
    return _heic(path, pillow_heif, keep_alpha)


def _avif(path: Path, depth: int, keep_alpha: bool, hdr: Colour | None) -> StillFile:
    from PIL import Image

    try:
        image = Image.open(path, formats=("AVIF",))
    except DAMAGED as error:
        raise InputRefused(
            f"{path}: an AVIF picture of tiles, with alpha or a profile, that Pillow cannot read ({error}); convert it to PNG"
        ) from error
    found = pillow_pages(image, [0], keep_alpha=keep_alpha, hdr=hdr)
    if depth > 8:
        found.notes.append(f"{depth} bits are read as 8: Pillow puts the parts of an AVIF together")
    return found


def _heic(path: Path, pillow_heif: Any, keep_alpha: bool) -> StillFile:
    from PIL import Image

    try:
        opened = pillow_heif.open_heif(path, convert_hdr_to_8bit=False)
    except DAMAGED as error:
        raise InputRefused(f"{path}: a HEIC picture that cannot be read ({error})") from error
    depth = int(opened.info.get("bit_depth") or 8)
    tags = opened.info.get("nclx_profile") or {}
    colour = Colour(
        full_range=True,
        primaries=int(tags.get("color_primaries", 2)),
        transfer=int(tags.get("transfer_characteristics", 2)),
    )
    has_alpha = "A" in opened.mode
    notes = [OVER_BLACK] if has_alpha and not keep_alpha else []
    if len(opened) > 1:
        notes.append(f"{len(opened)} pictures in this file; the main one is used")
    profile = opened.info.get("icc_profile")
    converts = False
    if profile:
        try:
            converts = not is_srgb(profile, "RGB")
            if converts:
                notes.append(converted_from(profile))
        except UnusableProfile as error:
            notes.append(f"the colour profile is not applied: {error}")

    def read(_number: int) -> Picture:
        check_pixels(opened.size)
        pixels = np.asarray(opened)
        if pixels.dtype == np.uint16 and not converts:
            pixels = pixels >> (16 - depth)  # libheif moves 10 and 12 bits to the top of 16
        elif pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)
        if converts and pixels.ndim == 3:
            pixels = np.asarray(to_srgb(Image.fromarray(pixels), profile))
        used = 8 if pixels.dtype == np.uint8 else depth
        if pixels.ndim == 2:
            return grey_picture(pixels, used)
        return rgb_picture(pixels, used, None if converts else colour, keep_alpha=keep_alpha)

    deep = depth > 8 and not converts
    pixel_format = ("rgba" if has_alpha else "rgb") + ("64le" if has_alpha else "48le") * deep
    if depth > 8 and converts:
        notes.append(f"{depth} bits are read as 8: LittleCMS converts profiles at 8 bits")
    return StillFile(
        kind="HEIC", pages=1, read=read, close=lambda: None, pixel_format=pixel_format if deep or has_alpha else "rgb24",
        depth=depth if deep else 8, notes=notes,
    )  # fmt: skip
