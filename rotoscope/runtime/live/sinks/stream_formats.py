"""How a stream is sent: container, clock and encoder settings by the scheme of its address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from urllib.parse import urlsplit

import av

from rotoscope.base.errors import UsageError
from rotoscope.base.live import LiveFormat
from rotoscope.base.shown_address import shown_address
from rotoscope.runtime.live.sinks.picture_format import video_format
from rotoscope.runtime.media.encoder import Encoder, encoder_named, open_once

KEY_FRAME_SECONDS = 1  # a reader that joins waits at most this long for its first picture
MOST_FRAMES_PER_KEY = 600
BITS_PER_PIXEL = 0.12  # at most: 0.8 Mbit/s at 640x360, 7.5 Mbit/s at 1920x1080, both with 30 frames per second
LEAST_BIT_RATE = 500_000  # bits per second
BUFFER_SECONDS = 0.5  # of the rate control (VBV): how long the bit rate may be above the limit


@dataclass(frozen=True)
class StreamFormat:
    """How a scheme is sent.

    muxer      FFmpeg's name of the container or protocol
    time_base  clock of its packets, in seconds per tick
    codecs     names of the codecs that readers of such streams understand; the first is the default's
    options    of the muxer
    suffix     put behind an address that has no query
    """

    muxer: str
    time_base: Fraction
    codecs: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


_RTMP = StreamFormat("flv", Fraction(1, 1000), ("h264", "hevc", "av1"), {"flvflags": "no_duration_filesize"})
_RTSP = StreamFormat("rtsp", Fraction(1, 90_000), ("h264", "hevc", "vp8", "vp9", "av1"), {"rtsp_transport": "tcp"})
# 7 packets of MPEG-TS fit in one packet of Ethernet; a reader may join at any key frame.
_UDP = StreamFormat(
    "mpegts", Fraction(1, 90_000), ("h264", "hevc", "mpeg2video"), {"mpegts_flags": "resend_headers"}, "?pkt_size=1316"
)
SCHEMES = {"rtmp": _RTMP, "rtmps": _RTMP, "rtsp": _RTSP, "rtsps": _RTSP, "udp": _UDP}


def stream_format(address: str) -> StreamFormat:
    """The format for an address; raises UsageError for one that cannot be sent to."""
    shown = shown_address(address)
    scheme = address.partition("://")[0]
    form = SCHEMES.get(scheme.lower())
    if form is None:
        raise UsageError(f"{shown}: unknown kind of stream; accepted: {', '.join(f'{name}://' for name in SCHEMES)}")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{shown}: {error}") from error
    if not host:
        raise UsageError(f"{shown}: names no server; an address looks like {scheme}://HOST{_EXAMPLES[form.muxer]}")
    if (form.muxer == "mpegts" and port is None) or (form.muxer != "mpegts" and not parts.path.strip("/")):
        missing = "port" if form.muxer == "mpegts" else "stream"
        raise UsageError(f"{shown}: names no {missing}; an address looks like {scheme}://HOST{_EXAMPLES[form.muxer]}")
    return form


_EXAMPLES = {"flv": "/APPLICATION/KEY", "rtsp": ":8554/NAME", "mpegts": ":5000"}


def stream_encoder(
    form: StreamFormat, live: LiveFormat, *, codec: str | None, options: Mapping[str, str], threads: int
) -> Encoder:
    """Choose the encoder of a stream and open it once: no frame waits for a later one, and the bit rate is limited.

    Raises UsageError for an unknown codec or option, and for a codec that readers of such streams do not know.
    """
    name = encoder_named(codec or "libx264")
    kind = av.Codec(name, "w").canonical_name
    if kind not in form.codecs:
        raise UsageError(
            f"--codec {name}: not for {form.muxer} streams; accepted: encoders of {', '.join(form.codecs)}"
        )
    video = video_format(live, form.time_base)
    encoder = open_once(name, video, defaults=_defaults(name, live), options=options, threads=threads)
    if encoder.muxer_options:
        raise UsageError(f"-e {next(iter(encoder.muxer_options))}: for files only")
    return encoder


def most_bits(live: LiveFormat) -> int:
    """Limit of the bit rate, in bits per second."""
    return max(LEAST_BIT_RATE, round(BITS_PER_PIXEL * live.width * live.height * live.rate))


def _defaults(name: str, live: LiveFormat) -> dict[str, str]:
    rate = most_bits(live)
    limits = {"maxrate": str(rate), "bufsize": str(round(rate * BUFFER_SECONDS)), "bf": "0"}
    common = limits | {"g": str(MOST_FRAMES_PER_KEY)}  # key frames are asked for by time
    if name == "libx264":
        return common | {"preset": "superfast", "tune": "zerolatency", "crf": "21", "forced-idr": "1"}
    if name == "libx265":
        parameters = "log-level=none:repeat-headers=1"
        return common | {"preset": "ultrafast", "tune": "zerolatency", "crf": "24", "x265-params": parameters}
    if name.endswith("_nvenc"):
        fast = {"preset": "p4", "tune": "ull", "zerolatency": "1", "delay": "0", "forced-idr": "1"}
        return common | fast | {"rc": "vbr", "cq": "23", "b": "0"}
    return common | {"b": str(rate)}
