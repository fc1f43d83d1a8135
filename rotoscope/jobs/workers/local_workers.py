"""Workers that are processes of this machine."""

import queue
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rotoscope.jobs.listing.job import own_folder
from rotoscope.jobs.workers.worker_process import Message, WorkerProcess


@dataclass(frozen=True, kw_only=True)
class LocalWorkers:
    """Processes of this machine.

    number  how many
    threads  cores of each; None: all
    cards   of GPUs, as CUDA_VISIBLE_DEVICES names them, given out in turn; none: workers see all
    """

    number: int = 1
    threads: int | None = None
    cards: tuple[str, ...] = ()

    def start(self, number: int, out: str, messages: "queue.Queue[Message]") -> WorkerProcess:
        """Start a worker, counted from 1; raises OutputFailed."""
        return WorkerProcess(number, out, messages, log_folder(out), self.card_of(number))

    def card_of(self, number: int) -> str | None:
        """The card of a worker, counted from 1."""
        return self.cards[(number - 1) % len(self.cards)] if self.cards else None

    def close(self) -> None:
        """Nothing is left when the workers have ended."""


def log_folder(out: str) -> Path:
    """Where the logs of workers are: below the folder of results, or in the folder for temporary files."""
    return Path(tempfile.gettempdir()) if "://" in out else own_folder(Path(out), "logs")
