"""The program of a worker: `python -m rotoscope.jobs.workers.worker OUT` does the jobs that it reads, one after the other.

It ends when its standard input does, that is when its driver has no more jobs, or has died. What it works on is given up then,
so that nothing half-written is left, and the next batch begins it again.
"""

import io
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from rotoscope.base.signals import Interrupts, Terminated

if TYPE_CHECKING:
    from rotoscope.runtime.pipeline.job import Progress

PROGRESS_SECONDS = 0.3  # between two reports
GIVE_UP_SECONDS = 20.0  # that clean-up may take after the driver has died


def main() -> int:
    """Do the jobs of standard input until it ends; return the exit code."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to the log
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the driver
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("rotoscope").setLevel(logging.INFO)
    stop = Interrupts()
    try:
        with stop:
            _work(sys.argv[1], replies)
    except KeyboardInterrupt:
        return 128 + (stop.number or signal.SIGTERM)
    return 0


def _work(out: str, replies: io.TextIOBase) -> None:
    tasks: queue.Queue[dict[str, Any] | None] = queue.Queue()
    is_busy = threading.Event()
    threading.Thread(target=_read, args=(tasks, is_busy), name="rotoscope-tasks", daemon=True).start()
    from rotoscope.jobs.workers.chains import Chains
    from rotoscope.jobs.workers.task import Task
    from rotoscope.jobs.workers.work import do

    def reply(event: str, **content: Any) -> None:
        try:
            replies.write(json.dumps({"event": event, **content}) + "\n")
        except OSError:  # the driver has died
            raise Terminated from None

    last = 0.0

    def report(progress: "Progress") -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            reply("progress", frames=progress.done, total=progress.total, seconds=progress.seconds)

    chains = Chains()
    reply("ready")
    while (content := tasks.get()) is not None:
        is_busy.set()
        task = Task.from_json(content)
        _share_cores(task.threads)
        outcome = do(
            task, out, chains, on_start=lambda record: reply("started", record=record.to_json()), on_progress=report
        )
        is_busy.clear()
        reply("ended", outcome=outcome.to_json())


def _read(tasks: "queue.Queue[dict[str, Any] | None]", is_busy: threading.Event) -> None:
    """Read tasks until the driver ends; then end the job in work, at the latest after GIVE_UP_SECONDS the process."""
    for line in sys.stdin:
        tasks.put(json.loads(line))
    tasks.put(None)
    timer = threading.Timer(GIVE_UP_SECONDS, os._exit, (1,))
    timer.daemon = True
    timer.start()
    if is_busy.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def _share_cores(threads: int | None) -> None:
    """Let OpenCV use as many threads as the job may; its number is one for the whole process, which is a worker's own."""
    if threads is not None:
        import cv2

        cv2.setNumThreads(threads)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a thread may wait for standard input, in the middle of which Python cannot end
