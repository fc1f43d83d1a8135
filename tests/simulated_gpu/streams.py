"""Stream and Event as CuPy has them, and the current stream of each thread."""

import threading

from simulated_gpu.gpu import RELAXED, Capture, CUDARuntimeError, Queue, gpu
from simulated_gpu.graph import Graph

_current = threading.local()


class Event:
    """A point in a stream. A second record replaces the first."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        if interprocess and not disable_timing:
            raise ValueError("Timing must be disabled for interprocess events")
        self.has_timing = not disable_timing
        self.recorded = self.passed = 0  # numbers of records
        self.order = 0
        self.capture: Capture | None = None
        self.ptr = id(self)

    @property
    def done(self) -> bool:
        """Whether the last record has passed; the device goes on by one piece of work, so that a loop of queries ends."""
        gpu.refuse_in_capture("cudaEventQuery")
        if self.passed < self.recorded:
            gpu.step()
        return self.passed >= self.recorded

    def record(self, stream: "Stream | None" = None) -> None:
        """Record on a stream; on the current one if none is given."""
        queue = (stream or get_current_stream()).queue
        if queue.capture is not None:
            self.capture = queue.capture
            return
        self.capture = None
        self.recorded += 1
        number = self.recorded

        def pass_it() -> None:
            self.passed = max(self.passed, number)

        self.order = gpu.submit_mark(queue, "cudaEventRecord", action=pass_it)

    def synchronize(self) -> None:
        """Wait for the last record."""
        if self.capture is not None:
            raise CUDARuntimeError("cudaErrorCapturedEvent: the event was recorded in a capture")
        wanted = self.recorded
        is_old = self.passed >= wanted or gpu.has_later_work(self.order)
        gpu.wait_until(lambda: self.passed >= wanted, "cudaEventSynchronize", is_old=is_old)


class Stream:
    """A stream. `non_blocking` streams do not wait for the legacy stream, and it does not wait for them."""

    null: "Stream"  # the legacy stream

    def __init__(
        self,
        null: bool = False,
        non_blocking: bool = False,
        ptds: bool = False,
        priority: int | None = None,
        *,
        queue: Queue | None = None,
    ) -> None:
        assert not ptds, "per-thread default streams are not simulated"
        self._queue = queue
        self._is_null = null
        if queue is None and not null:
            self._queue = gpu.new_queue(blocking=not non_blocking)
        self.device_id = 0

    @property
    def queue(self) -> Queue:
        """The work of this stream. The legacy stream outlives a reset of the device."""
        return gpu.legacy if self._is_null or self._queue is None else self._queue

    @property
    def ptr(self) -> int:
        """The address of the stream: 0 for the legacy stream."""
        return self.queue.key

    def __enter__(self) -> "Stream":
        _stack().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack().pop()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.ptr == self.ptr

    def __hash__(self) -> int:
        return self.ptr

    def __repr__(self) -> str:
        return f"<Stream {self.ptr} (device 0)>"

    def use(self) -> "Stream":
        """Make this the current stream of the thread."""
        _stack()[-1:] = [self]
        return self

    @property
    def done(self) -> bool:
        """Whether the queue is empty; the device goes on by one piece of work, so that a loop of queries ends."""
        gpu.refuse_in_capture("cudaStreamQuery")
        if self.queue.items:
            gpu.step()
        return not self.queue.items

    def synchronize(self) -> None:
        """Wait until the queue is empty."""
        queue = self.queue
        if queue is gpu.legacy:  # waits for all streams that join with it
            queues = [other for other in gpu.queues.values() if other.blocking]
            gpu.wait_until(
                lambda: not any(other.items for other in queues), "cudaStreamSynchronize of the legacy stream"
            )
        else:
            gpu.wait_until(lambda: not queue.items, "cudaStreamSynchronize")

    def record(self, event: Event | None = None) -> Event:
        """Record an event, a new one if none is given, and return it."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let later work of this stream run after the last record of an event."""
        mine, queue = event.capture, self.queue
        if mine is not queue.capture:
            capture = queue.capture or mine
            assert capture is not None
            capture.error = (
                "cudaErrorStreamCaptureIsolation: a wait joins a captured stream with another; the simulated device captures "
                "one stream at a time"
            )
            raise CUDARuntimeError(capture.error)
        if mine is None and event.recorded:
            gpu.submit_mark(queue, "cudaStreamWaitEvent", after=(event, event.recorded))

    def begin_capture(self, mode: int | None = None) -> None:
        """Begin to record what is enqueued, instead of running it."""
        queue = self.queue
        if queue is gpu.legacy:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if queue.capture is not None:
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is captured already")
        queue.capture = Capture(RELAXED if mode is None else mode, threading.get_ident())

    def end_capture(self) -> Graph:
        """End the capture and return what was enqueued; raise the error of the capture if it had one."""
        capture, self.queue.capture = self.queue.capture, None
        if capture is None:
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is not captured")
        if capture.error is not None:
            raise CUDARuntimeError(f"cudaErrorStreamCaptureInvalidated: {capture.error}")
        gpu.counters.captures += 1
        return Graph(capture.items)

    def is_capturing(self) -> bool:
        """Whether the stream is captured."""
        return self.queue.capture is not None


class ExternalStream(Stream):
    """A stream that another library made, by its address."""

    def __init__(self, ptr: int, device_id: int = -1) -> None:
        super().__init__(queue=queue_at(ptr))


def queue_at(ptr: int) -> Queue:
    """Return the queue of the stream with this address; raise CUDARuntimeError if there is none."""
    if ptr in (0, 1):  # both stand for the legacy stream
        return gpu.legacy
    if ptr not in gpu.queues:
        raise CUDARuntimeError(f"cudaErrorInvalidResourceHandle: no stream has the address {ptr:#x}")
    return gpu.queues[ptr]


def get_current_stream(device_id: int = -1) -> Stream:
    """Return the current stream of this thread; the legacy stream unless it entered another."""
    return _stack()[-1]


def get_elapsed_time(start: Event, end: Event) -> float:
    """Return the milliseconds between two events that have passed: one microsecond for each piece of work enqueued between."""
    if not (start.has_timing and end.has_timing and start.recorded and end.recorded):
        raise CUDARuntimeError("cudaErrorInvalidResourceHandle: events without timing, or never recorded")
    if start.passed < start.recorded or end.passed < end.recorded:
        raise CUDARuntimeError("cudaErrorNotReady: an event has not passed")
    return max(end.order - start.order, 0) * 1e-3


def _stack() -> list[Stream]:
    if not hasattr(_current, "stack"):
        _current.stack = [Stream.null]
    return _current.stack


Stream.null = Stream(null=True)


def forget_current() -> None:
    """Make the legacy stream current in this thread."""
    _current.stack = [Stream.null]
