"""Videos that are well formed but strange: lies in headers, broken times, missing key frames, no frames, odd formats."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import tiny_clips

from promises.corpus.clips import KINDS, NUM_FRAMES, X264, clip, encoded, sound_only
from promises.corpus.entry import DAMAGED, FINE, INPUT, LOSS, Entry, file, translated

# (box, bytes after its name, new value): headers of mp4 that lie
BOX_LIES = {
    "sample-count-huge": (b"stsz", 8, b"\x7f\xff\xff\xff"),
    "sample-count-zero": (b"stsz", 8, bytes(4)),
    "sample-size-huge": (b"stsz", 12, b"\x7f\xff\xff\xff"),
    "one-size-for-all": (b"stsz", 4, b"\x7f\xff\xff\xff"),
    "chunk-offset-huge": (b"stco", 8, b"\xff\xff\xff\xff"),
    "chunk-offset-zero": (b"stco", 8, bytes(4)),
    "chunk-count-huge": (b"stco", 4, b"\x7f\xff\xff\xff"),
    "chunk-map-huge": (b"stsc", 12, b"\xff\xff\xff\xff"),
    "time-delta-zero": (b"stts", 12, bytes(4)),
    "time-delta-huge": (b"stts", 12, b"\x7f\xff\xff\xff"),
    "time-delta-negative": (b"stts", 12, b"\xff\xff\xff\xf0"),
    "time-count-huge": (b"stts", 8, b"\xff\xff\xff\xff"),
    "time-scale-zero": (b"mdhd", 12, bytes(4)),
    "time-scale-huge": (b"mdhd", 12, b"\xff\xff\xff\xff"),
    "movie-scale-zero": (b"mvhd", 12, bytes(4)),
    "movie-length-huge": (b"mvhd", 16, b"\xff\xff\xff\xff"),
    "media-length-zero": (b"mdhd", 16, bytes(4)),
    "edit-before-start": (b"elst", 12, b"\x80\x00\x00\x00"),
    "edit-after-end": (b"elst", 12, b"\x7f\xff\xff\xff"),
    "edit-length-huge": (b"elst", 8, b"\xff\xff\xff\xff"),
    "edit-rate-zero": (b"elst", 16, bytes(4)),
    "width-zero": (b"avc1", 24, bytes(2)),
    "width-huge": (b"avc1", 24, b"\xff\xff\xff\xff"),
    "track-size-huge": (b"tkhd", 76, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
    "matrix-zero": (b"tkhd", 40, bytes(36)),
    "matrix-huge": (b"tkhd", 40, b"\x7f\xff\xff\xff" * 9),
    "track-number-zero": (b"tkhd", 12, bytes(4)),
    "codec-unknown": (b"avc1", -4, b"zzzz"),
    "decoder-setup-zero": (b"avcC", 0, bytes(16)),
    "handler-sound": (b"hdlr", 8, b"soun"),
    "brand-unknown": (b"ftyp", 0, b"\xff\xff\xff\xff"),
    "box-size-zero": (b"moov", -8, bytes(4)),
    "box-size-huge": (b"moov", -8, b"\x7f\xff\xff\xff"),
}
# (element, bytes after its number, new value): headers of Matroska that lie
ELEMENT_LIES = {
    "time-scale-zero": (b"\x2a\xd7\xb1", 1, bytes(3)),
    "time-scale-huge": (b"\x2a\xd7\xb1", 1, b"\xff\xff\xff"),
    "length-nan": (b"\x44\x89", 1, b"\x7f\xf8" + bytes(6)),
    "length-negative": (b"\x44\x89", 1, b"\xc0" + bytes(7)),
    "length-huge": (b"\x44\x89", 1, b"\x7f\xe0" + bytes(6)),
    "codec-unknown": (b"V_FFV1", -6, b"V_NONE"),
    "cluster-size-huge": (b"\x1f\x43\xb6\x75", 0, b"\x01\x7f\xff\xff\xff\xff\xff\xff"),
    "tracks-gone": (b"\x16\x54\xae\x6b", -4, b"\xec\xec\xec\xec"),
    "setup-gone": (b"\x63\xa2", -2, b"\xec\xec"),
}
FORMATS = {
    "ffv1": (
        "gray",
        "gray10le",
        "gray12le",
        "gray16le",
        "yuv410p",
        "yuv411p",
        "yuv440p",
        "yuv422p",
        "yuv444p",
        "yuv420p9le",
        "yuv422p10le",
        "yuv444p12le",
        "yuv444p16le",
        "yuva420p",
        "yuva444p10le",
        "bgr0",
        "bgra",
        "rgb48le",
        "gbrp9le",
        "gbrp14le",
        "gbrp16le",
        "gbrap10le",
        "ya8",
    ),
    "rawvideo": (
        "nv12",
        "nv21",
        "p010le",
        "yuyv422",
        "uyvy422",
        "rgb24",
        "bgr24",
        "argb",
        "rgb555le",
        "rgb565be",
        "monow",
        "monob",
        "rgb8",
        "bgr4_byte",
        "gray16be",
        "yuv420p10be",
        "rgba64le",
        "yuvj422p",
        "xyz12le",
        "ya16be",
    ),
}
SIZES = ((1, 1), (1, 48), (64, 1), (2, 2), (3, 5), (17, 31), (65, 1), (8, 2000), (2000, 2))


def entries() -> Iterator[Entry]:
    """Yield about 130 entries."""
    for what, (box, offset, value) in BOX_LIES.items():
        yield _video(f"mp4-header/{what}", "mp4", _patched(clip("mp4"), box, offset, value), DAMAGED, (1, NUM_FRAMES))
    for what, (element, offset, value) in ELEMENT_LIES.items():
        yield _video(
            f"mkv-header/{what}", "mkv", _patched(clip("mkv"), element, offset, value), DAMAGED, (1, NUM_FRAMES)
        )
    yield from _bombs()
    yield from _without_frames()
    yield from _without_key_frame()
    yield from _times()
    for codec, formats in FORMATS.items():
        for pixel_format in formats:
            yield _video(
                f"format/{codec}-{pixel_format}", "nut", _lazily("nut", codec, pixel_format, frames=3), FINE, (3, 3)
            )
    for width, height in SIZES:
        yield _video(
            f"size/{width}x{height}",
            "nut",
            _lazily("nut", "rawvideo", "yuv444p", frames=3, size=(width, height)),
            FINE,
            (3, 3),
        )


def _bombs() -> Iterator[Entry]:
    """Headers that claim far more than stands behind them."""
    gif = (
        b"GIF89a\x80\x3e\x80\x3e\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c"
        + bytes(4)
        + b"\x80\x3e\x80\x3e\x00\x02\x02\x44\x01\x00;"
    )
    yield _video("bomb/gif-16000x16000", "gif", gif, INPUT)
    huge = {
        "w": "W1000000 H1000000",
        "w-only": "W2147483647 H1",
        "zero": "W0 H0",
        "minus": "W-64 H-48",
        "text": "Wxx Hyy",
    }
    for what, size in huge.items():
        yield _video(f"bomb/y4m-{what}", "y4m", f"YUV4MPEG2 {size} F25:1 C420\nFRAME\n".encode() + bytes(5000), INPUT)
    for what, tags in {
        "rate-zero": "F0:0",
        "rate-huge": "F2147483647:1",
        "rate-minus": "F-25:1",
        "aspect": "F25:1 A0:0",
        "aspect-huge": "F25:1 A2147483647:1",
        "long-tag": "F25:1 X" + "y" * 200,
        "interlaced": "F25:1 Im",
    }.items():
        frame = b"FRAME\n" + bytes(64 * 48 * 3 // 2)
        yield _video(
            f"y4m/{what}", "y4m", f"YUV4MPEG2 W64 H48 {tags} C420jpeg\n".encode() + frame * 3, FINE | INPUT, (3, 3)
        )
    yield _video("y4m/chroma-unknown", "y4m", b"YUV4MPEG2 W64 H48 F25:1 Czzz\nFRAME\n" + bytes(4608), INPUT)
    yield _video("y4m/endless-header", "y4m", b"YUV4MPEG2 " + b"W64 " * 5000, INPUT)
    yield _video("bomb/avi-size", "avi", _patched(clip("avi"), b"strf", 8, b"\xff\xff\xff\x7f" * 2), DAMAGED, (1, 8))
    yield _video("bomb/avi-list", "avi", _patched(clip("avi"), b"LIST", 0, b"\xff\xff\xff\xff"), DAMAGED, (1, 8))
    nested = b"".join(struct.pack(">I4s", 8 * (1000 - depth), b"moov") for depth in range(1000))
    yield _video("bomb/mp4-nested-1000", "mp4", clip("mp4")[:28] + nested, INPUT)
    yield _video(
        "bomb/mkv-nested", "mkv", clip("mkv")[:40] + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" * 1000, INPUT
    )


def _without_frames() -> Iterator[Entry]:
    for ending in ("wav", "mp3", "flac", "m4a"):
        yield _video(f"no-frames/sound-{ending}", ending, _Lazy(lambda ending=ending: sound_only(ending)), INPUT)
    yield _video("no-frames/sound-as-mp4", "mp4", _Lazy(lambda: sound_only("wav")), INPUT)
    for kind in ("mp4", "mkv", "avi", "ts", "nut", "flv"):
        yield _video(
            f"no-frames/{kind}",
            KINDS[kind][0],
            _Lazy(lambda ending=KINDS[kind][0]: _remuxed(ending, X264, lambda _i, _p: False)),
            INPUT,
        )
    yield _video("no-frames/y4m-header-only", "y4m", b"YUV4MPEG2 W64 H48 F25:1 C420\n", INPUT)


def _without_key_frame() -> Iterator[Entry]:
    options = {**X264, "g": "250", "bf": "0"}
    for ending in ("mp4", "mkv", "ts"):
        for first in (1, 7):
            data = _Lazy(
                lambda ending=ending, first=first: _remuxed(ending, options, lambda i, _p, first=first: i >= first)
            )
            yield _video(f"no-key-frame/{ending}-from-{first}", ending, data, DAMAGED, (1, NUM_FRAMES))
        data = _Lazy(lambda ending=ending: _remuxed(ending, options, lambda i, _p: i != 3))
        yield _video(f"no-key-frame/{ending}-one-lost", ending, data, FINE | LOSS, (NUM_FRAMES - 2, NUM_FRAMES))


def _times() -> Iterator[Entry]:
    """Times that stand still, run back or jump. Muxers refuse some of them: the files hold 1 to 8 frames."""
    changes = {
        "still": lambda i: 5,
        "backwards": lambda i: 100 - i,
        "pairs": lambda i: i // 2,
        "jump-hour": lambda i: i + 90_000 * (i > 3),
        "negative": lambda i: i - 1000,
        "huge-start": lambda i: i + (1 << 40),
        "jump-year": lambda i: i + 788_400_000 * (i > 3),
        "jump-back": lambda i: i + 5000 * (i < 4),
        "sawtooth": lambda i: i % 3,
    }
    for what, change in changes.items():
        for ending in ("mkv", "ts", "nut"):

            def keep(i: int, packet: av.Packet, change=change) -> bool:
                packet.pts = packet.dts = change(i)
                return True

            data = _Lazy(lambda ending=ending, keep=keep: _remuxed(ending, X264, keep))
            yield _video(f"times/{ending}-{what}", ending, data, FINE | LOSS | INPUT, (1, NUM_FRAMES))
    for what, base in (("1000-fps", Fraction(1, 1000)), ("one-a-day", Fraction(86400))):
        data = _lazily("mkv", "ffv1", "yuv420p", frames=3, time_base=base)
        yield _video(f"times/{what}", "mkv", data, FINE, (3, 3))


class _Lazy:
    """Bytes that are made when an entry is written: encoding takes time and only chosen entries run."""

    def __init__(self, make) -> None:
        self.make = make


def _lazily(ending: str, codec: str, pixel_format: str, **how: object) -> _Lazy:
    return _Lazy(lambda: encoded(ending, codec, pixel_format, **how))


def _patched(data: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    place = data.index(mark) + len(mark) + offset
    return data[:place] + value + data[place + len(value) :]


def _remuxed(ending: str, options: dict[str, str], keep) -> bytes:
    """A clip of which only the packets stay that `keep(index, packet)` accepts; it may change their times."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = tiny_clips.write_clip(folder / "whole.mkv", options=options)
        result = folder / f"part.{ending}"
        with av.open(str(whole)) as source, av.open(str(result), "w") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            target.start_encoding()
            packets = [packet for packet in source.demux(video=0) if packet.size]
            for index, packet in enumerate(packets):
                packet.time_base = Fraction(1, 25)
                packet.pts = packet.dts = index
                if keep(index, packet):
                    packet.stream = stream
                    _mux(target, packet)
        return result.read_bytes()


def _mux(target: av.container.OutputContainer, packet: av.Packet) -> None:
    try:
        target.mux(packet)
    except (av.FFmpegError, ValueError):
        return  # a muxer that refuses such times leaves the packet out


def _video(
    name: str, ending: str, data: bytes | _Lazy, codes: frozenset[int], frames: tuple[int, int] | None = None
) -> Entry:
    bad = f"bad.{ending}"
    make = file(bad, data) if isinstance(data, bytes) else lambda folder: (folder / bad).write_bytes(data.make())
    return Entry(f"video/{name}", translated(bad), codes, make, frames)
