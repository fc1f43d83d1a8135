"""Every source keeps the same contract: read once, ended from any thread, closed while another thread reads."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from fractions import Fraction

import cv2
import numpy as np
import pytest
import tiny_clips

import rotoscope
from rotoscope.runtime.media import video_source
from rotoscope.runtime.media.frame_code import FrameCode, read_code
from rotoscope.runtime.media.open_source import open_source
from rotoscope.runtime.media.standard_input import StandardInput
from rotoscope.runtime.media.video_source import VideoSource

NUM_FRAMES = 8
PATIENCE_SECONDS = 60


def folder_of_pictures(folder, count=NUM_FRAMES):
    folder.mkdir()
    for index in range(count):
        cv2.imwrite(str(folder / f"shot.{1001 + index}.png"), tiny_clips.pattern(index)[..., ::-1])
    return folder


@pytest.fixture(params=["video", "pictures", "synthetic"])
def source(request, tmp_path):
    text = {
        "video": lambda: tiny_clips.write_clip(tmp_path / "clip.mp4", frames=NUM_FRAMES),
        "pictures": lambda: folder_of_pictures(tmp_path / "shots"),
        "synthetic": lambda: f"synthetic:64x64@25:{NUM_FRAMES}",
    }[request.param]()
    with open_source(str(text)) as opened:
        yield opened


def test_a_source_is_read_once(source):
    first = next(iter(source))
    assert [first.index, *(frame.index for frame in source)] == list(range(NUM_FRAMES))
    assert list(source) == []
    assert list(source) == []


def test_a_loop_that_was_left_goes_on_where_it_stopped(source):
    for frame in source:
        if frame.index == 2:
            break
    assert next(iter(source)).index == 3


def test_an_interrupted_file_ends_without_an_error(source):
    frames = iter(source)
    next(frames)
    source.interrupt()
    assert list(frames) == []
    assert (source.losses, source.is_endless) == ({}, False)


def test_a_closed_source_says_so_and_may_be_closed_again(source):
    """As an open file does: what ends early must not look complete."""
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    for again in (frames, source):
        with pytest.raises(rotoscope.UsageError, match="the source is closed"):
            list(again)


@contextmanager
def pipe_as_standard_input(monkeypatch):
    """Standard input is a pipe; gives its writing end."""
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(read, "rb"))
    with os.fdopen(write, "wb", buffering=0) as writer:
        yield writer
    sys.stdin.close()


def y4m(tmp_path, frames=NUM_FRAMES):
    path = tiny_clips.write_clip(tmp_path / "in.y4m", codec="rawvideo", muxer="yuv4mpegpipe", frames=frames, options={})
    return path.read_bytes()


class Reading:
    """A thread that reads a source to its end; `arrived` counts its frames."""

    def __init__(self, source):
        self.frames, self.error, self.arrived = [], None, threading.Semaphore(0)
        self.thread = threading.Thread(target=self._read, args=(source,), daemon=True)
        self.thread.start()

    def _read(self, source):
        try:
            for frame in source:
                self.frames.append(frame)
                self.arrived.release()
        except BaseException as error:
            self.error = error

    def wait_for(self, count):
        for _ in range(count):
            assert self.arrived.acquire(timeout=PATIENCE_SECONDS)

    def join(self):
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()
        assert self.error is None


def test_an_interrupted_pipe_delivers_what_was_received(tmp_path, monkeypatch):
    stream = y4m(tmp_path)
    with pipe_as_standard_input(monkeypatch) as writer:
        # The last frame is cut in half: it is neither delivered nor counted as damage.
        threading.Thread(target=writer.write, args=(stream[:-1000],), daemon=True).start()
        source = open_source("-")
        assert source.is_endless
        reading = Reading(source)
        reading.wait_for(NUM_FRAMES - 2)  # FFmpeg hands out a frame when the next one has begun
        source.interrupt()
        reading.join()
        assert NUM_FRAMES - 2 <= len(reading.frames) <= NUM_FRAMES - 1
        assert source.losses == {}
        source.close()


def test_closing_a_pipe_ends_the_read_of_another_thread(tmp_path, monkeypatch):
    """Main closes the source while a thread sits in a read of a silent pipe."""
    with pipe_as_standard_input(monkeypatch) as writer:
        threading.Thread(target=writer.write, args=(y4m(tmp_path),), daemon=True).start()
        source = open_source("-")
        reading = Reading(source)
        reading.wait_for(NUM_FRAMES - 1)
        source.close()
        reading.join()
        assert list(source) == []


def test_a_read_that_does_not_return_is_left_to_its_thread(tmp_path, monkeypatch):
    """`close` waits a bounded time; the reading thread then releases the decoder."""
    monkeypatch.setattr(video_source, "CLOSE_SECONDS", 0.05)
    stuck, go = threading.Event(), threading.Event()
    stream = y4m(tmp_path)

    class Stubborn(StandardInput):
        """Delivers all bytes but the last ones, then waits for `go`, whatever `interrupt` says."""

        def __init__(self):
            super().__init__()
            self.rest = stream[:-1000]

        def read(self, size):
            if self.rest:
                data, self.rest = self.rest[:size], self.rest[size:]
                return data
            stuck.set()
            assert go.wait(PATIENCE_SECONDS)
            return b""

    with pipe_as_standard_input(monkeypatch):
        pipe = Stubborn()
        source = VideoSource("standard input", pipe.opened(), pipe=pipe)
        released = threading.Event()
        source._closing.callback(released.set)
        reading = Reading(source)
        assert stuck.wait(PATIENCE_SECONDS)
        source.close()
        assert not released.is_set()
        go.set()
        reading.join()
        assert released.is_set()


def test_a_signal_handler_may_interrupt_the_thread_that_reads():
    code = (
        "import signal, sys, rotoscope\n"
        "source = rotoscope.read('-')\n"
        "signal.signal(signal.SIGTERM, lambda *_: source.interrupt())\n"
        "frames = iter(source)\n"
        "next(frames)\n"
        "print('reading', flush=True)\n"
        "print(1 + len(list(frames)), dict(source.losses))"
    )
    frame = b"FRAME\n" + bytes(64 * 48 * 3 // 2)
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdin.write(b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\n" + frame * 20)
        process.stdin.flush()
        assert process.stdout.readline() == b"reading\n"
        process.terminate()
        count, losses = process.stdout.readline().split(b" ", 1)
        assert int(count) <= 20
        assert losses == b"{}\n"
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.communicate()


# Image sequences


def damage(path):
    path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize("damaged", [0, 2, NUM_FRAMES - 1])
def test_a_damaged_picture_is_a_counted_loss_wherever_it_stands(damaged, tmp_path):
    folder = folder_of_pictures(tmp_path / "shots")
    damage(folder / f"shot.{1001 + damaged}.png")
    with rotoscope.read(folder) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == [index for index in range(NUM_FRAMES) if index != damaged]
    assert [frame.pts for frame in frames] == [frame.index for frame in frames]
    assert source.losses == {"pictures that could not be decoded": 1}


def test_a_folder_without_one_good_picture_is_refused(tmp_path):
    folder = folder_of_pictures(tmp_path / "shots", 3)
    for path in folder.iterdir():
        damage(path)
    with pytest.raises(rotoscope.InputRefused, match=r"none of 3 pictures can be decoded; first: .*shot.1001.png"):
        rotoscope.read(folder)


def test_a_picture_that_is_a_video_is_a_counted_loss(tmp_path):
    folder = folder_of_pictures(tmp_path / "shots", 3)
    tiny_clips.write_clip(tmp_path / "clip.mp4").rename(folder / "shot.1002.png")
    with rotoscope.read(folder) as source:
        assert [frame.index for frame in source] == [0, 2]
    assert source.losses == {"pictures that could not be decoded": 1}
    assert any("shot.1002.png: a video of several frames" in note for note in source.notes)


@pytest.mark.parametrize("text", ["*.mp4", "clip_%02d.mp4", ""])
def test_videos_are_not_the_pictures_of_a_sequence(text, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for index in range(2):
        tiny_clips.write_clip(folder / f"clip_{index:02d}.mp4")
    with pytest.raises(
        rotoscope.InputRefused, match=r"2 videos, not the pictures of one sequence.*rotoscope batch"
    ) as error:
        rotoscope.read(folder / text)
    assert "\n" not in str(error.value)


def test_a_glob_of_pictures_and_a_video_is_refused(tmp_path):
    folder = folder_of_pictures(tmp_path / "shots", 2)
    tiny_clips.write_clip(folder / "shot.mp4")
    with pytest.raises(rotoscope.InputRefused, match="a video, not the pictures of one sequence"):
        rotoscope.read(folder / "shot.*")


def test_a_folder_of_pictures_and_other_files_says_what_is_ignored(tmp_path):
    folder = folder_of_pictures(tmp_path / "shots", 2)
    tiny_clips.write_clip(folder / "making_of.mp4")
    (folder / "notes.txt").write_text("hello")
    with rotoscope.read(folder) as source:
        assert len(list(source)) == 2
    assert source.notes == ["2 files of the folder ignored: making_of.mp4, notes.txt"]


# Generated frames


def test_the_number_of_a_synthetic_frame_can_be_read_again():
    with open_source("synthetic:640x360@30000/1001:5") as source:
        frames = list(source)
    assert [read_code(frame.source.planes[0]) for frame in frames] == [FrameCode(number) for number in range(5)]
    assert frames[3].seconds == Fraction(3003, 30000)
    assert (frames[0].source.planes[1].shape, source.info.num_frames_from_header) == ((180, 320), 5)
    assert np.abs(frames[0].source.planes[0].astype(int) - frames[1].source.planes[0]).mean() > 1  # it moves


def test_a_synthetic_part_shows_the_frames_of_the_whole():
    with open_source("synthetic:64x64@10:20") as whole:
        expected = list(whole)[5:8]
    with open_source("synthetic:64x64@10:20", start=Fraction(1, 2), duration=Fraction(3, 10)) as part:
        found = list(part)
    assert [frame.seconds for frame in found] == [frame.seconds for frame in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.source.planes[0], other.source.planes[0])


def test_an_endless_synthetic_source_waits_for_its_clock():
    from rotoscope.runtime.media.synthetic import SyntheticSource

    times = []
    source = SyntheticSource((64, 64), Fraction(20), wait_until=times.append)
    assert source.is_endless
    frames = iter(source)
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    assert times == [0, 0.05, 0.1]
    source.interrupt()
    assert list(frames) == []


@pytest.mark.parametrize("text", [
    "synthetic:", "synthetic:640", "synthetic:640x360@", "synthetic:640x360@0", "synthetic:640x360@30:0", "synthetic:8x8",
    "synthetic:640x360@30/0", "synthetic:99999x99999",
])  # fmt: skip
def test_a_wrong_synthetic_source_says_what_is_accepted(text):
    with pytest.raises(rotoscope.UsageError, match=r"accepted|frames per second"):
        open_source(text)
