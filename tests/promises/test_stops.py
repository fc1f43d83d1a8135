"""Clean stop: SIGINT and SIGTERM at any moment, start-up included, end with 130 and 143, one line, and nothing left."""

import os
import random
import signal
import subprocess
import sys

import pytest
import tiny_clips
from said import said

from promises.test_kills import frames_in, undisturbed
from promises.trials import IS_FULL, PATIENCE_SECONDS, Outcome, Server, figures, moments

FRAMES = 12
FORKED, STARTED = (150, 50) if IS_FULL else (30, 10)
LINES = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}

# Runs the program, and sends it a signal after so many seconds of computing: all imports come after this.
STARTS = """
import atexit, os, signal, sys
number, seconds = int(sys.argv[1]), float(sys.argv[2])
atexit.register(signal.signal, signal.SIGPROF, signal.SIG_IGN)  # the last of all: after it the timer itself would kill
signal.signal(signal.SIGPROF, lambda *_: os.kill(os.getpid(), number))
from rotoscope.__main__ import main
signal.setitimer(signal.ITIMER_PROF, seconds)
del sys.argv[1:3]
sys.exit(main())
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clips.write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", frames=FRAMES)


def check(outcome, number, folder, name):
    """A run that a signal ended says so and leaves nothing; one that was done before is complete and has code 0."""
    found = frames_in(folder / name)
    assert [item.name for item in folder.iterdir()] in ([], [name]), outcome
    if outcome.code == 0:
        assert found == FRAMES, outcome
        return False
    assert outcome.code == 128 + number, outcome
    assert found in (None, FRAMES), outcome
    lines = [line for line in said(outcome.err).splitlines() if line.startswith("rotoscope:")]
    assert lines == [f"rotoscope: {LINES[number]}; no half-written file is left"], outcome
    assert "Traceback" not in outcome.err and "Exception ignored" not in outcome.err, outcome
    return True


@pytest.mark.parametrize("number", LINES)
@pytest.mark.parametrize("name", ["out.mkv", "shots"])
def test_a_stopped_run_leaves_nothing(number, name, clip, identity, tmp_path):
    words = ["translate", clip, name, "-m", identity]
    count = FORKED // 4 + 1
    with Server() as server:
        whole = undisturbed(server, words, tmp_path / "whole")
        stopped, waits = 0, [0.0]
        for index, moment in enumerate(moments(random.Random(f"{number} {name}"), number, count, whole)):
            folder = tmp_path / str(index)
            folder.mkdir()
            outcome = server.run(words, folder, moment)
            stopped += check(outcome, number, folder, name)
            waits.append(outcome.wait or 0.0)
    figures(f"{name}, {number.name}: {count} trials, {stopped} stopped, the slowest after {max(waits):.1f} s")
    assert stopped >= count // 2


def start(words, folder, number, seconds):
    code = f"import signal; signal.signal({int(signal.SIGINT)}, signal.default_int_handler)\n{STARTS}"
    command = [sys.executable, "-c", code, str(int(number)), str(seconds), *map(str, words)]
    before = os.times()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Outcome(done.returncode, done.stderr, 0, used)


@pytest.mark.parametrize("number", LINES)
def test_a_run_that_is_stopped_while_it_starts_leaves_nothing(number, clip, identity, tmp_path):
    words = ["translate", clip, "out.mkv", "-m", identity]
    whole = start(words, tmp_path, number, 1000)
    assert whole.code == 0, whole.err
    (tmp_path / "out.mkv").unlink()
    choose = random.Random(number)
    for _ in range(STARTED // 2):
        folder = tmp_path / "stopped"
        folder.mkdir()
        outcome = start(words, folder, number, choose.uniform(0.001, whole.seconds))
        check(outcome, number, folder, "out.mkv")
        for item in folder.iterdir():
            item.unlink()
        folder.rmdir()


def test_a_signal_that_is_ignored_stays_ignored(clip, identity, tmp_path):
    """A shell starts jobs in the background with SIGINT ignored."""
    code = f"import signal; signal.signal({int(signal.SIGINT)}, signal.SIG_IGN)\n{STARTS}"
    command = [sys.executable, "-c", code, str(int(signal.SIGINT)), "0.3"]
    command += ["translate", str(clip), "out.mkv", "-m", str(identity)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0 and frames_in(tmp_path / "out.mkv") == FRAMES, done.stderr


@pytest.mark.parametrize("number", LINES)
@pytest.mark.parametrize(("words", "code"), [(["version"], 0), (["info", "no-such-file"], 3)])
def test_a_signal_while_python_ends_changes_no_exit_code(number, words, code):
    last = """
import builtins, os, sys
class Last:
    def __del__(self, kill=os.kill, me=os.getpid(), number=int(sys.argv[1])):
        kill(me, number)
builtins.last = Last()  # deleted when the interpreter is taken down
from rotoscope.__main__ import main
del sys.argv[1]
sys.exit(main())
"""
    command = [sys.executable, "-c", last, str(int(number)), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
