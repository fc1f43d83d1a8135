"""Pictures that are cut, flipped, bombs, or carry odd chunks, profiles, orientations and colour modes."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from promises.corpus.cut_videos import flipped
from promises.corpus.entry import DAMAGED, FINE, INPUT, LOSS, Entry, file, translated

ENDINGS = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "tif": "TIFF", "gif": "GIF", "webp": "WEBP", "ppm": "PPM"}
WIDTH, HEIGHT = 64, 48


def entries() -> Iterator[Entry]:
    """Yield about 130 entries."""
    for ending, kind in ENDINGS.items():
        data = saved(kind)
        for share in (0.0, 0.05, 0.3, 0.7, 0.95):
            codes = INPUT if share == 0 else DAMAGED
            yield _picture(f"cut/{ending}-{share:g}", ending, data[: int(len(data) * share)], codes)
        for count in (1, 8, 64):
            yield _picture(f"flip/{ending}-{count}", ending, flipped(data, count, seed=count), DAMAGED)
        other = "png" if ending != "png" else "jpg"
        yield _picture(f"ending/{ending}-as-{other}", other, data, FINE)
    for ending, data in _animated_and_old().items():
        for share in (0.1, 0.5, 0.9):
            yield _picture(
                f"cut/{ending}-{share:g}", ending.rpartition("-")[2], data[: int(len(data) * share)], DAMAGED, 3
            )
        for count in (1, 4, 16):
            yield _picture(
                f"flip/{ending}-{count}", ending.rpartition("-")[2], flipped(data, count, seed=count), DAMAGED, 3
            )
    yield from _png_chunks()
    yield from _bombs()
    yield from _jpeg_headers()
    yield from _modes()
    yield from _sequences()


def _animated_and_old() -> dict[str, bytes]:
    """Pictures that Pillow or OpenCV reads: several pages, tiles, alpha, old formats."""
    pages = {
        "save_all": True,
        "append_images": [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("red", "blue")],
    }
    return {
        "animated-webp": saved("WEBP", duration=40, **pages),
        "pages-tif": saved("TIFF", **pages),
        "jpeg-pages-tif": saved("TIFF", compression="jpeg", **pages),
        "alpha-avif": saved("AVIF", "RGBA"),
        "tga": saved("TGA"),
        "pcx": saved("PCX"),
        "ico": saved("ICO", sizes=[(16, 16), (32, 32)]),
    }


def saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """The bytes of a small picture with structure in every row."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rgb = np.stack([x * 4, y * 5, (x * y) % 256], 2).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes, *, crc: int | None = None) -> bytes:
    """One chunk of a PNG."""
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(*chunks: bytes, width: int = 8, height: int = 8, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG of these chunks after its header."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks)


IDAT = chunk(b"IDAT", zlib.compress((b"\x00" + bytes(24)) * 8))
IEND = chunk(b"IEND", b"")


def _png_chunks() -> Iterator[Entry]:
    bomb = zlib.compress(bytes(64 << 20), 9)
    sound = {
        "text-bomb": chunk(b"zTXt", b"Comment\x00\x00" + bomb),
        "international-text-bomb": chunk(b"iTXt", b"Comment\x00\x01\x00\x00\x00" + bomb),
        "profile-bomb": chunk(b"iCCP", b"x\x00\x00" + bomb),
        "profile-garbage": chunk(b"iCCP", b"x\x00\x00" + zlib.compress(b"not a profile")),
        "gamma-zero": chunk(b"gAMA", bytes(4)),
        "gamma-huge": chunk(b"gAMA", b"\xff\xff\xff\xff"),
        "primaries-zero": chunk(b"cHRM", bytes(32)),
        "density-zero": chunk(b"pHYs", bytes(8) + b"\x01"),
        "text-escapes": chunk(b"tEXt", b"Title\x00\x1b]0;pwned\x07\x1b[31m"),
        "exif-garbage": chunk(b"eXIf", b"\xff" * 100),
        "unknown-chunk": chunk(b"zzZz", bytes(1000)),
        "palette-in-rgb": chunk(b"PLTE", bytes(7)),
        "animation-zero": chunk(b"acTL", bytes(8)),
        "animation-huge": chunk(b"acTL", b"\x7f\xff\xff\xff" + bytes(4)),
    }
    for what, extra in sound.items():
        yield _picture(f"png/{what}", "png", png(extra, IDAT, IEND), DAMAGED)
    broken = {
        "no-data": png(IEND),
        "no-end": png(IDAT),
        "bad-checksum": png(chunk(b"IDAT", zlib.compress((b"\x00" + bytes(24)) * 8), crc=0), IEND),
        "data-too-short": png(chunk(b"IDAT", zlib.compress(bytes(10))), IEND),
        "data-too-long": png(chunk(b"IDAT", zlib.compress(bytes(8 << 20))), IEND),
        "data-not-deflate": png(chunk(b"IDAT", b"\xff" * 50), IEND),
        "filter-unknown": png(chunk(b"IDAT", zlib.compress((b"\x09" + bytes(24)) * 8)), IEND),
        "chunk-length-huge": png(b"\x7f\xff\xff\xffIDAT" + bytes(20)),
        "two-headers": png(chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0)), IDAT, IEND),
        "palette-missing": png(IDAT, IEND, colour=3),
        "colour-unknown": png(IDAT, IEND, colour=5),
        "depth-unknown": png(IDAT, IEND, depth=3),
        "width-zero": png(IDAT, IEND, width=0),
        "height-zero": png(IDAT, IEND, height=0),
        "width-negative": png(IDAT, IEND, width=0xFFFFFFFF),
        "ten-thousand-chunks": png(*[chunk(b"tEXt", b"a\x00b")] * 10_000, IDAT, IEND),
    }
    for what, data in broken.items():
        yield _picture(f"png/{what}", "png", data, DAMAGED)


def _bombs() -> Iterator[Entry]:
    """Some bytes that claim gigabytes."""
    line = zlib.compress(bytes(30_000 // 8 + 1) * 2000, 9)
    tiff = struct.pack("<2sHIH", b"II", 42, 8, 4) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((256, 1 << 30), (257, 1 << 30), (258, 8), (273, 8))
    )
    for ending, data in {
        "png": png(chunk(b"IDAT", line), IEND, width=30_000, height=30_000, depth=1, colour=0),
        "bmp": b"BM"
        + struct.pack("<IIIIiiHHIIIIII", 100, 0, 54, 40, 1 << 30, 1 << 30, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(50),
        "ppm": b"P6 1000000 1000000 255\n" + bytes(100),
        "pgm": b"P5 2147483647 2147483647 65535\n" + bytes(100),
        "tif": tiff + bytes(8),
        "webp": b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\xff\xff\xff\x0f" + bytes(8),
        "qoi": b"qoif" + struct.pack(">IIBB", 1 << 30, 1 << 30, 3, 0) + bytes(20),
        "psd": b"8BPS\x00\x01" + bytes(6) + struct.pack(">HIIHH", 3, 300_000, 300_000, 8, 3) + bytes(40),
        "gif": b"GIF89a\xff\xff\xff\xff\x80\x00\x00"
        + bytes(6)
        + b"\x2c"
        + bytes(4)
        + b"\xff\xff\xff\xff\x00\x02\x02\x44\x01\x00;",
        "jpg": _with_sof(saved("JPEG"), 65500, 65500),
        "sgi": b"\x01\xda\x01\x01\x00\x03" + struct.pack(">HHH", 65535, 65535, 3) + bytes(500),
        "exr": b"\x76\x2f\x31\x01\x02\x00\x00\x00channels\x00chlist\x00\xff\xff\xff\x7f" + bytes(30),
    }.items():
        yield _picture(f"bomb/{ending}", ending, data, INPUT)


def _with_sof(data: bytes, width: int, height: int) -> bytes:
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def _jpeg_headers() -> Iterator[Entry]:
    data = saved("JPEG")
    yield _picture("jpeg/size-zero", "jpg", _with_sof(data, 0, 0), INPUT)
    yield _picture("jpeg/size-larger", "jpg", _with_sof(data, 640, 480), DAMAGED)
    for orientation in (0, 2, 5, 6, 8, 9, 65535):
        exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00" + struct.pack(
            "<HH", orientation, 0
        )
        yield _picture(f"jpeg/orientation-{orientation}", "jpg", _with_app1(data, exif + bytes(4)), FINE)
    loops = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00"
    for what, exif in {
        "exif-loop": loops,
        "exif-count-huge": b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff"
        + b"\x12\x01\x03\x00\xff\xff\xff\xff\xff\xff\xff\xff" * 9,
        "exif-offset-outside": b"Exif\x00\x00II*\x00\xff\xff\xff\x7f",
        "exif-cut": b"Exif\x00\x00II",
        "exif-garbage": b"Exif\x00\x00" + b"\xff" * 500,
    }.items():
        yield _picture(f"jpeg/{what}", "jpg", _with_app1(data, exif), FINE)
    yield _picture("jpeg/no-tables", "jpg", data.replace(b"\xff\xdb", b"\xff\xfe"), DAMAGED)
    yield _picture("jpeg/no-end", "jpg", data[:-2], DAMAGED)
    yield _picture("jpeg/profile-garbage", "jpg", saved("JPEG", icc_profile=b"\xff" * 4000), FINE)
    yield _picture("jpeg/comment-escapes", "jpg", saved("JPEG", comment=b"\x1b]0;pwned\x07"), FINE)
    yield _picture("jpeg/garbage-after", "jpg", data + b"<?php system('touch pwned') ?>" * 20, DAMAGED)


def _with_app1(data: bytes, body: bytes) -> bytes:
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def _modes() -> Iterator[Entry]:
    for kind, ending, mode, options in (
        ("JPEG", "jpg", "CMYK", {}),
        ("JPEG", "jpg", "L", {}),
        ("JPEG", "jpg", "RGB", {"progressive": True}),
        ("PNG", "png", "P", {}),
        ("PNG", "png", "RGBA", {}),
        ("PNG", "png", "LA", {}),
        ("PNG", "png", "1", {}),
        ("PNG", "png", "I;16", {}),
        ("TIFF", "tif", "CMYK", {}),
        ("TIFF", "tif", "P", {}),
        ("TIFF", "tif", "1", {}),
        ("TIFF", "tif", "RGB", {"compression": "tiff_lzw"}),
        ("WEBP", "webp", "RGBA", {"lossless": True}),
        ("GIF", "gif", "1", {}),
        ("BMP", "bmp", "P", {}),
        ("BMP", "bmp", "1", {}),
    ):
        name = f"mode/{ending}-{mode}" + "".join(f"-{key}" for key in options)
        yield _picture(name, ending, saved(kind, "L" if mode == "I;16" else mode, **options), FINE)


def _sequences() -> Iterator[Entry]:
    """Folders of five pictures, some of them bad: what can be read is delivered, the rest is counted."""
    good = saved("PNG")
    for what, bad, codes, frames in (
        ("one-cut", {"3.png": good[:200]}, FINE | LOSS, (4, 5)),
        ("one-empty", {"3.png": b""}, LOSS, (4, 4)),
        ("first-bad", {"1.png": b"x"}, LOSS, (4, 4)),
        ("all-bad", {f"{n}.png": b"x" for n in range(1, 6)}, INPUT, None),
        ("one-playlist", {"3.png": b"#EXTM3U\n/etc/hostname\n"}, LOSS, (4, 4)),
        ("one-bomb", {"3.png": png(IDAT, IEND, width=99_999, height=99_999)}, LOSS, (4, 4)),
        ("one-web-page", {"3.png": b"<!doctype html>"}, LOSS, (4, 4)),
    ):
        yield Entry(f"picture/sequence/{what}", translated("folder"), codes, _folder(good, bad), frames)


def _folder(good: bytes, bad: dict[str, bytes]):
    def make(folder: Path) -> None:
        (folder / "folder").mkdir()
        for name, data in ({f"{number}.png": good for number in range(1, 6)} | bad).items():
            (folder / "folder" / name).write_bytes(data)

    return make


def _picture(name: str, ending: str, data: bytes, codes: frozenset[int], frames: int = 1) -> Entry:
    words = translated(f"bad.{ending}", result="out.mkv")
    return Entry(f"picture/{name}", words, codes, file(f"bad.{ending}", data), (1, frames))
