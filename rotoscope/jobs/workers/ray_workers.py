"""Workers on a Ray cluster: each gives its jobs to Ray core tasks, one at a time."""

import logging
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rotoscope.base.errors import UsageError
from rotoscope.base.extras import needs_extra
from rotoscope.base.signals import STOPPING
from rotoscope.base.telemetry import without_telemetry
from rotoscope.base.text import one_line
from rotoscope.base.version import VERSION
from rotoscope.jobs.workers.cards import jobs_on, memory_gib
from rotoscope.jobs.workers.ray_task import run_task
from rotoscope.jobs.workers.task import Task
from rotoscope.jobs.workers.worker_process import END_SECONDS, Message

log = logging.getLogger("rotoscope")

EXTRA = "batch"
PREFIX = "ray:"
AUTO = "AUTO"  # the cluster of RAY_ADDRESS, or the one of this machine
USUAL_THREADS = 8  # of a job; one translation uses no more well
CONNECT_SECONDS = 10.0
LOOK_SECONDS = 10.0  # between two looks at how large the cluster is
QUEUED = 2  # tasks for each place: Ray then gives the next one to a process that is warm


@dataclass(frozen=True)
class Node:
    """What a living node of the cluster has."""

    id: str
    cpus: int
    gpus: float


class RayWorkers:
    """The workers of a cluster; their number follows its size.

    threads  cores of each job
    gpus     share of a card for each job; 0: none
    number   of workers at most; None: QUEUED for each job for which the cluster has room
    """

    def __init__(self, threads: int, gpus: float, number: int | None) -> None:
        ray = import_ray()

        self.threads, self._gpus, self._most = threads, gpus, number
        # A job that fails or dies with its worker is tried again by the driver, which counts how often.
        options: dict[str, Any] = {"num_cpus": threads, "num_gpus": gpus, "max_retries": 0, "max_calls": 0}
        self._task = ray.remote(**options)(run_task)
        self._number, self._looked_at = 0, -LOOK_SECONDS

    @property
    def number(self) -> int:
        """Workers that should be there now."""
        if self._most is not None:
            return self._most
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._number = QUEUED * max(1, places(living_nodes(), self.threads, self._gpus))
        return self._number

    def start(self, number: int, out: str, messages: "queue.Queue[Message]") -> "RayWorker":
        """Make a worker, counted from 1."""
        where = out if "://" in out else str(Path(out).resolve())
        mine = (where, str(Path.cwd()), VERSION)
        return RayWorker(number, lambda task: self._task.remote(task.to_json(), *mine), messages)

    def close(self) -> None:
        """Leave the cluster, which ends what is left of the tasks."""
        ray = import_ray()

        ray.shutdown()


class RayWorker:
    """One place for tasks on the cluster.

    submit  starts a Ray task and returns the references of what it yields
    """

    def __init__(self, number: int, submit: Callable[[Task], Any], messages: "queue.Queue[Message]") -> None:
        self.number, self._submit, self._messages = number, submit, messages
        self.is_running = False
        self._replies: Any = None
        self._listening: threading.Thread | None = None
        messages.put(Message(self, "ready", {}))

    def give(self, task: Task) -> None:
        """Give it a task; if its process or node has ended, a message says so."""
        self._replies = self._submit(task)
        self._listening = threading.Thread(target=self._listen, name=f"rotoscope-ray-{self.number}", daemon=True)
        self._listening.start()

    def end(self) -> None:
        """Give up what it works on."""
        ray = import_ray()

        if self._replies is not None:
            with suppress(ray.exceptions.RayError, ValueError):
                ray.cancel(self._replies)

    def wait(self) -> None:
        """Wait until its task has ended, at most END_SECONDS."""
        self.end()
        if self._listening is not None:
            self._listening.join(END_SECONDS)

    def _listen(self) -> None:
        ray = import_ray()

        is_done = False
        try:
            for reference in self._replies:
                content = ray.get(reference)
                event = content.pop("event")
                self.is_running = event not in ("ended", "gone", "unusable")
                is_done = is_done or not self.is_running
                if event != "running":
                    self._messages.put(Message(self, event, content))
        except Exception as error:  # of Ray; some of its errors are no RayError
            self.is_running = False
            if not is_done:
                is_lost = isinstance(error, ray.exceptions.NodeDiedError)
                why = f"the Ray task ended: {one_line(str(error) or type(error).__name__)[:300]}"
                self._messages.put(Message(self, "lost" if is_lost else "gone", {"why": why}))


def check_ray(where: str) -> None:
    """Raise UsageError if `--on ray:ADDRESS` has no address that Ray could have, or Ray is not installed."""
    address = where.removeprefix(PREFIX)
    host, _, port = address.rpartition(":")
    if address != AUTO and ("/" in address or not host or not port.isdecimal()):
        raise UsageError(f"--on {where}; accepted: ray:{AUTO}, ray:HOST:PORT of the head node, local")
    with needs_extra(EXTRA):
        if find_spec("ray") is None:
            raise ModuleNotFoundError(name="ray")


def import_ray() -> Any:
    """Ray, which does not report its use unless the user's environment asks for it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it when it is imported
    with without_telemetry():
        import ray
    return ray


def connect(where: str) -> None:
    """Join the cluster of `--on ray:ADDRESS`, which `check_ray` has accepted; raises UsageError if there is none."""
    ray = import_ray()

    address = where.removeprefix(PREFIX)
    if address != AUTO:
        _check_answers(where, address)
    is_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in STOPPING} if is_main else {}
    try:
        ray.init(
            address="auto" if address == AUTO else address,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UsageError(f"--on {where}: no Ray cluster there ({one_line(str(error))[:200]})") from error
    finally:
        for number, handler in handlers.items():  # Ray sets its own
            signal.signal(number, handler)


def living_nodes() -> list[Node]:
    """The nodes of the cluster that live."""
    ray = import_ray()

    found = []
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            found.append(Node(node["NodeID"], int(has.get("CPU", 0)), float(has.get("GPU", 0))))
    return found


def places(nodes: Sequence[Node], threads: int, gpus: float) -> int:
    """For how many jobs at once the nodes have room."""
    rooms = [(node.cpus // threads, int(node.gpus / gpus + 1e-6) if gpus else node.cpus) for node in nodes]
    return sum(min(room) for room in rooms)


def ray_workers(number: int | None, threads: int | None, *, on_gpu: bool, job_gib: float | None) -> RayWorkers:
    """The workers of the cluster that was joined.

    threads  cores of each job; None: USUAL_THREADS, or as many as the largest node has
    job_gib  memory of a card that a job takes; None: a whole card
    """
    nodes = living_nodes()
    gpus = 1.0 if on_gpu else 0.0
    if on_gpu and job_gib is not None:
        gpus = 1 / jobs_on(_memory_of_cards(nodes), job_gib)
    largest = max((node.cpus for node in nodes), default=0)
    cores = threads or min(USUAL_THREADS, largest or USUAL_THREADS)
    if not places(nodes, cores, gpus):
        share = f" and {gpus:g} of a GPU" if gpus else ""
        log.warning("no node of the cluster has %d cores%s for a job now; jobs wait until one has", cores, share)
    return RayWorkers(cores, gpus, number)


def _memory_of_cards(nodes: Sequence[Node]) -> list[float]:
    """Memory in GiB of the cards of all nodes that have some."""
    ray = import_ray()
    with without_telemetry():
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0)(memory_gib)
    there = [NodeAffinitySchedulingStrategy(node.id, soft=False) for node in nodes if node.gpus]
    found: list[list[float]] = ray.get([ask.options(scheduling_strategy=on).remote() for on in there])
    return [gib for cards in found for gib in cards]


def _check_answers(where: str, address: str) -> None:
    """Raise UsageError if nothing listens at HOST:PORT: Ray itself tries for a minute."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"--on {where}: no Ray cluster there ({error})") from error
