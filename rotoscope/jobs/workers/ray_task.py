"""What a Ray task of a batch does, on a node of the cluster: it hands one job to a worker process beside it.

The process is that of a local batch, so a job is done by the same code. It stays for the next task of the same Ray worker, with
its models open, and ends with that worker, however it ends, because its standard input ends then.
"""

import os
import queue
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rotoscope.base.errors import OutputFailed
from rotoscope.base.version import VERSION
from rotoscope.jobs.workers.task import Task
from rotoscope.jobs.workers.worker_process import Message, WorkerProcess

TICK_SECONDS = 0.2  # longest time until an interruption is seen
IDLE_SECONDS = 20.0  # after which a process without a task ends, since it holds memory


class Warm:
    """The process that this Ray worker keeps between tasks; it ends after IDLE_SECONDS without one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._process: WorkerProcess | None = None
        self._made_for: tuple[str | None, ...] = ()
        self._messages: queue.Queue[Message] = queue.Queue()

    def take(self, out: str, folder: str) -> tuple[WorkerProcess, "queue.Queue[Message]"]:
        """The process for a folder of results and the cards that Ray has given this task; a new one if there is none."""
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            process, self._process = self._process, None
        made_for = (out, folder, os.environ.get("CUDA_VISIBLE_DEVICES"))
        if process is not None and made_for != self._made_for:
            process.wait()
            process = None
        if process is None:
            self._made_for, self._messages = made_for, queue.Queue()
            here = folder if Path(folder).is_dir() else None
            process = WorkerProcess(1, out, self._messages, Path(tempfile.gettempdir()), folder=here)
        return process, self._messages

    def put_back(self, process: WorkerProcess) -> None:
        """Keep a process that waits for the next task."""
        with self._lock:
            self._process = process
        self._timer = threading.Timer(IDLE_SECONDS, self._end)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.wait()


WARM = Warm()


def run_task(content: dict[str, Any], out: str, folder: str, of_driver: str) -> Iterator[dict[str, Any]]:
    """Do one task; yields what the worker process says about it, at last an event "ended", "gone" or "unusable".

    content    of a Task
    folder     current folder of the driver; used if it is there on this node
    of_driver  version of Rotoscope of the driver, which must be that of this node
    """
    if of_driver != VERSION:
        here = f"{os.uname().nodename} has Rotoscope {VERSION}, the driver {of_driver}"
        yield {"event": "unusable", "why": f"{here}; accepted: the same version on all nodes"}
        return
    yield {"event": "running"}
    try:
        process, messages = WARM.take(out, folder)
    except OutputFailed as error:
        yield {"event": "gone", "why": str(error)}
        return
    process.give(Task.from_json(content))
    is_free = False
    try:
        while not is_free:
            message = None
            with suppress(queue.Empty):  # an interruption arrives between two statements
                message = messages.get(timeout=TICK_SECONDS)
            if message is None or message.event == "ready":
                continue
            is_free = message.event == "ended"
            yield {"event": message.event, **message.content}
            if message.event == "gone":
                return
    finally:
        if is_free:
            WARM.put_back(process)
        else:
            process.wait()
