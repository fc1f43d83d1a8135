"""A run for tests of the page: it notes what it is asked, and a picture that moves."""

import dataclasses
import threading
from fractions import Fraction

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Colour, Frame, Picture
from rotoscope.base.live import LiveStatus, OutputStatus

BT709 = Colour("709")
STATUS = LiveStatus(
    seconds=12.5, source="demo:", source_state="playing", source_size="640x360", model="starry",
    engine="onnxruntime fp32 on cpu, 2 threads", steady="blend 0.75", working_size="640x360", frames_in=300, frames_out=290,
    carried=4, dropped=8, losses={"broken packet": 1}, in_fps=24.0, out_fps=23.5, latency_p50_ms=41.0, latency_p99_ms=66.0,
    late_share=0.02, reconnects={"the server closed the connection": 2},
    outputs=(
        OutputStatus("page:", "open", 290, 3, 0),
        OutputStatus("rtmp://server/app/...", "waiting", 120, 10, 1, {"cut": 5}, waiting=2),
    ),
    stages={"network": {"share": 0.7, "seconds": 8.0, "p50_ms": 27.0, "p95_ms": 33.0, "p99_ms": 41.0}},
    stage_counts={"network": {10.0: 0, 30.0: 200, float("inf"): 290}}, latency_sum_ms=12000.0,
    latency_counts={10.0: 0, 50.0: 250, 100.0: 289, float("inf"): 290}, strength=0.75, mix=0.0, keyframes=1, is_paused=False,
    is_ready=True, in_work=1, audio_offset_s=0.04, memory_mb=412.0, models=("starry", "scream", "comic"),
)  # fmt: skip


class FakeRun:
    """A LiveControl whose status the test sets."""

    def __init__(self, **status):
        self.now = dataclasses.replace(STATUS, **status)
        self.asked = []
        self.changed = threading.Condition()
        self.refusal = None

    def status(self):
        return self.now

    def change(self, changes):
        self._ask(dict(changes))
        self.now = dataclasses.replace(self.now, **changes)

    def record(self):
        self._ask("record")
        self.now = dataclasses.replace(self.now, recording="rotoscope-0001.mkv")
        return self.now.recording

    def stop_recording(self):
        self._ask("stop recording")
        self.now = dataclasses.replace(self.now, recording="")

    def stop(self):
        self._ask("stop")

    def wait_for(self, wanted, seconds=60):
        """Wait until `wanted(asked)` is true."""
        with self.changed:
            assert self.changed.wait_for(lambda: wanted(self.asked), seconds), self.asked

    def _ask(self, what):
        with self.changed:
            self.asked.append(what)
            self.changed.notify_all()
        if self.refusal:
            raise UsageError(self.refusal)


def moving_frame(index, size=(320, 180), colour=BT709, source_size=None):
    """Frame `index` of a picture whose bar moves; the source is blue-grey, the result is orange."""
    return Frame(
        index, index, Fraction(1, 30), 1, _bar(index, source_size or size, (90, 150, 110), colour),
        _bar(index, size, (150, 80, 180), colour),
    )  # fmt: skip


def _bar(index, size, code, colour):
    width, height = size
    luma = np.full((height, width), code[0], np.uint8)
    left = index * 4 % (width - 32)
    luma[height // 4 : -height // 4, left : left + 32] = 230
    half = (height // 2, width // 2)
    return Picture((luma, np.full(half, code[1], np.uint8), np.full(half, code[2], np.uint8)), colour)


def noisy_frame(index):
    """A frame whose JPEG is large: about 100 kB."""
    frame = moving_frame(index, (480, 270))
    frame.result.planes[0].base[...] = np.random.default_rng(index).integers(16, 235, (270, 480), np.uint8)
    return frame
