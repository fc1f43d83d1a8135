"""A live run that goes on for long: many frames, many reconnects, an hour; nothing grows. The long forms are marked `full`:

pytest -m full --log-cli-level=INFO tests/live/test_soak.py      # two to three hours; prints threads, files and memory
"""

import asyncio
import gc
import logging
import os
import threading
from collections import Counter
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import psutil
import pytest
import websockets
from mjpeg_camera import mjpeg_camera
from servers import fault_proxy, published, rtmp_server, wait_until

import rotoscope
from rotoscope.runtime.live.backoff import Backoff
from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.sources.network_addresses import network_address
from rotoscope.runtime.live.sources.network_source import NetworkStream
from rotoscope.runtime.live.sources.reconnecting import ReconnectingSource
from rotoscope.runtime.media.frame_code import read_code
from rotoscope.scenarios.inverting_network import inverting_model
from rotoscope.scenarios.rig_camera import RigCamera

log = logging.getLogger(__name__)

LONG_S = 600
MOST_GROWTH_MB = 40
NO_FLICKER = {"steady": "off", "threads": 1}


def usage():
    """Threads, open files and resident memory in MB of this process."""
    gc.collect()
    files = len(list(Path("/proc/self/fd").iterdir()))
    return threading.active_count(), files, psutil.Process(os.getpid()).memory_info().rss / 1e6


def check_growth(before, after):
    log.info("threads, files, MB: %s, then %s", before, after)
    assert after[0] <= before[0] + 2 and after[1] <= before[1] + 2, f"threads, files, MB: {before} to {after}"
    assert after[2] <= before[2] + MOST_GROWTH_MB


class CountingSink:
    """Counts what it gets, and calls `on_frame` with each frame."""

    name, keeps_every_frame, state, reconnects, reason = "counting", True, "open", 0, ""

    def __init__(self, on_frame):
        self.num_frames, self.notes, self.kept, self.losses = 0, [], [], Counter()
        self._on_frame = on_frame

    def write(self, frame):
        self._on_frame(frame)
        self.num_frames += 1

    def write_sound(self, sound):
        pass

    def interrupt(self):
        pass

    def finish(self):
        pass

    abort = finish


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize(
    "num_frames", [2000, pytest.param(100_000, marks=pytest.mark.full), pytest.param(1_000_000, marks=pytest.mark.full)]
)
def test_frames(num_frames, tmp_path):
    """Every frame comes out, in order, inverted by the network. The camera's clock goes on when it waits: it is never late."""
    measured, wrong, now = [], [], [0.0]

    def wait(seconds):
        now[0] += seconds
        return False

    def check(frame):
        code = read_code(frame.result.planes[0])
        if code is None or code.number != frame.index or not code.is_inverted:
            wrong.append((frame.index, code))
        if frame.index in (1000, num_frames - 1):
            measured.append(usage())

    camera = RigCamera((64, 64), Fraction(30), num_frames, has_sound=False, wait=wait, clock=lambda: now[0])
    sink = CountingSink(check)
    with rotoscope.live(camera, sink, model=inverting_model(tmp_path, 0), policy="every", **NO_FLICKER) as run:
        report = run.wait(4 * 3600)
    assert not wrong
    assert (report.frames_in, report.frames_out, report.dropped, report.losses) == (num_frames, num_frames, 0, {})
    check_growth(*measured)


class NoPause(Backoff):
    def delay(self):
        return 0.0


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("times", [40, pytest.param(2000, marks=pytest.mark.full)])
def test_reconnects(times, identity):
    """A camera ends after three pictures, again and again: the run goes on, and its counts add up."""
    enough, measured = threading.Event(), []

    def watch(_frame):
        num_reconnects = sum(source.reconnects.values())
        if len(measured) < (num_reconnects >= 10) + (num_reconnects >= times):
            measured.append(usage())
        if num_reconnects >= times:
            enough.set()

    with mjpeg_camera(num_pictures=3) as camera:
        address, interruption = network_address(camera.url), Interruption()
        stream = NetworkStream(address, interruption=interruption, threads=1)
        source = ReconnectingSource(address.shown, stream.connect, interruption=interruption, backoff=NoPause())
        with rotoscope.live(source, CountingSink(watch), model=identity, **NO_FLICKER) as run:
            assert enough.wait(3600)
            run.stop()
            report = run.wait(LONG_S)
    assert sum(report.reconnects.values()) >= times
    assert report.frames_in == report.frames_out + report.dropped + sum(report.losses.values())
    check_growth(*measured)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("times", [100])
def test_reconnects_of_source_output_and_viewer(times, identity, tmp_path):
    """A server that is read and written to, and a viewer of the page, are cut again and again: the run goes on as before."""
    measured, watched = [], []

    async def watch(address):
        """See a picture as a new viewer."""
        async with websockets.connect(address, max_size=None) as viewer:
            watched.append(await asyncio.wait_for(viewer.recv(), LONG_S))

    with ExitStack() as stack:
        server = stack.enter_context(rtmp_server(tmp_path))
        stack.enter_context(published(server.rtmp("in"), "flv", size=(64, 64), gop=15, sound=False))
        proxies = [stack.enter_context(fault_proxy(server.rtmp_port)) for _ in range(2)]
        source, output = (
            f"rtmp://127.0.0.1:{proxy.port}/live/{name}" for proxy, name in zip(proxies, ("in", "out"), strict=True)
        )
        run = stack.enter_context(rotoscope.live(source, output, "page:", model=identity, port=0, **NO_FLICKER))
        assert run.wait_until_ready(LONG_S)

        def sent():
            return next(each for each in run.status().outputs if each.name.startswith("rtmp"))

        for number in range(times):
            frames = sent().frames
            wait_until(
                lambda frames=frames: sent().frames > frames and run.status().source_state == "playing", "frames"
            )
            url = next(each.name for each in run.status().outputs if each.name.startswith("page")).partition("//")[2]
            asyncio.run(watch(f"ws://{url}/stream?codec={('jpeg', 'h264')[number % 2]}&source=1"))
            if number in (times // 10, times - 1):
                measured.append(usage())
            for proxy in proxies:
                proxy.cut()
            wait_until(lambda number=number: sum(run.status().reconnects.values()) > number, "the source")
            wait_until(lambda number=number: sent().reconnects > number, "the output")
        run.stop()
        report = run.wait(LONG_S)
    assert sum(report.reconnects.values()) >= times and len(watched) == times
    assert report.frames_in == report.frames_out + report.dropped + sum(report.losses.values())
    check_growth(*measured)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_runs_in_one_process():
    """Runs one after the other, each with a page and a viewer: after the first ones, nothing is left of a run."""
    measured, num_objects = [], []

    async def watch(address):
        async with websockets.connect(address, max_size=None) as viewer:
            await asyncio.wait_for(viewer.recv(), LONG_S)

    for number in range(20):
        with rotoscope.live("synthetic:320x180@30", "page:", model="starry", port=0, working_size="144p") as run:
            assert run.wait_until_ready(LONG_S)
            asyncio.run(watch(f"ws://{run.status().outputs[0].name.partition('//')[2]}/stream?codec=h264&source=1"))
        if number in (9, 19):
            measured.append(usage())
            num_objects.append(len(gc.get_objects()))
    check_growth(*measured)
    assert num_objects[1] <= num_objects[0] + 500


@pytest.mark.timeout(2 * 3600)
@pytest.mark.parametrize("seconds", [5, pytest.param(3600, marks=pytest.mark.full)])
def test_time(seconds):
    """A paced camera, a network that is too slow now and then, a page: nothing grows."""
    (result,) = rotoscope.bench(
        "live", chain="page", size="192x108", rate=30, seconds=seconds, network_ms=40, threads=1
    ).chains
    assert result.adds_up and result.most_in_work <= 3 and result.latency.out_of_order == 0
    assert result.latency.last_second_behind <= result.latency.first_second_behind + 15
    for begin, end in (result.num_threads, result.num_files):
        assert end <= begin + 2
    begin, end, _peak = result.memory_mb
    assert end <= begin + MOST_GROWTH_MB
