"""Connecting again: pauses without a hot loop, giving up, what is counted and said; many times without growth."""

import gc
import logging
import os
import threading
from collections import Counter
from fractions import Fraction
from pathlib import Path

import psutil
import pytest
from mjpeg_camera import mjpeg_camera

from rotoscope.base.errors import InputRefused
from rotoscope.runtime.live.backoff import Backoff
from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.sources.connection import Received
from rotoscope.runtime.live.sources.detached import Detached
from rotoscope.runtime.live.sources.disconnects import Disconnected
from rotoscope.runtime.live.sources.network_addresses import network_address
from rotoscope.runtime.live.sources.network_source import NetworkStream
from rotoscope.runtime.live.sources.reconnecting import CLOSE_SECONDS, ReconnectingSource
from rotoscope.runtime.media.synthetic import SyntheticSource

PICTURES = SyntheticSource((64, 64), Fraction(10))


class Hands(Interruption):
    """Time that passes only while someone waits; the wait is ended after `end_s`."""

    def __init__(self, end_s=float("inf")):
        super().__init__()
        self.now, self.end_s, self.delays = 0.0, end_s, []

    def clock(self):
        return self.now

    def wait(self, seconds):
        assert seconds >= 0
        self.delays.append(seconds)
        self.now += seconds
        if self.now >= self.end_s:
            self.set()
        return self.is_set()


class FakeConnection:
    """Delivers frames a tenth of a second apart, by the hands' clock, and then ends or raises."""

    notes = ("a note",)
    has_sound = False
    info = PICTURES.info

    def __init__(self, hands, num_frames, error=None):
        self._hands, self._num_frames, self._error = hands, num_frames, error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def pictures(self, sound):
        for index in range(self._num_frames):
            self._hands.now += 0.1
            picture = next(iter(PICTURES)).source
            yield Received(picture, Fraction(index, 10), Fraction(1, 10), self._hands.now)
        if self._error is not None:
            raise self._error


def source_of(hands, script, **options):
    """A source whose attempts follow a script of numbers of frames, or errors; the last entry is repeated."""
    attempts = []

    def connect(losses):
        step = script[min(len(attempts), len(script) - 1)]
        attempts.append(hands.now)
        if isinstance(step, Exception):
            raise step
        num_frames, error = step if isinstance(step, tuple) else (step, None)
        return FakeConnection(hands, num_frames, error)

    source = ReconnectingSource("rtsp://camera", connect, interruption=hands, clock=hands.clock, **options)
    return source, attempts


def test_refused_at_once_is_no_hot_loop():
    """An hour of refusals: 4 attempts in the first seconds, then one in about five seconds, for ever."""
    hands = Hands(end_s=3600)
    source, attempts = source_of(hands, [Disconnected("connection refused")])
    assert list(source) == []
    source.close()
    assert 3600 / 5 / 1.2 < len(attempts) < 3600 / 5 / 0.8 + 10
    assert sum(hands.delays) >= 3600
    assert hands.delays[:5] == pytest.approx([0.25, 0.5, 1, 2, 4], rel=0.2)
    assert min(hands.delays[5:]) > 3.9 and max(hands.delays) < 6.1


def test_streams_that_end_at_once_are_no_hot_loop_either():
    hands = Hands(end_s=600)
    source, attempts = source_of(hands, [0])
    assert list(source) == []
    assert len(attempts) < 170
    hands = Hands(end_s=600)
    source, attempts = source_of(hands, [1])
    assert len(list(source)) == len(attempts) < 170


def test_after_a_good_connection_the_pause_is_short_again():
    hands = Hands(end_s=100)
    refused = Disconnected("connection refused")
    source, _ = source_of(hands, [refused, refused, refused, 30, 30, refused])
    assert len(list(source)) == 60
    assert hands.delays[:7] == pytest.approx([0.25, 0.5, 1, 0.25, 0.25, 0.5, 1], rel=0.2)


def test_reconnects_are_counted_by_reason_once_the_picture_is_back(caplog):
    caplog.set_level(logging.INFO, logger="rotoscope.live")
    hands = Hands(end_s=30)
    refused, silent = Disconnected("connection refused"), Disconnected("no data for 2 s")
    source, _ = source_of(hands, [refused, 3, refused, refused, (2, silent), 1, silent])
    frames = list(source)
    assert source.reconnects == Counter({"the stream ended": 1, "no data for 2 s": 1})
    assert [frame.cut for frame in frames] == [False, False, False, True, False, True]
    assert source.notes == ["a note"] and source.state == "ended"
    said = [record.getMessage().removeprefix("rtsp://camera is ") for record in caplog.records]
    assert said == [
        "not playing (connection refused); connecting again",
        "playing: none 64x64, without sound",
        "not playing (the stream ended); connecting again",
        "not playing (connection refused); connecting again",
        "playing: none 64x64, without sound",
        "not playing (no data for 2 s); connecting again",
        "playing: none 64x64, without sound",
        "not playing (the stream ended); connecting again",
        "not playing (no data for 2 s); connecting again",
    ]


def test_giving_up_counts_from_the_last_picture():
    hands = Hands()
    source, attempts = source_of(
        hands, [Disconnected("connection refused"), 5, Disconnected("no answer for 10 s")], give_up_after_s=3
    )
    found = []
    with pytest.raises(InputRefused, match="rtsp://camera: no picture for 3 s: no answer for 10 s"):
        found.extend(source)
    assert len(attempts) > 3 and hands.now < 4.5
    assert source.state == "ended"


def test_giving_up_at_once():
    source, attempts = source_of(Hands(), [Disconnected("connection refused")], give_up_after_s=0)
    with pytest.raises(InputRefused, match="no picture for 0 s: connection refused"):
        list(source)
    assert len(attempts) == 1


def test_a_file_that_is_played_again_is_no_lost_connection():
    hands = Hands(end_s=5)
    source, _ = source_of(hands, [10, 10, 10, 0], repeats=True)
    frames = list(source)
    assert [frame.index for frame in frames if frame.cut] == [10, 20]
    assert not source.reconnects
    assert hands.delays[0] == pytest.approx(0.25, rel=0.2)  # a file without pictures would be a hot loop


def test_errors_that_are_none_of_the_network_are_raised():
    source, _ = source_of(Hands(), [(2, ZeroDivisionError("a bug"))])
    found = []
    with pytest.raises(ZeroDivisionError, match="a bug"):
        for frame in source:
            found.append(frame)
    assert len(found) == 2


def test_a_second_iteration_goes_on_where_the_first_stopped():
    source, _ = source_of(Hands(end_s=1), [5])
    indices = []
    for frame in source:
        indices.append(frame.index)
        break
    indices.extend(frame.index for frame in source)
    assert indices == list(range(len(indices))) and len(indices) >= 5
    assert list(source) == []


def test_nothing_runs_before_the_first_iteration_and_after_the_end():
    before = set(threading.enumerate())
    source, attempts = source_of(Hands(), [5])
    assert set(threading.enumerate()) <= before and attempts == []
    source.interrupt()
    assert list(source) == [] and attempts == []
    source.close()
    assert source.state == "ended"


def test_closing_waits_from_the_interruption_on(monkeypatch):
    """What else a run ends meanwhile is not added: a stop takes two seconds at most."""
    asked = []
    monkeypatch.setattr(Detached, "join", lambda _self, seconds: asked.append(seconds))
    hands = Hands()
    source, _ = source_of(hands, [5])
    source.interrupt()
    hands.now += 0.75
    source.close()
    hands.now += 60
    source.close()
    assert asked == [CLOSE_SECONDS - 0.75, 0]


class NoPause(Backoff):
    def delay(self):
        return 0.0


def reconnect(times):
    """Connect so many times to a camera that ends after three pictures; (threads, files, bytes) before and after."""
    with mjpeg_camera(num_pictures=3) as camera:
        address = network_address(camera.url)
        interruption = Interruption()
        stream = NetworkStream(address, interruption=interruption, threads=2)
        source = ReconnectingSource(address.shown, stream.connect, interruption=interruption, backoff=NoPause())
        measured = []
        for frame in source:
            num_reconnects = sum(source.reconnects.values())
            if frame.cut and num_reconnects in (10, times):
                gc.collect()
                measured.append(usage())
            if num_reconnects >= times:
                break
        source.close()
    return measured


def usage():
    files = len(list(Path("/proc/self/fd").iterdir()))
    return threading.active_count(), files, psutil.Process(os.getpid()).memory_info().rss


def test_a_hundred_reconnects_leave_no_threads_and_files():
    before, after = reconnect(100)
    assert after[0] <= before[0] + 2  # the camera has a thread for each client
    assert after[1] <= before[1] + 2


@pytest.mark.full
def test_two_thousand_reconnects_leave_no_threads_files_and_memory():
    before, after = reconnect(2000)
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2
    assert after[2] <= before[2] + 20e6


def test_mjpeg_over_http_is_placed_by_arrival():
    with mjpeg_camera(num_pictures=None, size=(320, 240)) as camera:
        address = network_address(camera.url)
        interruption = Interruption()
        stream = NetworkStream(address, interruption=interruption, threads=2)
        with ReconnectingSource(address.shown, stream.connect, interruption=interruption) as source:
            frames = [frame for frame, _ in zip(source, range(30), strict=False)]
    assert frames[0].source.size == (320, 240) and frames[0].source.siting == (0.5, 0.5)
    for frame in frames:
        assert float(frame.seconds) == pytest.approx(frame.arrival_s - frames[0].arrival_s, abs=0.01)
    assert not source.losses
