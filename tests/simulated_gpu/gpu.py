"""The device: queues of work, what may run next, waiting for it, and what a capture forbids."""

import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from simulated_gpu.counters import Counters
from simulated_gpu.memory import DeviceMemory
from simulated_gpu.schedulers import SCHEDULERS

RELAXED, THREAD_LOCAL, GLOBAL = 2, 1, 0  # the numbers of cudaStreamCaptureMode


class CUDARuntimeError(RuntimeError):
    """An error of the CUDA runtime; its text begins with the name that CUDA gives it."""


@dataclass
class Item:
    """One piece of work in a queue.

    order   in which the host enqueued it, over all queues
    action  what the device does; it holds addresses, not arrays: the device keeps nothing alive. None: it only waits
    after   (event, number of its record) that must have passed first
    """

    order: int
    what: str
    action: Callable[[], object] | None = None
    after: tuple[Any, int] | None = None
    is_mark: bool = False  # a record or a wait, which takes no time on a device


@dataclass
class Capture:
    """A capture that goes on: what was enqueued so far."""

    mode: int
    thread: int
    items: list[Item] = field(default_factory=list)
    error: str | None = None


@dataclass
class Queue:
    """The work of one stream. `blocking` streams wait for the legacy stream, and it waits for them."""

    key: int
    blocking: bool
    items: deque[Item] = field(default_factory=deque)
    capture: Capture | None = None


class Gpu:
    """The one simulated device of this process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.memory = DeviceMemory()
        self.generation = 0
        self.reset()

    def reset(self, seed: int = 0, scheduler: str = "priorities", eager: float = 0.0) -> None:
        """Begin with an idle device: no work, no allocations, counters at 0.

        scheduler  "uniform" or "priorities"
        eager      probability that a piece of work runs whenever the host enqueues one; 0: nothing runs until the host waits
        """
        with self.lock:
            self.generation += 1
            self.memory.scrub()
            self.counters = Counters()
            self._random = Random(seed)
            self._scheduler = SCHEDULERS[scheduler](self._random)
            self._eager = eager
            self.last_order = 0  # of the work that the host enqueued
            self._keys = itertools.count(0x1000, 0x10)
            self.legacy = Queue(0, blocking=True)
            self.queues = {0: self.legacy}

    def new_queue(self, *, blocking: bool) -> Queue:
        """Make the queue of a new stream."""
        with self.lock:
            queue = Queue(next(self._keys), blocking)
            self.queues[queue.key] = queue
            return queue

    # Enqueue

    def submit(self, queue: Queue, what: str, action: Callable[[], object]) -> None:
        """Enqueue work; into the graph if the stream is captured."""
        with self.lock:
            if queue.capture is not None:
                queue.capture.items.append(Item(0, what, action))
                return
            self._refuse_legacy(queue, what)
            self._append(queue, Item(self._next_order(), what, action))

    def submit_behind(self, queue: Queue, order: int, what: str, action: Callable[[], object]) -> None:
        """Let work run as soon as a stream has done what it was given up to `order`: now, if it has. No graph holds it."""
        with self.lock:
            before = sum(item.order <= order for item in queue.items)
            if before:
                queue.items.insert(before, Item(order, what, action))
            else:
                with self.memory.opened():
                    action()

    def submit_mark(
        self, queue: Queue, what: str, *, action: Callable[[], object] | None = None, after: Any = None
    ) -> int:
        """Enqueue a record or a wait; return its order."""
        with self.lock:
            self._refuse_legacy(queue, what)
            item = Item(self._next_order(), what, action, after, is_mark=True)
            self._append(queue, item)
            return item.order

    def _next_order(self) -> int:
        self.last_order += 1
        return self.last_order

    def _append(self, queue: Queue, item: Item) -> None:
        queue.items.append(item)
        if self._eager and self._random.random() < self._eager:
            self.step()

    # Run

    def step(self) -> bool:
        """Run one piece of work of a stream that may go on; return False if there is none."""
        with self.lock:
            ready = [key for key, queue in self.queues.items() if queue.items and self._may_run(queue)]
            if not ready:
                return False
            item = self.queues[self._scheduler.choose(ready)].items.popleft()
            if item.is_mark:
                if item.action is not None:
                    item.action()
            else:
                assert item.action is not None
                with self.memory.opened():
                    item.action()
            return True

    def wait_until(self, reached: Callable[[], bool], what: str, *, is_old: bool = False) -> None:
        """Let the device work until a condition holds: the host waits."""
        with self.lock:
            self.refuse_in_capture(what)
            self.counters.waits += 1
            self.counters.old_event_waits += is_old
            while not reached():
                if not self.step():
                    raise AssertionError(
                        f"{what}: the device has nothing to do, and what is waited for has not happened"
                    )

    def wait_for_all(self, what: str = "cudaDeviceSynchronize") -> None:
        """Wait until all queues are empty."""
        self.wait_until(lambda: not any(queue.items for queue in self.queues.values()), what)

    def has_later_work(self, order: int) -> bool:
        """Whether a queue holds work that the host enqueued after a piece of work."""
        with self.lock:
            return any(
                item.order > order and not item.is_mark for queue in self.queues.values() for item in queue.items
            )

    def _may_run(self, queue: Queue) -> bool:
        item = queue.items[0]
        if item.after is not None and item.after[0].passed < item.after[1]:
            return False
        if queue is self.legacy:
            others = (other for other in self.queues.values() if other is not queue and other.blocking)
            return all(not other.items or other.items[0].order > item.order for other in others)
        return not (queue.blocking and self.legacy.items and self.legacy.items[0].order < item.order)

    # Capture

    def refuse_in_capture(self, what: str) -> None:
        """Raise the error that CUDA gives for calls that a capture does not allow, and end the capture by it.

        They are those of the thread that captures, and with the mode "global" those of every thread.
        """
        with self.lock:
            thread = threading.get_ident()
            for queue in self.queues.values():
                capture = queue.capture
                if capture is not None and (capture.thread == thread or capture.mode == GLOBAL):
                    capture.error = f"cudaErrorStreamCaptureUnsupported: {what} while a stream is captured"
                    raise CUDARuntimeError(capture.error)

    def _refuse_legacy(self, queue: Queue, what: str) -> None:
        """Raise the error for work on the legacy stream while a stream that joins with it, or this thread, captures."""
        if queue is not self.legacy:
            return
        for other in self.queues.values():
            capture = other.capture
            if capture is not None and (other.blocking or capture.thread == threading.get_ident()):
                capture.error = (
                    f"cudaErrorStreamCaptureImplicit: {what} on the legacy stream while a stream is captured"
                )
                raise CUDARuntimeError(capture.error)


gpu = Gpu()
