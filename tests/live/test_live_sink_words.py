"""Words for outputs: what is refused before anything is opened, and in which words; nothing shows a secret."""

import pytest
from flash_and_click import frame, live_format

from rotoscope.base.errors import UsageError
from rotoscope.runtime.live.open_live_sink import check_live_sink, open_live_sink

ACCEPTED = "rtmp://… rtmps://… rtsp://… rtsps://… udp://… page: null: /dev/videoN, or a file ending in .mp4"


@pytest.mark.parametrize(("word", "message"), [
    ("", f"output ''; accepted: {ACCEPTED}"),
    ("out.png", f"output 'out.png'; accepted: {ACCEPTED}"),
    ("folder", f"output 'folder'; accepted: {ACCEPTED}"),
    ("missing/out.mkv", "missing: no such folder"),
    ("srt://host:9000", "srt://host:9000: unknown kind of stream; accepted: rtmp://, rtmps://, rtsp://, rtsps://, udp://"),
    ("rtmp://", "rtmp://: names no server; an address looks like rtmp://HOST/APPLICATION/KEY"),
    ("rtmp://host", "rtmp://host: names no stream; an address looks like rtmp://HOST/APPLICATION/KEY"),
    ("rtsp://host:8554", "rtsp://host:8554: names no stream; an address looks like rtsp://HOST:8554/NAME"),
    ("udp://host", "udp://host: names no port; an address looks like udp://HOST:5000"),
    ("udp://host:99999", "udp://host:99999: Port out of range 0-65535"),
    ("/dev/video77", "/dev/video77: no such device; modprobe v4l2loopback makes virtual cameras"),
])  # fmt: skip
def test_a_word_that_is_no_output_is_one_line(word, message):
    with pytest.raises(UsageError) as error:
        check_live_sink(word)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("how", "message"), [
    ({"codec": "x264"}, "--codec x264: no such video encoder"),
    ({"encoder_options": ("crf",)}, "-e crf; accepted: key=value"),
])  # fmt: skip
def test_options_that_are_wrong_for_any_output_are_refused_first(how, message):
    with pytest.raises(UsageError) as error:
        check_live_sink("null:", **how)
    assert message in str(error.value)


@pytest.mark.parametrize(("how", "message"), [
    ({"codec": "ffv1"}, "--codec ffv1: not for flv streams; accepted: encoders of h264, hevc, av1"),
    ({"encoder_options": ("crff=3",)}, "-e crff=3: libx264 has no option crff; near: crf"),
    ({"encoder_options": ("movflags=faststart",)}, "-e movflags: for files only"),
    ({"encoder_options": ("preset=quick",)}, "libx264 does not open for 320x180 yuv420p"),
])  # fmt: skip
def test_an_encoder_that_a_stream_cannot_use_is_refused_before_anything_is_sent(how, message):
    with pytest.raises(UsageError) as error:
        open_live_sink("rtmp://127.0.0.1:1/live/key", live_format(), **how)
    assert message in str(error.value)


@pytest.mark.parametrize("word", ["rtmp://user:password@host/live/secret?token=secret", "ftp://user:password@host/a"])
def test_a_message_shows_no_secret(word):
    with pytest.raises(UsageError) as error:
        open_live_sink(word, live_format(), codec="ffv1")
    assert "secret" not in str(error.value) and "password" not in str(error.value)


def test_null_counts_frames():
    sink = open_live_sink("null:", live_format())
    sink.write(frame(0, 0))
    sink.finish()
    assert (sink.name, sink.num_frames, sink.state) == ("null:", 1, "closed")
