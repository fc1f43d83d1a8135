"""Addresses of network streams: what is accepted, what may be opened, what may be shown."""

import pytest

from rotoscope.base.errors import UsageError
from rotoscope.base.shown_address import shown_address
from rotoscope.runtime.live.open_live_source import open_live_source
from rotoscope.runtime.live.sources.network_addresses import FORMATS, PROTOCOLS, network_address

SHOWN = {
    "rtsp://camera/stream": "rtsp://camera/stream",
    "rtsp://user:secret@camera:554/stream": "rtsp://camera:554/stream",
    "rtsp://user:se@cret@camera/stream": "rtsp://camera/stream",
    "rtsp://user:se/cret@camera/stream": "rtsp://camera/stream",
    "rtsp://user:se/cr?et@camera/stream": "rtsp://camera/stream",
    "rtsp://camera/user=admin&password=secret&channel=1": "rtsp://camera/user=admin&password=…&channel=1",
    "rtsp://[fe80::1]:554/a": "rtsp://[fe80::1]:554/a",
    "rtmp://server/app/secret": "rtmp://server/app/…",
    "rtmp://user:secret@server/app/secret?token=secret": "rtmp://server/app/…?…",
    "rtmps://server:443/app/instance/secret": "rtmps://server:443/app/instance/…",
    "rtmp://server/app": "rtmp://server/app",
    "http://server/live.m3u8?token=secret": "http://server/live.m3u8?…",
    "http://server/live.m3u8#secret": "http://server/live.m3u8?…",
    "http://server/token=secret/live.m3u8": "http://server/token=…/live.m3u8",
    "https://server/@camera/live.m3u8": "https://server/@camera/live.m3u8",
    "udp://@:1234": "udp://:1234",
    "http://server?secret": "http://server?…",
    "/dev/video0": "/dev/video0",
    "page:": "page:",
}


@pytest.mark.parametrize("address", SHOWN)
def test_secrets_are_left_out(address):
    assert shown_address(address) == SHOWN[address]


def test_no_list_from_the_network_may_name_a_local_file():
    forbidden = {
        "file",
        "concat",
        "concatf",
        "subfile",
        "pipe",
        "fd",
        "data",
        "cache",
        "unix",
        "async",
        "ftp",
        "gopher",
    }
    for protocols in PROTOCOLS.values():
        assert not forbidden & set(protocols.split(","))
    for scheme in PROTOCOLS:
        options = network_address(f"{scheme}://127.0.0.1:5000/a").options
        assert options["protocol_whitelist"] == PROTOCOLS[scheme]
        assert options["format_whitelist"].split(",") == list(FORMATS[scheme])
        assert not {"concat", "image2", "lavfi", "sdp", "v4l2", "tty"} & set(FORMATS[scheme])


def test_rtsp_goes_over_tcp_unless_asked():
    assert network_address("rtsp://camera/a").options["rtsp_transport"] == "tcp"
    assert network_address("rtsp://camera/a", rtsp_transport="udp").options["rtsp_transport"] == "udp"
    with pytest.raises(UsageError, match="transport 'sctp'; accepted: tcp, udp"):
        network_address("rtsp://camera/a", rtsp_transport="sctp")


def test_rtmp_is_probed_by_time_and_not_by_few_bytes():
    assert "probesize" not in network_address("rtmp://server/app/key").options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://user:secret@server/a", r"ftp://server/a; accepted: rtsp://, rtsps://, rtmp://"),
        ("file:///etc/passwd", "file:///etc/passwd; accepted: rtsp://"),
        ("concat://a", "accepted: rtsp://"),
        ("srt://127.0.0.1:9000", "SRT is not read; srt-live-transmit or MediaMTX"),
        ("rtsp://", "names no server"),
        ("udp://127.0.0.1", "names no port"),
        ("rtp://127.0.0.1:a", "names no port"),
        ("camera", "live source 'camera'; accepted: an address"),
        ("", "live source ''; accepted: an address"),
        ("clip.mp4", "live source 'clip.mp4'; accepted: an address"),
        ("synthetic:1x1@30", "accepted: sides of 64"),
    ],
)
def test_other_words_are_refused_before_anything_is_opened(text, message):
    with pytest.raises(UsageError, match=message) as error:
        open_live_source(text)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_time_to_give_up_is_a_number_of_seconds(seconds):
    with pytest.raises(UsageError, match=rf"give up after {seconds} s; accepted"):
        open_live_source("rtsp://camera/a", give_up_after_s=seconds)
