"""How an address of a network stream is opened: allowed protocols, options and time limits for each scheme."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from rotoscope.base.errors import UsageError
from rotoscope.base.shown_address import shown_address
from rotoscope.runtime.live.server_certificates import certificate_options
from rotoscope.runtime.media.local_file import DEMUXERS

# What each scheme may use. Never add file, concat, subfile, pipe or data: a list that comes over the network would read local
# files through them.
PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,udp,tcp,tls,srtp,crypto",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,tls,tcp",
    "http": "http,https,tcp,tls,crypto,httpproxy",
    "https": "https,http,tcp,tls,crypto,httpproxy",
    "udp": "udp",
    "rtp": "rtp,udp",
}
_STREAMS = (
    "mpegts",
    "flv",
    "live_flv",
    "nut",
    "matroska",
    "h264",
    "hevc",
    "mpegvideo",
    "m4v",
    "mjpeg",
    "mpjpeg",
    "mjpeg_2000",
)
FORMATS = {
    "rtsp": ("rtsp", "rtp", "mpegts", "asf"),
    "rtsps": ("rtsp", "rtp", "mpegts", "asf"),
    "rtmp": ("flv", "live_flv"),
    "rtmps": ("flv", "live_flv"),
    # HLS lists name segments of these formats.
    "http": (*DEMUXERS, "hls", "mpjpeg", "aac", "mp3", "ac3", "eac3", "webvtt"),
    "udp": _STREAMS,
    "rtp": ("rtp", *_STREAMS),
}
FORMATS["https"] = FORMATS["http"]

PROBE = {"analyzeduration": "500000", "probesize": "500000"}  # microseconds, bytes
_UDP = {"fifo_size": "100000", "overrun_nonfatal": "1", "buffer_size": "4194304"}
OPTIONS: dict[str, dict[str, str]] = {
    "rtsp": PROBE | {"max_delay": "100000", "reorder_queue_size": "32", "buffer_size": "4194304"},
    # FLV names its streams as they come: a small probe would find the sound and miss the pictures.
    "rtmp": {"rtmp_live": "live", "analyzeduration": "1000000"},
    "http": {"live_start_index": "-1", "http_persistent": "1", "analyzeduration": "1000000"},
    "udp": PROBE | _UDP,
    "rtp": PROBE | _UDP,
}
OPTIONS |= {"rtsps": OPTIONS["rtsp"], "rtmps": OPTIONS["rtmp"], "https": OPTIONS["http"]}

# Seconds (to open, for a read). A player of HLS waits for the next segment, whose length the server chooses.
LIMITS_S = {"rtsp": (10.0, 2.0), "rtsps": (10.0, 2.0), "rtmp": (10.0, 3.0), "rtmps": (10.0, 3.0)}
OTHER_LIMITS_S, HLS_LIMITS_S = (10.0, 5.0), (20.0, 30.0)


@dataclass(frozen=True)
class NetworkAddress:
    """An address and how PyAV opens it; `shown` is the part that may be shown."""

    address: str
    shown: str
    options: dict[str, str]
    open_s: float
    read_s: float


def network_address(text: str, *, rtsp_transport: str = "tcp", tls_ca: str | None = None) -> NetworkAddress:
    """Read an address of a network stream; raises UsageError for one that is not accepted.

    rtsp_transport  "tcp", or "udp", which loses packets and waits for no lost one
    tls_ca          as in `certificate_options`
    """
    shown = shown_address(text)
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    if scheme == "srt":
        raise UsageError(f"{shown}: SRT is not read; srt-live-transmit or MediaMTX turns it into udp:// or rtsp://")
    if scheme not in PROTOCOLS:
        raise UsageError(f"{shown}; accepted: {', '.join(f'{name}://' for name in PROTOCOLS)}")
    if not rest.strip("/"):
        raise UsageError(f"{shown}: names no server; an address looks like {scheme}://HOST/PATH")
    if scheme in ("udp", "rtp") and _port(text) is None:
        raise UsageError(f"{shown}: names no port; an address looks like {scheme}://127.0.0.1:5000")
    options = OPTIONS[scheme] | {
        "protocol_whitelist": PROTOCOLS[scheme],
        "format_whitelist": ",".join(FORMATS[scheme]),
        **certificate_options(scheme, tls_ca),
    }
    if scheme in ("rtsp", "rtsps"):
        if rtsp_transport not in ("tcp", "udp"):
            raise UsageError(f"transport {rtsp_transport!r}; accepted: tcp, udp")
        options["rtsp_transport"] = rtsp_transport
    is_hls = scheme in ("http", "https") and urlsplit(text).path.lower().endswith((".m3u8", ".m3u"))
    open_s, read_s = HLS_LIMITS_S if is_hls else LIMITS_S.get(scheme, OTHER_LIMITS_S)
    return NetworkAddress(f"{scheme}://{rest}", shown, options, open_s, read_s)


def _port(text: str) -> int | None:
    try:
        return urlsplit(text).port
    except ValueError:
        return None
