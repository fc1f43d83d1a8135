"""Chains through which a live run is measured; each also has a reference beside it, the same way without the run.

A chain is a context manager that starts everything and yields (run, readings of the run's output, readings of the reference).
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeVar

from rotoscope.base.errors import OutputFailed
from rotoscope.base.live import LiveSink, LiveSource, LiveStatus
from rotoscope.base.sizes import Size
from rotoscope.runtime.live.open_live_sink import open_live_sink
from rotoscope.runtime.live.open_live_source import open_live_source
from rotoscope.runtime.pipeline.live_run import PAGE, LiveRun
from rotoscope.scenarios.readings import Readings
from rotoscope.scenarios.rig_camera import RigCamera
from rotoscope.scenarios.rig_sinks import ReadingSink
from rotoscope.scenarios.rig_threads import format_of, publishing, reading
from rotoscope.scenarios.rtmp_server import free_port, rtmp_server

T = TypeVar("T")
ChainName = Literal["memory", "udp", "rtmp", "page"]
START_SECONDS = 300  # until a run must be ready and its frames arrive; a busy machine compiles kernels for minutes

Start = Callable[[str | LiveSource, str | LiveSink], LiveRun]
"""Starts a live run from a source to an output."""

Chain = tuple[LiveRun, Readings, Readings]


@dataclass(frozen=True)
class Rig:
    """The stream that is sent: pictures of a size at a rate, with a click once a second or without sound."""

    size: Size
    rate: Fraction
    has_sound: bool = True

    def camera(self) -> RigCamera:
        """A camera; each sends frames from number 0 on."""
        return RigCamera(self.size, self.rate, has_sound=self.has_sound)


@contextmanager
def memory_chain(rig: Rig, start: Start) -> Iterator[Chain]:
    """Camera -> run -> reader; the reference is another camera that is read directly."""
    camera, other = rig.camera(), rig.camera()
    readings, reference = Readings(camera), Readings(other)
    with start(camera, ReadingSink(readings)) as run:
        _wait_for_output(run)
        with reading(other, reference):
            yield run, readings, reference


@contextmanager
def udp_chain(rig: Rig, start: Start) -> Iterator[Chain]:
    """Camera -> MPEG-TS over UDP -> run -> UDP -> reader; for the reference, the camera sends to a second address too."""
    into, out, beside = (f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}" for _ in range(3))
    camera = rig.camera()
    readings, reference = Readings(camera), Readings(camera)
    with ExitStack() as stack:
        sinks = [open_live_sink(address, format_of(camera)) for address in (into, beside)]
        stack.enter_context(publishing(camera, *sinks))
        run = stack.enter_context(start(into, out))
        _wait_for_output(run)
        stack.enter_context(reading(open_live_source(beside), reference))
        stack.enter_context(reading(open_live_source(out), readings))
        yield run, readings, reference


@contextmanager
def rtmp_chain(rig: Rig, start: Start) -> Iterator[Chain]:
    """Camera -> nginx -> run -> nginx -> reader, all RTMP; the reference is what the run reads, read beside it."""
    camera = rig.camera()
    readings, reference = Readings(camera), Readings(camera)
    with ExitStack() as stack:
        address = stack.enter_context(rtmp_server())
        into, out = f"{address}/in", f"{address}/out"
        stack.enter_context(publishing(camera, open_live_sink(into, format_of(camera))))
        run = stack.enter_context(start(into, out))
        _wait_for_output(run)
        stack.enter_context(reading(open_live_source(into), reference))
        stack.enter_context(reading(open_live_source(out), readings))
        yield run, readings, reference


@contextmanager
def page_chain(rig: Rig, start: Start) -> Iterator[Chain]:
    """Camera -> run -> web page -> reader of its MJPEG stream; the reference is a second page that shows a camera."""
    from rotoscope.runtime.live.page.page_sink import PageSink
    from rotoscope.runtime.live.page.server import PageServer

    camera, other = rig.camera(), rig.camera()
    readings, reference = Readings(camera), Readings(other)
    with ExitStack() as stack:
        run = stack.enter_context(start(camera, PAGE))
        _wait_for_output(run)
        (page,) = run.status().outputs
        plain = PageSink()
        second = stack.enter_context(PageServer(run, plain, port=0))
        stack.enter_context(publishing(other, plain))
        wait_for(lambda: plain.num_frames, run, "a picture on the second page")
        for url, seen in ((second.url, reference), (page.name.removeprefix("page "), readings)):
            stack.enter_context(reading(open_live_source(f"{url}/stream.mjpg"), seen))
        yield run, readings, reference


CHAINS: dict[ChainName, Callable[[Rig, Start], AbstractContextManager[Chain]]] = {
    "memory": memory_chain,
    "udp": udp_chain,
    "rtmp": rtmp_chain,
    "page": page_chain,
}


def wait_for(found: Callable[[], T | None], run: LiveRun, what: str) -> T:
    """Ask again and again until something is found; raise the error of the run, or OutputFailed after START_SECONDS."""
    end = time.monotonic() + START_SECONDS
    while not (value := found()):
        if run.wait(0.02) is not None or time.monotonic() > end:
            raise OutputFailed(f"{what} did not come: {_state_of(run.status())}")
    return value


def _wait_for_output(run: LiveRun) -> None:
    """Wait until frames are written to the output: before, a reader would only wait and connect again."""
    wait_for(lambda: any(output.frames for output in run.status().outputs), run, "the first frame of the run")


def _state_of(status: LiveStatus) -> str:
    outputs = ", ".join(f"{output.name} {output.state}" for output in status.outputs)
    return f"source {status.source} {status.source_state}, {status.frames_in} frames in; outputs: {outputs or 'none'}"
