"""A live source that a test feeds frame by frame, a sink that keeps what it gets, and a run of both around a fake engine."""

import queue
import threading
import time
from collections import Counter
from fractions import Fraction

import numpy as np

import rotoscope
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame, Orientation, Picture, VideoInfo
from rotoscope.base.options import LiveOptions, ModelOptions, OutputOptions, SteadyOptions
from rotoscope.kernels.rows import Workers
from rotoscope.runtime.engines.fake import FakeEngine
from rotoscope.runtime.pipeline.live_job import LiveJob
from rotoscope.runtime.pipeline.live_run import LiveRun
from rotoscope.runtime.pipeline.stages import Stages

RATE = Fraction(25)


def picture(value, size=(64, 48)):
    width, height = size
    return Picture((np.full((height, width, 3), value, np.uint8),))


class FedSource:
    """Delivers the frames that `feed` is called with; `end` or `interrupt` ends it."""

    def __init__(self, size=(64, 48), streams=()):
        self.losses, self.notes, self.reconnects, self.state = Counter(), [], Counter(), "connecting"
        self.is_endless, self.files, self.is_closed = True, (), False
        self._size, self._streams = size, streams
        self._frames, self._num, self._info = queue.Queue(), 0, None
        self.sounds = []
        self.taken = threading.Semaphore(0)  # released once for each frame that the run's thread has taken

    @property
    def info(self):
        if self._info is None:
            raise UsageError("no picture yet")
        return self._info

    def feed(self, value=0, *, seconds=None, size=None, **marks):
        at = Fraction(self._num) / RATE if seconds is None else Fraction(seconds)
        shown = picture(value, size or self._size)
        self._frames.put(Frame(self._num, round(at * 1000), Fraction(1, 1000), 40, shown, **marks))
        self._num += 1

    def fail(self, error):
        self._frames.put(error)

    def end(self):
        self._frames.put(None)

    interrupt = end

    def close(self):
        self.is_closed = True

    def take_sound(self):
        sounds, self.sounds = self.sounds, []
        return sounds

    def __iter__(self):
        while (frame := self._frames.get()) is not None:
            if isinstance(frame, Exception):
                raise frame
            self.state = "playing"
            width, height = frame.source.size
            self._info = VideoInfo(
                "fed", "fed", "none", width, height, Orientation(), Fraction(1), "rgb24", 8, frame.source.colour,
                frame.time_base, RATE, 0, None, None, streams=self._streams,
            )  # fmt: skip
            self.taken.release()
            yield Frame(**{
                name: getattr(frame, name) for name in Frame.__dataclass_fields__ if name != "arrival_s"
            }, arrival_s=time.monotonic())  # fmt: skip


class KeptSink:
    """Keeps the frames and the sound that it gets; `gate` may hold it up."""

    def __init__(self, name="kept", *, keeps_every_frame=False):
        self.name, self.keeps_every_frame, self.state, self.reconnects = name, keeps_every_frame, "open", 0
        self.frames, self.sounds, self.notes, self.kept, self.losses = [], [], [], [], Counter()
        self.ended_by, self.gate, self.entered = "", None, threading.Semaphore(0)
        self.interrupted = threading.Event()
        self.error, self.reason = None, ""

    @property
    def num_frames(self):
        return len(self.frames)

    def write(self, frame):
        self.entered.release()
        if self.gate is not None:
            assert self.gate.wait(240)
        if self.error is not None:
            raise self.error
        self.frames.append(frame)

    def write_sound(self, sound):
        self.sounds.append(sound)

    def interrupt(self):
        self.interrupted.set()
        if self.gate is not None:
            self.gate.set()

    def finish(self):
        self.ended_by = "finish"

    def abort(self):
        self.ended_by = "abort"


class FakeModel:
    """A model whose engine is a function of the picture."""

    def __init__(self, path, function):
        self.file, self.options, self.name = rotoscope.load(path).file, ModelOptions(), "fake"
        self._function = function

    def engine(self, **_setup):
        return FakeEngine(self.file.manifest, self._function)


def live_run(
    path, source, *sinks, function=lambda image, _call: image, models=None, steady=None, output=None, live=None,
    working_size=None,
):  # fmt: skip
    """A run that is not started: `models` are further functions by name, for `change(model=...)`."""
    by_word = {sink.name: sink for sink in sinks}
    functions = {"fake": function, **(models or {})}

    def make_stages(request):
        name = request.models[0] if request.models else "fake"
        if name not in functions:
            raise rotoscope.ModelRefused(f"{name}: no such model")
        options = ModelOptions(working_size=request.working_size)
        model = FakeModel(path, functions[name])
        model.name, model.options = name, options
        return Stages([model], request.steady, workers=Workers(1), in_flight=1, may_carry=True)

    job = LiveJob(
        source="fed",
        outputs=tuple(by_word),
        working_size=working_size,
        steady_options=steady or SteadyOptions(steady="off"),
        output_options=output or OutputOptions(),
        live_options=live or LiveOptions(),
    )
    return LiveRun(
        job,
        source=source,
        open_sink=lambda word, video: _told(by_word[word], video),
        open_page=None,
        make_stages=make_stages,
        models=("fake", *functions),
        recorded=lambda: sinks[-1].name,
    )


def _told(sink, video):
    sink.format = video
    return sink
