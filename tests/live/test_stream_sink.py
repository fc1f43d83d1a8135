"""Streams to real servers: what arrives at the far end, and servers that die, come back, stall or say nothing."""

import itertools
import socket
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from flash_and_click import RATE, TOLERANCE_MS, Seen, frame, live_format, send, sound, watch, watching
from left_threads import assert_that_new_threads_end
from servers import (
    HERE,
    SYSTEM_PYTHON,
    Server,
    _has_gst_rtsp_server,
    fault_proxy,
    free_port,
    need,
    rtmp_server,
    silent_server,
    wait_until,
)

from rotoscope.runtime.live.open_live_sink import open_live_sink
from rotoscope.runtime.live.sinks.sender import limit_unsent

LONG_S = 60  # for waits that a test expects to end
NOT_SENT = "frames without a connection"
TOO_EARLY = "frames before the first connection"


def assert_adds_up(sink, num_written):
    assert num_written == sink.num_frames + sink.losses[NOT_SENT] + sink.losses[TOO_EARLY]


def assert_arrived(seen, num_flashes):
    """Pictures in order, their times as they were sent, colour tags, and sound where it belongs."""
    assert np.all(np.diff(seen.numbers) > 0) and len(seen.numbers) > RATE
    steps = np.diff(seen.times) - np.diff(seen.numbers) / RATE
    assert np.abs(steps).max() < 0.0025  # FLV has milliseconds
    assert seen.tags == (1, 1, 1, 1)
    offsets = seen.offsets_ms()
    assert len(offsets) >= num_flashes and np.abs(offsets).max() <= TOLERANCE_MS


@pytest.mark.parametrize("kind", ["rtmp", "udp"])
def test_pictures_and_sound_arrive_as_they_were_sent(kind, tmp_path):
    def has_enough(seen):
        return len(seen.flashes) >= 3 and len(seen.clicks) >= 3

    with rtmp_server(tmp_path) as server:
        port = free_port(socket.SOCK_DGRAM)
        target, origin = {
            "rtmp": (server.rtmp("key"), server.rtmp("key")),
            "udp": (f"udp://127.0.0.1:{port}", f"udp://127.0.0.1:{port}?fifo_size=100000&overrun_nonfatal=1"),
        }[kind]
        with watching(origin, is_enough=has_enough) as (seen, enough):
            sink = open_live_sink(target, live_format())
            num_written = send(sink, enough.is_set)
            assert sink.state == "open"
            sink.finish()
    assert_arrived(seen, 2)
    assert_adds_up(sink, num_written)
    assert (sink.state, sink.reconnects, sink.notes, sink.kept) == ("closed", 0, [], ["sound (aac)"])
    assert set(sink.losses) <= {TOO_EARLY, "sound before the first picture"}


def test_a_stream_can_be_pushed_to_an_rtsp_server(tmp_path):
    need(_has_gst_rtsp_server(), "the RTSP server of GStreamer")
    port, recorded = free_port(), tmp_path / "recorded.mkv"
    server = Server([SYSTEM_PYTHON, HERE / "rtsp_recorder.py", port, recorded], port, tmp_path / "rtsp.log")
    server.start()
    try:
        sink = open_live_sink(f"rtsp://127.0.0.1:{port}/live", live_format())
        num_written = send(sink, lambda: sink.num_frames >= 5 * RATE)
        sink.finish()
        assert_adds_up(sink, num_written)
        wait_until(lambda: recorded.exists() and recorded.stat().st_size > 5000, "the recording")
    finally:
        server.end()
    seen = Seen()
    with av.open(str(recorded)) as container:
        watch(container, seen)
    assert_arrived(seen, 3)


def test_pictures_go_on_when_the_source_sends_no_sound(tmp_path):
    with rtmp_server(tmp_path) as server:
        address = server.rtmp("key")
        with watching(address, is_enough=lambda seen: len(seen.numbers) > 2 * RATE) as (seen, enough):
            sink = open_live_sink(address, live_format(has_sound=True))
            send(sink, enough.is_set, has_sound=False)
            sink.finish()
    assert np.all(np.diff(seen.numbers) > 0)


@pytest.mark.parametrize("kind", ["rtmp", "udp"])
def test_sound_may_come_after_the_first_picture(kind, tmp_path):
    with rtmp_server(tmp_path) as server:
        address = {"rtmp": server.rtmp("key"), "udp": f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"}[kind]
        sink = open_live_sink(address, live_format())
        wait_until(lambda: sink.state == "open", "a connection")
        sink.write(frame(0, 0))
        sink.write_sound(sound(0, 1600))
        send(sink, lambda: sink.num_frames > RATE, first=1, paced=False)
        process = sink._sender._process
        sink.finish()
        assert process.returncode == 0
    assert sink.losses == {}


def test_a_server_that_dies_and_comes_back_gets_pictures_again(tmp_path):
    with rtmp_server(tmp_path) as server:
        address = server.rtmp("key")
        sink = open_live_sink(address, live_format())
        num_written = send(sink, lambda: sink.num_frames > RATE)
        server.server.end()
        num_written += send(sink, lambda: sink.state == "waiting" and sink.losses[NOT_SENT] > 3, first=num_written)
        assert sink.reason  # why it waits
        server.server.start()
        with watching(address, is_enough=lambda seen: len(seen.flashes) > 2 and len(seen.clicks) > 2) as (seen, enough):
            num_written += send(sink, enough.is_set, first=num_written)
            assert (sink.state, sink.reconnects, sink.reason) == ("open", 1, "")
            sink.finish()
    assert_arrived(seen, 2)
    assert_adds_up(sink, num_written)


def test_a_connection_that_comes_later_is_no_reconnect(tmp_path):
    with rtmp_server(tmp_path) as server:
        server.server.end()
        sink = open_live_sink(server.rtmp("key"), live_format(has_sound=False))
        num_written = send(sink, lambda: sink.state == "waiting")
        assert sink.num_frames == 0 and "refused" in sink.reason
        server.server.start()
        num_written += send(sink, lambda: sink.num_frames > 3, first=num_written)
        sink.finish()
    assert sink.reconnects == 0 and not sink.losses[NOT_SENT]
    assert_adds_up(sink, num_written)


def test_attempts_that_fail_at_once_become_rare(tmp_path, monkeypatch):
    starts = []
    sink = open_live_sink(f"rtmp://127.0.0.1:{free_port()}/live/key", live_format())
    monkeypatch.setattr(
        "rotoscope.runtime.live.sinks.stream_sink.SenderProcess", lambda setup: starts.append(setup) or _Failed()
    )
    wait_until(lambda: sink.state == "waiting", "the end of the first attempt")
    now = [0.0]
    monkeypatch.setattr("rotoscope.runtime.live.sinks.stream_sink.time.monotonic", lambda: now[0])
    for number in range(6000):  # one minute
        now[0] = number / 100
        sink.write(frame(number, number))
    sink.finish()
    assert 60 / 6 < len(starts) < 60 / 3
    assert sink.notes == [f"{sink.name}: no connection was made (refused)"]


class _Failed:
    """A sending process that has ended."""

    is_open, has_ended, reason, losses = False, True, "refused", {}

    def close(self):
        pass


def test_a_server_that_says_nothing_delays_neither_pictures_nor_the_end():
    with silent_server() as port:
        sink = open_live_sink(f"rtmp://127.0.0.1:{port}/live/key", live_format())
        for number in range(20):
            sink.write(frame(number, number))
        assert (sink.state, sink.num_frames, sink.losses) == ("connecting", 0, {TOO_EARLY: 20})
        process = sink._sender._process
        sink.interrupt()
        sink.finish()
        assert process.poll() is not None
    assert (sink.state, sink.num_frames) == ("closed", 0)
    assert sink.notes == [f"{sink.name}: no connection was made"]


def test_a_server_that_says_nothing_is_left_after_some_seconds():
    with silent_server() as port:
        sink = open_live_sink(f"rtmp://127.0.0.1:{port}/live/key", live_format())
        send(sink, lambda: sink.state == "waiting" and bool(sink.reason))
        assert sink.reason == "no answer from the server for 5 s"
        sink.abort()


def stalled(sink, proxy, first):
    """Stall a connection and write pictures, in a thread, until a write waits; return the thread."""
    noise, num_written, is_over = np.random.default_rng(1), itertools.count(first), threading.Event()

    def write():
        while not is_over.is_set() and sink.losses[NOT_SENT] == lost:
            number = next(num_written)
            sink.write(frame(number, number / RATE, noise=noise))
            written.append(number)

    written, lost = [], sink.losses[NOT_SENT]
    proxy.stall()
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    before = -1
    waiting = threading.Event()
    while len(written) > before:  # no picture was taken for a while
        before = len(written)
        waiting.wait(1)
    return thread, written


@pytest.fixture
def stalling(tmp_path):
    """A sink whose connection leads through a proxy, and pictures that are hard to compress."""
    with rtmp_server(tmp_path) as server, fault_proxy(server.rtmp_port) as proxy:
        options = ("crf=1", "maxrate=50M", "bufsize=50M")
        address = f"rtmp://127.0.0.1:{proxy.port}/live/key"
        sink = open_live_sink(address, live_format(has_sound=False), encoder_options=options)
        first = send(sink, lambda: sink.num_frames > 3, has_sound=False)
        yield sink, proxy, first
        sink.abort()


def test_a_write_that_waits_for_a_stalled_server_ends_when_the_run_ends(stalling):
    sink, proxy, first = stalling
    thread, _ = stalled(sink, proxy, first)
    process = sink._sender._process
    sink.interrupt()
    thread.join(LONG_S)
    assert not thread.is_alive()
    sink.finish()
    assert sink.state == "closed" and process.poll() is not None


def test_a_stalled_server_is_left_after_some_seconds_and_found_again(stalling):
    sink, proxy, first = stalling
    thread, written = stalled(sink, proxy, first)
    thread.join(LONG_S)
    assert not thread.is_alive() and sink.reason == "no answer from the server for 5 s"
    proxy.go()
    send(sink, lambda: sink.reconnects == 1, has_sound=False, first=written[-1] + 1)
    assert sink.state == "open"


def test_a_stream_key_is_shown_nowhere(tmp_path):
    secret = "secret-key"
    with rtmp_server(tmp_path) as server:
        sink = open_live_sink(server.rtmp(secret), live_format())
        send(sink, lambda: sink.num_frames > 3)
        shown = Path(f"/proc/{sink._sender._process.pid}/cmdline").read_bytes() + (
            Path(f"/proc/{sink._sender._process.pid}/environ").read_bytes()
        )
        server.server.end()
        send(sink, lambda: bool(sink.reason))
        sink.finish()
    assert secret.encode() not in shown
    assert secret not in f"{sink.name} {sink.reason} {sink.notes} {sink.losses}"


def test_the_end_of_a_run_leaves_no_process_and_no_thread(tmp_path):
    before = set(threading.enumerate())
    with rtmp_server(tmp_path) as server:
        sink = open_live_sink(server.rtmp("key"), live_format())
        send(sink, lambda: sink.num_frames > 3)
        process = sink._sender._process
        sink.finish()
        assert process.returncode == 0  # it ended the stream by itself
    assert_that_new_threads_end(before)


def test_the_system_holds_little_that_is_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        limit_unsent(65_536)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 65_536  # the system doubles it
