"""The process that sends a stream: what its encoder does with frames, and that it never outlives its run."""

import contextlib
import dataclasses
import os
import signal
import threading
from fractions import Fraction
from pathlib import Path

import av
import pytest
from flash_and_click import frame, live_format
from left_threads import assert_that_new_threads_end
from servers import free_port, rtmp_server, silent_server, wait_until

from rotoscope.runtime.live import open_live_sink
from rotoscope.runtime.live.open_live_sink import open_live_sink as open_sink
from rotoscope.runtime.live.sinks.sender import Sender
from rotoscope.runtime.live.sinks.sender_process import SenderProcess


@pytest.fixture
def setup(monkeypatch):
    """A function that returns the setup of a stream, which writes to `path` instead of a server."""

    def make(path, **options):
        given = []
        monkeypatch.setattr(open_live_sink, "StreamSink", lambda _name, setup: given.append(setup))
        open_sink("rtmp://127.0.0.1/live/key", live_format(has_sound=False), **options)
        return dataclasses.replace(given[0], address=str(path))

    return make


def send_to_file(setup, times):
    """Send a picture at each time; return how many packets each picture gave at once."""
    sender, counts = Sender(setup), []
    stream = sender._stream

    class Counted:
        codec_context = stream.codec_context

        def encode(self, picture):
            packets = stream.encode(picture)
            counts.append(len(packets))
            return packets

    sender._stream = Counted()
    sender.connect()
    for number, seconds in enumerate(times):
        shown = frame(number, seconds)
        sender.picture(shown.seconds, bytearray(b"".join(plane.tobytes() for plane in shown.result.planes)))
    sender.close()
    return counts[:-1]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_no_frame_waits_for_a_later_one_whatever_the_threads(codec, setup, tmp_path):
    made = setup(tmp_path / "out.flv", codec=codec, threads=4)
    assert send_to_file(made, [Fraction(number, 30) for number in range(20)]) == [1] * 20


def test_a_key_frame_comes_every_second_whatever_the_rate(setup, tmp_path):
    path = tmp_path / "out.flv"
    times = [Fraction(number, 4) for number in range(9)] + [2 + Fraction(number, 60) for number in range(1, 180)]
    send_to_file(setup(path), times)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [float(packet.pts * packet.time_base) for packet in packets if packet.is_keyframe] == pytest.approx(
        [0, 1, 2, 3, 4]
    )
    assert all(packet.pts == packet.dts for packet in packets)  # no B frames


def test_frames_with_one_time_are_moved_and_not_refused(setup, tmp_path):
    path = tmp_path / "out.flv"
    send_to_file(setup(path), [Fraction(0), Fraction(1, 5000), Fraction(2, 5000), Fraction(1)])
    with av.open(str(path)) as container:
        assert [packet.pts for packet in container.demux(video=0) if packet.size] == [0, 1, 2, 1000]


def test_a_process_whose_run_was_killed_ends_the_stream_and_itself(tmp_path):
    with rtmp_server(tmp_path) as server:
        sink = open_sink(server.rtmp("key"), live_format())
        wait_until(lambda: sink.state == "open", "a connection")
        sender = sink._sender
        sender._pipe.close()  # as the system does when a process is killed
        wait_until(lambda: sender.has_ended, "the end of the process")
        assert sender._process.returncode == 0
        sink.abort()


def test_many_attempts_leave_no_threads_and_no_files(monkeypatch):
    monkeypatch.setattr("rotoscope.runtime.live.sinks.stream_sink.Backoff.delay", lambda _: 0)
    started = []
    monkeypatch.setattr(
        "rotoscope.runtime.live.sinks.stream_sink.SenderProcess",
        lambda setup: started.append(1) or SenderProcess(setup),
    )
    threads, files = set(threading.enumerate()), len(list(Path("/proc/self/fd").iterdir()))
    sink = open_sink(f"rtmp://127.0.0.1:{free_port()}/live/key", live_format())
    number = 0
    while len(started) < 4:
        wait_until(lambda: sink.state == "waiting", "the end of an attempt")
        for _ in range(2):  # one notices the end, the next starts the next attempt
            sink.write(frame(number, number))
            number += 1
    sink.finish()
    assert_that_new_threads_end(threads)
    assert len(list(Path("/proc/self/fd").iterdir())) == files
    assert sink.losses == {"frames before the first connection": number}


@pytest.mark.parametrize("scheme", ["rtmps", "rtsp", "rtsps"])
def test_no_server_can_delay_the_end(scheme):
    with silent_server() as port:
        sink = open_sink(f"{scheme}://127.0.0.1:{port}/live/key", live_format())
        sink.write(frame(0, 0))
        process = sink._sender._process
        sink.finish()
        assert process.poll() is not None and sink.state == "closed"


def test_a_process_that_takes_nothing_more_cannot_delay_the_end(tmp_path):
    with rtmp_server(tmp_path) as server:
        sink = open_sink(server.rtmp("key"), live_format())
        wait_until(lambda: sink.state == "open", "a connection")
        process, pipe = sink._sender._process, sink._sender._pipe.fileno()
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        os.set_blocking(pipe, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(pipe, bytes(4096))
        os.set_blocking(pipe, True)
        ending = threading.Thread(target=sink.finish, daemon=True)
        ending.start()
        ending.join(60)
        assert not ending.is_alive() and process.returncode == -signal.SIGKILL
