"""Run the command line many times in processes that are killed or signalled at chosen moments.

As a program (`python trials.py`), this is a server: it has imported everything and loaded all compiled kernels, and forks a
process for each trial that it reads from standard input, one JSON line each. So a trial costs a tenth of a second, not four.

A moment is either a number of events (a file is opened, renamed, linked, locked or deleted; a frame is written) or a number of
seconds that the process has computed. Neither depends on how busy the machine is.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

EVENTS = {
    "open",
    "os.rename",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.listdir",
    "os.scandir",
    "fcntl.flock",
}
PATIENCE_SECONDS = 240  # for a process that hangs

IS_FULL = os.environ.get("ROTOSCOPE_PROMISES") == "full"


@dataclass(frozen=True)
class Moment:
    """When a signal is sent: at the event of this number, or after so many seconds of computing."""

    number: int
    event: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    code     negative if a signal killed the process
    events   that were counted, 0 if the process did not say
    seconds  that the process computed
    wait     seconds from the signal to the end of the process; None without a signal, and for SIGKILL
    """

    code: int
    err: str
    events: int
    seconds: float
    wait: float | None = None


class Server:
    """The server of trials, for a `with` block."""

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()

    def run(self, words, folder, moment=None):
        """Run one command line in a folder."""
        when = None if moment is None else [moment.number, moment.event, moment.seconds]
        request = {"words": [str(word) for word in words], "folder": str(folder), "when": when}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


def figures(text):
    """Print a line for the table of docs/reliability.md; pytest shows it with -s."""
    sys.stdout.write(f"\n{text}\n")


def moments(random, number, count, whole):
    """Choose moments of an undisturbed run, half of them by events, half by computing time; more of the later ones.

    The first half of a run opens the model: there is nothing yet that could be left.
    """
    for index in range(count):
        share = random.random() ** 0.5
        if index % 2:
            yield Moment(number, event=1 + int(share * whole.events))
        else:
            yield Moment(number, seconds=0.001 + share * whole.seconds)


def arm(number, event, seconds, count, report):
    """Arrange for a signal to this process, whose time goes to `report`; `count` has the number of events so far."""

    def send(*_):
        os.write(report, f"{time.monotonic()}\n".encode())
        os.kill(os.getpid(), number)

    if seconds is not None:
        if (
            number != signal.SIGKILL
        ):  # without a handler SIGPROF kills as SIGKILL does: at once, with nothing cleaned up
            signal.signal(signal.SIGPROF, send)
        signal.setitimer(signal.ITIMER_PROF, seconds)

    def happened():
        count[0] += 1
        if count[0] == event:
            send()

    def hook(name, _arguments):
        if name in EVENTS:
            happened()

    sys.addaudithook(hook)
    return happened


def _counted(write, happened):
    def counted(*arguments):
        happened()
        write(*arguments)
        happened()

    return counted


def _run(request, report):
    """The process of a trial."""
    from rotoscope.__main__ import Ending
    from rotoscope.cli import main
    from rotoscope.runtime.media.picture_sink import PictureSink
    from rotoscope.runtime.media.video_sink import VideoSink

    # A job of a shell's background is started with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    count = [0]
    happened = arm(*(request["when"] or (0, None, None)), count, report)
    for kind in (PictureSink, VideoSink):
        kind.write = _counted(kind.write, happened)
    ending = Ending()
    ending.code = main(request["words"])
    sys.stderr.flush()
    used = os.times()
    os.write(report, f"done {count[0]} {used.user + used.system}\n".encode())
    os._exit(ending.code)


def _serve():
    for name in ("onnx", "rotoscope.cli", "rotoscope.runtime.engines.onnxruntime", "rotoscope.runtime.pipeline.job"):
        importlib.import_module(name)
    from rotoscope.kernels.rows import SERIAL
    from rotoscope.kernels.warm import warm

    with SERIAL.active():
        for _ in warm():
            pass
    for line in sys.stdin:
        request = json.loads(line)
        said, told = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(said[1], 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            try:
                _run(request, told[1])
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(99)  # no trial ends like this
        os.close(said[1]), os.close(told[1])
        with os.fdopen(said[0]) as err, os.fdopen(told[0]) as report:
            text, lines = err.read(), report.read().splitlines()
        _, status, usage = os.wait4(child, 0)
        ended = time.monotonic()
        outcome = {"code": os.waitstatus_to_exitcode(status), "err": text, "events": 0}
        outcome["seconds"] = usage.ru_utime + usage.ru_stime
        for told_line in lines:
            if told_line.startswith("done"):
                outcome["events"], outcome["seconds"] = int(told_line.split()[1]), float(told_line.split()[2])
            else:
                outcome["wait"] = ended - float(told_line)
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    _serve()
