"""Sources on this machine: the demo clip as a camera, generated frames, a y4m pipe; and threads that can be left behind."""

import itertools
import os
import subprocess
import sys
import threading
from fractions import Fraction as F

import av
import numpy as np
import pytest
import tiny_clips
from reading import PATIENCE, check_times, reading
from servers import ROOT, silent_server

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.live import Sound
from rotoscope.demo.cached_clip import cached_clip
from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.open_live_source import open_live_source
from rotoscope.runtime.live.sources.detached import Detached
from rotoscope.runtime.live.sources.file_camera import file_camera
from rotoscope.runtime.live.sources.live_clock import LiveClock
from rotoscope.runtime.live.sources.piped_source import PipedSource
from rotoscope.runtime.live.sources.sound import KEPT_SECONDS, SoundQueue, SoundTrack
from rotoscope.runtime.live.sources.synthetic_camera import SyntheticCamera


class Hands(Interruption):
    """Time that passes only while someone waits."""

    def __init__(self):
        super().__init__()
        self.now, self.delays = 100.0, []

    def clock(self):
        return self.now

    def wait(self, seconds):
        self.delays.append(seconds)
        self.now += seconds
        return self.is_set()


def test_the_synthetic_camera_delivers_every_frame_at_its_time():
    hands = Hands()
    camera = SyntheticCamera((64, 64), F(25), 100, wait=hands.wait, clock=hands.clock)
    assert camera.state == "connecting"
    frames = list(camera)
    assert camera.state == "ended"
    assert [frame.arrival_s for frame in frames] == pytest.approx([100 + n / 25 for n in range(100)])
    assert [frame.seconds for frame in frames] == [F(n, 25) for n in range(100)]
    assert camera.info.average_rate == 25 and camera.is_endless
    assert not camera.losses and not camera.reconnects and camera.take_sound() == []


def test_interrupt_ends_the_wait_of_the_synthetic_camera():
    source = open_live_source("synthetic:64x64@1/100")
    with reading(source) as found:
        found.wait_for(lambda: found.frames)
        assert found.stop() < 2
    assert len(found.frames) == 1 and source.state == "ended"


def test_a_clip_is_played_at_its_pace_again_and_again(tmp_path):
    clip = tiny_clips.write_clip(tmp_path / "clip.mkv", frames=10, sound=True)
    hands = Hands()
    source = file_camera("demo:", lambda: clip, with_sound=True, threads=1, interruption=hands, clock=hands.clock)
    frames = list(itertools.islice(source, 25))
    source.close()
    assert [frame.index for frame in frames if frame.cut] == [10, 20]
    check_times([(frame.index, frame.seconds) for frame in frames])
    steps = np.diff([frame.arrival_s for frame in frames])
    assert np.delete(steps, [9, 19]) == pytest.approx(0.04, abs=0.001)
    sound = source.take_sound()
    assert sound and sound[0].samples.shape[1] == 2
    ends = [piece.seconds + F(len(piece.samples), 48000) for piece in sound]
    assert all(piece.seconds >= end for end, piece in zip(ends, sound[1:], strict=False))
    assert not source.reconnects and not source.losses


def test_a_clip_turned_by_its_display_matrix_comes_upright(tmp_path):
    clip = tmp_path / "turned.mp4"
    tiny_clips.write_clip(clip, prepare=lambda _container, stream: stream.set_display_rotation(90))
    source = file_camera("demo:", lambda: clip, with_sound=False, threads=1)
    with source:
        frame = next(iter(source))
    assert frame.source.size == (48, 64)
    assert (source.info.width, source.info.height) == (48, 64)


def test_a_clip_that_cannot_be_made_or_read_ends_the_source(tmp_path):
    def no_room():
        raise UsageError("no room")

    with pytest.raises(UsageError, match="no room"):
        list(open_live_source("demo:", demo_clip=no_room))
    with pytest.raises(InputRefused, match="no such file"):
        list(open_live_source("demo:", demo_clip=lambda: tmp_path / "none.mp4"))
    with pytest.raises(UsageError, match="demo: needs a clip"):
        open_live_source("demo:")


def test_the_demo_clip_is_made_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []

    def make(path):
        made.append(path)
        tiny_clips.write_clip(path, frames=2)

    monkeypatch.setattr("rotoscope.demo.cached_clip.make_clip", make)
    assert cached_clip() == cached_clip()
    assert len(made) == 1 and cached_clip().parent.name == "clips"


def y4m(num_frames):
    head = b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420mpeg2\n"
    return head + b"".join(b"FRAME\n" + bytes([16 + n]) * (64 * 48 * 3 // 2) for n in range(num_frames))


def pipe_of(monkeypatch):
    """A source that reads a pipe in place of standard input; (source, descriptor to write to)."""
    reading_end, writing_end = os.pipe()
    file = os.fdopen(reading_end)
    monkeypatch.setattr(sys, "stdin", file)
    return PipedSource(), writing_end, file


def test_a_pipe_is_delivered_as_it_comes_and_ends(monkeypatch):
    source, descriptor, file = pipe_of(monkeypatch)
    with file, reading(source) as found:
        with pytest.raises(UsageError, match="known after the first frame"):
            _ = source.info
        assert source.state == "connecting"
        data = y4m(5)
        with os.fdopen(descriptor, "wb") as writer:
            writer.write(data)
        found.join()
    check_times(found.frames)
    assert len(found.frames) == 5 and found.error is None
    assert source.state == "ended" and source.info.width == 64
    assert all(frame[3] is not None for frame in found.frames)


def test_interrupt_ends_the_wait_for_a_pipe(monkeypatch):
    source, descriptor, file = pipe_of(monkeypatch)
    with file, os.fdopen(descriptor, "wb") as writer, reading(source) as found:
        writer.write(y4m(3))
        writer.flush()
        found.wait_for(lambda: source.state == "silent", "silence")
        assert found.stop() < 2
    assert found.error is None


def test_a_pipe_of_something_else_is_refused(monkeypatch):
    source, descriptor, file = pipe_of(monkeypatch)
    with file:
        with os.fdopen(descriptor, "wb") as writer:
            writer.write(b"not a video" * 100)
        with pytest.raises(InputRefused, match="not a y4m stream"):
            list(source)
        source.close()


def test_a_thread_that_hangs_is_left_behind_and_ends_by_itself():
    hang, has_closed, interruption = threading.Event(), threading.Event(), Interruption()

    def items():
        try:
            yield 1
            hang.wait(PATIENCE)
            yield 2
        finally:
            has_closed.set()

    detached = Detached(items(), interruption)
    iterator = iter(detached)
    assert next(iterator) == 1
    interruption.set()
    assert list(iterator) == [] and list(detached) == []
    assert not detached.join(0) and not has_closed.is_set()
    hang.set()
    assert detached.join(PATIENCE) and has_closed.is_set()


def test_a_detached_generator_is_one_item_ahead():
    begun = []

    def items():
        for n in range(100):
            begun.append(n)
            yield n

    interruption = Interruption()
    detached = Detached(items(), interruption)
    taken = list(itertools.islice(detached, 10))
    assert taken == list(range(10)) and len(begun) <= 13
    interruption.set()
    assert detached.join(PATIENCE)


STOPPED_WHILE_CONNECTING = """
import sys, threading
from rotoscope.runtime.live.open_live_source import open_live_source
source = open_live_source(sys.argv[1])
threading.Timer(0.5, source.interrupt).start()
assert list(source) == []
source.close()
"""


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp"])
def test_a_process_ends_well_while_a_thread_still_connects(scheme):
    """The thread that hangs in FFmpeg does not disturb the end of the interpreter."""
    with silent_server() as port:
        done = subprocess.run(
            [sys.executable, "-c", STOPPED_WHILE_CONNECTING, f"{scheme}://127.0.0.1:{port}/a/b"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_sound_is_kept_for_a_few_seconds():
    queue = SoundQueue()
    for n in range(100):
        queue.put(Sound(F(n, 10), np.zeros((4800, 2), np.float32)))
    taken = queue.take()
    assert [piece.seconds for piece in taken] == [F(n, 10) for n in range(99 - KEPT_SECONDS * 10, 100)]
    assert queue.take() == []


def test_sound_that_overlaps_the_piece_before_is_cut():
    queue = SoundQueue()
    for at, length in ((F(0), 4800), (F(1, 20), 4800), (F(0), 480), (F(1), 480)):
        queue.put(Sound(at, np.full((length, 2), float(at), np.float32)))
    assert [(piece.seconds, len(piece.samples)) for piece in queue.take()] == [
        (F(0), 4800),
        (F(1, 10), 2400),
        (F(1), 480),
    ]


def packets_of(samples, rate, *, times, time_base):
    """Packets of PCM with these times, one for each piece of samples, as a demuxer would give them."""
    coder = av.CodecContext.create("pcm_f32le", "r")
    coder.sample_rate, coder.layout = rate, "mono"
    for piece, at in zip(samples, times, strict=True):
        packet = av.Packet(piece.astype(np.float32).tobytes())
        packet.pts, packet.time_base = at, time_base
        yield FakePacket(coder, packet)


class FakePacket:
    def __init__(self, coder, packet):
        self._coder, self._packet = coder, packet

    def decode(self):
        frames = self._coder.decode(self._packet)
        for frame in frames:
            frame.pts, frame.time_base = self._packet.pts, self._packet.time_base
        return frames


def test_sound_follows_without_the_gaps_of_rounded_times_and_keeps_true_ones():
    clock, queue = LiveClock(), SoundQueue()
    track = SoundTrack(queue, clock)
    times = [round(n * 1024 / 44.1) for n in range(20)]
    times[10:] = [time + 500 for time in times[10:]]  # half a second is missing
    tone = np.sin(np.arange(1024 * 20) / 9).reshape(20, 1024)
    for packet in packets_of(tone, 44100, times=times, time_base=F(1, 1000)):
        track.received(packet)
    assert queue.take() == []  # no picture has come yet
    clock.frame(F(0), 5.0)
    track.begin(F(0))
    pieces = queue.take()
    ends = [piece.seconds + F(len(piece.samples), 48000) for piece in pieces]
    gaps = [float(piece.seconds - end) for end, piece in zip(ends, pieces[1:], strict=False)]
    assert sorted(gaps)[-1] == pytest.approx(0.5, abs=0.01)
    assert sorted(gaps)[:-1] == [0] * (len(gaps) - 1)
    assert pieces[0].seconds == pytest.approx(0, abs=0.001)
    assert all(piece.samples.dtype == np.float32 for piece in pieces)
    assert np.abs(np.concatenate([piece.samples for piece in pieces])).max() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("jump", [1000, -1000])
def test_sound_of_a_clock_that_jumped_is_left_out_until_a_picture_has_it_too(jump):
    clock, queue = LiveClock(), SoundQueue()
    track = SoundTrack(queue, clock)
    clock.frame(F(2000), 5.0)
    track.begin(F(0))
    pieces = np.ones((4, 4800))
    for at, packet in enumerate(packets_of(pieces, 48000, times=[20000, 20001, 20002, 20003], time_base=F(1, 10))):
        if at == 2:
            packet._packet.pts += 10 * jump  # comes before the first picture of the new clock
        if at == 3:
            packet._packet.pts += 10 * jump
            clock.frame(F(2000 + jump) + F(1, 5), 5.2)
        track.received(packet)
    assert [round(float(piece.seconds), 3) for piece in queue.take()] == [0, 0.1, 0.3]


def test_sound_before_the_first_picture_is_left_out():
    clock, queue = LiveClock(), SoundQueue()
    track = SoundTrack(queue, clock)
    for packet in packets_of(np.ones((30, 480)), 48000, times=range(30), time_base=F(1, 100)):
        track.received(packet)
    clock.frame(F(1, 10), 5.0)
    track.begin(F(0))
    seconds = [piece.seconds for piece in queue.take()]
    assert min(seconds) >= 0 and max(seconds) == pytest.approx(0.19, abs=0.011)
