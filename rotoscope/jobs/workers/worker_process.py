"""A worker as its driver sees it: started, given tasks, heard, ended."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rotoscope.base.errors import OutputFailed
from rotoscope.base.text import one_line
from rotoscope.jobs.workers.task import Task

WORKER = "rotoscope.jobs.workers.worker"
END_SECONDS = 30.0  # that a worker may take to end after its input has ended; more than its own limit


class Worker(Protocol):
    """What does the jobs of a driver, one at a time; its messages go to a queue that all workers share.

    number      of the worker, from 1
    is_running  whether it does something now; one that waits for a place in a cluster does not
    """

    number: int
    is_running: bool

    def give(self, task: Task) -> None:
        """Give it a task; if it has ended, a message says so."""

    def end(self) -> None:
        """Let it end: at once if it waits; what it works on is given up."""

    def wait(self) -> None:
        """End it, and wait until it has ended."""


@dataclass(frozen=True)
class Message:
    """What a worker said, or that it has ended.

    event  "ready", "started", "progress", "ended"; "gone": it has ended, `why` in one line; "lost": it has ended with its
           machine, which is not the fault of its job; "unusable": no job can be done, `why` in one line
    """

    worker: Worker
    event: str
    content: dict[str, Any]


class WorkerProcess:
    """One process.

    out     folder of results, or address of an object store
    logs    folder for its log, which is deleted if the process ends as it should
    card    of a GPU that it alone sees, as CUDA_VISIBLE_DEVICES names it; None: all
    folder  current folder of the process, from which names of sources count; None: that of this process
    """

    is_running = True

    def __init__(
        self,
        number: int,
        out: str,
        messages: "queue.Queue[Message]",
        logs: Path,
        card: str | None = None,
        folder: str | None = None,
    ) -> None:
        self.number, self.card, self._messages = number, card, messages
        self.log = logs / f"worker-{os.getpid()}-{number}.log"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
        if card is not None:
            environment["CUDA_VISIBLE_DEVICES"] = card
        try:
            logs.mkdir(parents=True, exist_ok=True)
            self.log.unlink(missing_ok=True)  # of an earlier process with this number, or a link
            with self.log.open("xb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", WORKER, out],  # -P: no modules of the current folder
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, cwd=folder,
                    start_new_session=True,  # Ctrl-C in a terminal is for the driver, which ends its workers
                )  # fmt: skip
        except OSError as error:
            raise OutputFailed(f"no worker can be started: {error.strerror or error}") from error
        self._listening = threading.Thread(target=self._listen, name=f"rotoscope-worker-{number}", daemon=True)
        self._listening.start()

    def give(self, task: Task) -> None:
        """Give it a task; if it has ended, a message says so."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(task.to_json()).encode() + b"\n")
            self._process.stdin.flush()

    def end(self) -> None:
        """Let it end: at once if it waits; what it works on is given up."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def wait(self) -> None:
        """Wait until it has ended; kill it if it does not within END_SECONDS."""
        self.end()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listening.join()
        with suppress(OSError):
            if self._process.returncode in (0, 128 + signal.SIGTERM):  # it has ended as it should
                self.log.unlink()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with suppress(ValueError):  # half a line of a killed process
                    content = json.loads(line)
                    self._messages.put(Message(self, content.pop("event"), content))
        self._messages.put(Message(self, "gone", {"why": self._why_gone(self._process.wait())}))

    def _why_gone(self, code: int) -> str:
        """What ended it, in one line: a signal or an exit code, and the last line of its log."""
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        hint = " (out of memory?)" if code == -9 else ""
        with suppress(OSError):
            lines = self.log.read_text(errors="replace").strip().splitlines()
            if lines:
                hint += f"; {self.log.name}: {one_line(lines[-1])[:200]}"
        return f"the worker process ended: {how}{hint}"
