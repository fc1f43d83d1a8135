"""Ctrl-C, SIGTERM and a reader that leaves: one line or none, the right exit code, no file left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest
import tiny_clips
from said import said

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """A clip that the slowest encoder preset needs minutes for."""
    return tiny_clips.write_clip(tmp_path_factory.mktemp("long") / "long.mp4", frames=1500, size=(320, 240))


def start(*words, **pipes):
    command = [sys.executable, "-m", "rotoscope", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **pipes)


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def parts(folder):
    return [item for item in folder.rglob(".*") if ".part-" in item.name]


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
@pytest.mark.parametrize("progress", ["none", "json"])
def test_a_signal_in_mid_video_leaves_nothing(number, word, progress, long_clip, identity, tmp_path):
    target = tmp_path / "out.mkv"
    process = start("translate", long_clip, target, "-m", identity, "-e", "preset=placebo", "--progress", progress)
    wait_for(lambda: parts(tmp_path))
    time.sleep(0.5)
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    lines = [line for line in said(err.decode()).splitlines() if not line.startswith("{")]
    assert lines == [f"rotoscope: {word}; no half-written file is left"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_writing_a_folder_leaves_nothing(number, long_clip, identity, tmp_path):
    process = start("translate", long_clip, tmp_path / "shots", "-m", identity)
    wait_for(lambda: any(tmp_path.glob(".shots.part-*/*.png")))
    process.send_signal(number)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_pipe_is_silent_still_ends_the_program(number, identity, tmp_path):
    source = tiny_clips.write_clip(
        tmp_path / "in.y4m", codec="rawvideo", muxer="yuv4mpegpipe", frames=40, options={}
    ).read_bytes()
    (tmp_path / "in.y4m").unlink()
    process = start("translate", "-", tmp_path / "out.mkv", "-m", identity, stdin=subprocess.PIPE)
    process.stdin.write(source)
    process.stdin.flush()  # and then nothing more, though the pipe stays open
    wait_for(lambda: parts(tmp_path))
    time.sleep(0.5)
    process.send_signal(number)
    try:
        assert process.wait(timeout=PATIENCE_SECONDS) == 130
    finally:
        process.kill()
        process.communicate()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_byte_ends_the_program(number, identity, tmp_path):
    process = start("translate", "-", tmp_path / "out.mkv", "-m", identity, stdin=subprocess.PIPE)
    time.sleep(1.5)  # nothing can be seen from outside while it waits
    process.send_signal(number)
    try:
        assert process.wait(timeout=PATIENCE_SECONDS) == 130
    finally:
        process.kill()
        process.communicate()


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
