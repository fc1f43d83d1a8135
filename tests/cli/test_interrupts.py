"""Ctrl-C, SIGTERM and a reader that leaves: one line or none, the right exit code, no half-written file left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
import tiny_clips
import tiny_models
from said import said

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

PATIENCE_SECONDS = 240  # for hangs; a busy machine needs most of a minute to start


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """A clip that the slowest encoder preset needs minutes for."""
    return tiny_clips.write_clip(tmp_path_factory.mktemp("long") / "long.mp4", frames=1500, size=(320, 240))


def start(*words, **pipes):
    command = [sys.executable, "-m", "rotoscope", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **pipes)


@contextmanager
def running(*words, **pipes):
    """A program that is killed, and whose pipes are closed, when the block ends."""
    with start(*words, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def handles_signals(process):
    """Whether the program has installed its SIGTERM handler, which it does before anything else."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))


def frames_done(process, at_least):
    """Read progress lines until so many frames are done."""
    for line in process.stderr:
        if line.startswith(b"{") and json.loads(line)["done"] >= at_least:
            return
    raise AssertionError("the program ended before")


def num_frames(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def parts(folder):
    return [item for item in folder.rglob(".*") if ".part-" in item.name]


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
@pytest.mark.parametrize("progress", ["none", "json"])
def test_a_signal_in_mid_video_leaves_nothing(number, word, progress, long_clip, identity, tmp_path):
    target = tmp_path / "out.mkv"
    process = start("translate", long_clip, target, "-m", identity, "-e", "preset=placebo", "--progress", progress)
    wait_for(lambda: parts(tmp_path))
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 128 + number
    lines = [line for line in said(err.decode()).splitlines() if not line.startswith("{")]
    assert lines == [f"rotoscope: {word}; no half-written file is left"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_writing_a_folder_leaves_nothing(number, long_clip, identity, tmp_path):
    process = start("translate", long_clip, tmp_path / "shots", "-m", identity)
    wait_for(lambda: any(tmp_path.glob(".shots.part-*/*.png")))
    process.send_signal(number)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def y4m(tmp_path):
    """40 frames of y4m."""
    path = tiny_clips.write_clip(tmp_path / "in.y4m", codec="rawvideo", muxer="yuv4mpegpipe", frames=40, options={})
    content = path.read_bytes()
    path.unlink()
    return content


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("target", ["out.mkv", "out.mp4", "shots"])
def test_a_stopped_pipe_finishes_what_was_recorded(number, code, target, y4m, identity, tmp_path):
    words = ["translate", "-", tmp_path / target, "-m", identity, "--progress", "json", "--steady", "off"]
    with running(*words, stdin=subprocess.PIPE) as process:
        process.stdin.write(y4m)
        process.stdin.flush()  # and then nothing more, though the pipe stays open
        frames_done(process, 1)
        process.send_signal(number)
        said_then = process.stderr.read().decode()
        assert process.wait(PATIENCE_SECONDS) == code
    assert f"stopped by {signal.Signals(number).name}; the result is complete up to here" in said_then
    assert [item.name for item in tmp_path.iterdir()] == [target]
    path = tmp_path / target
    written = len(list(path.iterdir())) if path.is_dir() else num_frames(path)
    assert 1 <= written <= 40 and f"{written}/{written} frames" in said_then


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("option", ["--mask", "--instances"])
def test_a_companion_on_a_silent_pipe_does_not_keep_the_program(number, option, y4m, tmp_path):
    """The source is a file, so nothing is kept; the pipe is the mask or the instance map."""
    clip = tiny_clips.write_clip(tmp_path / "clip.mp4", frames=30)
    model = tiny_models.with_companion(tmp_path / "model.onnx", option.removeprefix("--"))
    if option == "--instances":
        path = tiny_clips.write_clip(
            tmp_path / "map.y4m", codec="rawvideo", muxer="yuv4mpegpipe", pixel_format="gray", frames=40, options={}
        )
        y4m = path.read_bytes()
        path.unlink()
    before = sorted(tmp_path.iterdir())
    words = ["translate", clip, tmp_path / "out.mkv", "-m", model, f"{option}=-"]
    with running(*words, stdin=subprocess.PIPE) as process:
        process.stdin.write(y4m[: len(y4m) // 2])
        process.stdin.flush()
        wait_for(lambda: parts(tmp_path) or process.poll() is not None)
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 128 + number, process.stderr.read()
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_signal_before_the_first_byte_ends_the_program(number, identity, tmp_path):
    words = ["translate", "-", tmp_path / "out.mkv", "-m", identity]
    with running(*words, stdin=subprocess.PIPE) as process:
        wait_for(lambda: handles_signals(process))
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_gives_up():
    """The first Ctrl-C ends the stream; a second one, while the file is being finished, leaves nothing."""
    from rotoscope.runtime.pipeline.stopping import stop_on_signals

    interrupted = []
    with pytest.raises(KeyboardInterrupt), stop_on_signals(lambda: interrupted.append(True)) as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.number == signal.SIGINT and interrupted == [True]
        signal.raise_signal(signal.SIGINT)


def test_handlers_are_given_back_and_other_threads_left_alone():
    from rotoscope.runtime.pipeline.stopping import stop_on_signals

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stop_on_signals(lambda: None):
        assert signal.getsignal(signal.SIGTERM) != before[1]
    with stop_on_signals(lambda: None, enabled=False):
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    entered = []

    def elsewhere():
        with stop_on_signals(lambda: None):
            entered.append(signal.getsignal(signal.SIGTERM) == before[1])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert entered == [True]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_reader_that_leaves_ends_the_program_quietly(long_clip, identity):
    with start("translate", long_clip, "-", "-m", identity, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(9) == b"YUV4MPEG2"
        process.stdout.close()
        assert said(process.stderr.read().decode()) == ""
    assert process.returncode == 141


def test_a_reader_of_info_that_leaves_is_no_error(identity):
    read, write = os.pipe()
    os.close(read)
    with start("info", identity, stdout=write) as process:
        os.close(write)
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_thread_that_still_works_is_left_behind_at_the_end():
    program = """
import atexit, sys, threading
import rotoscope.__main__ as program, rotoscope.cli

def run():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    print("the end", flush=False)
    return 7

rotoscope.cli.main = run
atexit.register(print, "Python's own end, which would abort native code in the thread")
sys.exit(program.main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "the end\n", "")
