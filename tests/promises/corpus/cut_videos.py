"""Videos that are cut, flipped, spliced, overwritten, or carry the wrong ending."""

import random
from collections.abc import Iterator

from promises.corpus.clips import KINDS, NUM_FRAMES, PROMISING, clip
from promises.corpus.entry import DAMAGED, FINE, INPUT, LOSS, Entry, file, translated

CUTS = (0.0, 0.02, 0.3, 0.6, 0.9)


def entries() -> Iterator[Entry]:
    """Yield about 200 entries."""
    for kind in KINDS:
        yield from _cuts(kind)
        yield from _flips(kind)
    yield from _joined()
    yield from _wrong_endings()


def _cuts(kind: str) -> Iterator[Entry]:
    data, ending = clip(kind), KINDS[kind][0]
    promises = ending in PROMISING
    for share in CUTS:
        # The packets of ASF have one size; small frames leave them half empty.
        most = NUM_FRAMES if kind == "asf" else 1 + int(share * NUM_FRAMES)
        codes = INPUT if share == 0 or kind == "mp4-index-last" else INPUT | LOSS if promises else DAMAGED
        if kind == "mp4-fragments" and share > 0:
            codes = DAMAGED  # every fragment is complete in itself, and nothing says how many there are
        if share >= 0.6 and codes != INPUT and kind != "avi":
            codes -= INPUT  # half of the frames stand there whole
        yield _video(f"cut/{kind}-{share:g}", ending, data[: int(len(data) * share)], codes, (1, most))
    yield _video(f"cut/{kind}-last-byte", ending, data[:-1], DAMAGED, (NUM_FRAMES - 1, NUM_FRAMES))
    yield _video(f"cut/{kind}-first-byte", ending, data[1:], DAMAGED, (1, NUM_FRAMES))


def _flips(kind: str) -> Iterator[Entry]:
    data, ending = clip(kind), KINDS[kind][0]
    for count in (1, 8, 64, 512):
        yield _video(f"flip/{kind}-{count}", ending, flipped(data, count, seed=count), DAMAGED, (1, NUM_FRAMES + 1))
    random_middle = random.Random(kind).randbytes(len(data) // 4)
    middle = len(data) // 2
    noisy = data[:middle] + random_middle + data[middle + len(random_middle) :]
    yield _video(f"flip/{kind}-noise", ending, noisy, DAMAGED, (1, NUM_FRAMES + 1))
    zeros = data[:middle] + bytes(len(random_middle)) + data[middle + len(random_middle) :]
    yield _video(f"flip/{kind}-zeros", ending, zeros, DAMAGED, (1, NUM_FRAMES + 1))


def _joined() -> Iterator[Entry]:
    double = 2 * NUM_FRAMES
    for kind, frames in (
        ("mp4", (NUM_FRAMES, NUM_FRAMES)),
        ("mkv", (NUM_FRAMES, double)),
        ("ts", (double, double)),
        ("h264", (double, double)),
        ("avi", (NUM_FRAMES, double)),
        ("y4m", (NUM_FRAMES, double)),
        ("flv", (NUM_FRAMES, double)),
        ("gif", (NUM_FRAMES, double)),
    ):
        yield _video(f"join/{kind}-twice", KINDS[kind][0], clip(kind) * 2, FINE | LOSS, frames)
    small = clip("h264", size=(32, 32))
    yield _video("join/h264-size-changes", "h264", clip("h264") + small, FINE | LOSS, (double - 1, double))
    small = clip("ts", size=(32, 32))
    yield _video("join/ts-size-changes", "ts", clip("ts") + small, FINE | LOSS, (double - 1, double))
    tail = b"\x00" * 70000 + b"trailing garbage" * 100
    for kind in ("mp4", "mkv", "ts", "avi", "gif"):
        yield _video(
            f"join/{kind}-garbage-after",
            KINDS[kind][0],
            clip(kind) + tail,
            FINE | LOSS,
            (NUM_FRAMES - 1, NUM_FRAMES + 1),
        )


def _wrong_endings() -> Iterator[Entry]:
    """What a file is decides, not its ending."""
    for kind, ending in (
        ("mp4", "mkv"),
        ("mkv", "mp4"),
        ("ts", "mp4"),
        ("avi", "mov"),
        ("webm", "avi"),
        ("gif", "mp4"),
        ("flv", "webm"),
        ("mp4", "txt"),
        ("mkv", "jpg"),
        ("mp4", "m3u8"),
    ):
        yield _video(f"ending/{kind}-as-{ending}", ending, clip(kind), FINE, (NUM_FRAMES, NUM_FRAMES))
    for what, data in NO_VIDEOS.items():
        yield _video(f"ending/{what}-as-mp4", "mp4", data, INPUT)


NO_VIDEOS = {
    "text": b"This is not a video.\n" * 40,
    "html": b"<!DOCTYPE html><html><body>Not found</body></html>",
    "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n",
    "elf": b"\x7fELF\x02\x01\x01" + bytes(200),
    "zip": b"PK\x03\x04" + bytes(200),
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n",
    "json": b'{"frames": 100}',
    "noise": random.Random(1).randbytes(5000),
    "zeros": bytes(100_000),
    "one-byte": b"\x00",
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "shell": b"#!/bin/sh\ntouch pwned\n",
}


def flipped(data: bytes, count: int, seed: int) -> bytes:
    """Return the bytes with `count` bits inverted at places drawn from the seed."""
    draw, changed = random.Random(seed), bytearray(data)
    for _ in range(count):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _video(name: str, ending: str, data: bytes, codes: frozenset[int], frames: tuple[int, int] | None = None) -> Entry:
    return Entry(f"video/{name}", translated(f"bad.{ending}"), codes, file(f"bad.{ending}", data), frames)
