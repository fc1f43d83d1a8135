"""Translate a stream: frame by frame as images (`push`), or as frames with times (`stream`)."""

from __future__ import annotations

import numbers
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rotoscope.assembly.chain import Named, as_chain, model_keywords, open_chain, threads_of
from rotoscope.assembly.engines import device_of
from rotoscope.assembly.gpu_images import GpuImages, device_of_image, kind_of
from rotoscope.assembly.images import image_array, like, mask_array, rgb_image
from rotoscope.assembly.model import Model, never_freed
from rotoscope.assembly.pair_networks import flow_source, interpolator
from rotoscope.assembly.styles import styled
from rotoscope.base.device import CPU
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.option_checks import check_count, check_known
from rotoscope.base.option_keywords import StreamKeywords
from rotoscope.base.options import IN_FLIGHT, THREADS, EngineName, ModelOptions, SteadyOptions, options_from
from rotoscope.base.stage import Chain
from rotoscope.kernels.rows import Workers, usable_cores
from rotoscope.runtime.network.statistics import calibrate
from rotoscope.runtime.network.style import style_codes
from rotoscope.runtime.pipeline.stages import Stages

if TYPE_CHECKING:
    from rotoscope.base.device import Device
    from rotoscope.base.engine import Engine
    from rotoscope.base.sizes import Size
    from rotoscope.base.times import StageTimes
    from rotoscope.runtime.pipeline.stages import RunnableModel

CLOCK = Fraction(1, 1_000_000)  # of pushed images
DEFAULT_RATE = 25  # frames per second of images that are pushed without a time
LONGEST_S = 1e9  # of a stream, in seconds


class Translator:
    """Translates one stream at a time and keeps it steady.

        with rotoscope.Translator("starry", steady="blend") as translator:
            for image in images:                     # (H,W,3) uint8 RGB
                out = translator.push(image)         # the same, or None while the translator looks ahead
            rest = translator.flush()                # the images that are still held

    model       a bundled look, an .onnx file, a checkpoint, a loaded Model, or a list of them: a chain
    engine      a name, or an object that follows `rotoscope.base.engine.Engine`
    calibration frames that a model with shared statistics (`norm="shared"`) measures them on, before it translates; without
                them the statistics follow the stream
    threads     cores that engine and kernels share; by default all
    in_flight   frames in the network at once in `stream`; by default one for each core, at most 8; 1 for models with state
    The other keywords are those of `load`, and `steady`, `strength`, `flow`, `keyframes`, `late`, `interpolator`, `insert`,
    `window`, `dilation`, `pool` as in `translate`.

    Delay: a result leaves `look_ahead` frames after its image has come. `stream` adds up to in_flight + 1 frames that are in
    work; `push` has one frame in work and adds none.

    Threads, asyncio, processes: calls of `push` and `flush` from several threads run one after the other; in asyncio use
    `await asyncio.to_thread(translator.push, image)`. Several streams need several translators; they may share one Model. A
    translator can be pickled by what it was made from, without its stream; in a forked child it starts a new stream.
    """

    stages: Stages  # of `stream`
    _running: Generator[Frame, None, None] | None  # the stream that is read now
    _last_pushed: Fraction  # seconds

    def __init__(
        self,
        model: Named | Sequence[Named],
        *,
        engine: EngineName | Engine | None = None,
        calibration: Iterable[Frame] | None = None,
        threads: int | None = None,
        in_flight: int | None = None,
        **options: Unpack[StreamKeywords],
    ) -> None:
        check_known(options, ModelOptions, SteadyOptions)
        check_count("threads", threads, THREADS)
        check_count("in_flight", in_flight, IN_FLIGHT)
        chain = as_chain(model)
        self.models = open_chain(chain, model_keywords(options, engine if isinstance(engine, str) else None))
        self._steady = options_from(SteadyOptions, options)
        self._engine = None if isinstance(engine, str) else engine
        self._threads = threads or threads_of(chain)
        self._wanted_in_flight = in_flight
        self._calibration = None
        first = self._runnable(self.models[0])
        if calibration is not None and first.file.manifest.shares_statistics:
            own = first.engine(threads=self._threads or usable_cores(), calls=1, shared=False)
            self._calibration = calibrate(first.file, own, calibration, first.options)
        self._lock = threading.RLock()
        self._start()

    def __enter__(self) -> Translator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[..., Translator], tuple[Any, ...]]:
        if self._engine is not None or self._calibration is not None:
            raise UsageError("a translator with an engine object or a calibration cannot be pickled: make one there")
        return _made_again, (self.models, self._steady, self._threads, self._wanted_in_flight)

    def push(self, image: Any, *, mask: Any = None, seconds: float | None = None) -> Any:
        """Translate the next image of the stream.

        image    (H,W,3) uint8 RGB, not kept: a NumPy array or a torch tensor on the CPU; for a translator on a GPU also a CuPy
                 array, or an array of another library that speaks DLPack, on that GPU. All images of a stream are on one device
        mask     (H,W) bool, True in the hole; for models that fill holes
        seconds  its time in the stream, increasing; by default 25 images a second
        Returns the oldest finished image, of the same kind, or None while the translator looks ahead. Its size is that of the
        part of the image that the network sees, times the scale of an upscaling network. An image on a GPU stays there, and so
        does its result: their streams are ordered by events, and only a few numbers go to the host. Raises UsageError for other
        images.
        """
        place, manifest = device_of_image(image), self.models[0].file.manifest
        if place == CPU:
            array = image_array(image)
            hole = mask_array(mask, array, manifest)
        with self._exclusive():
            stages, line = self._push_line(place)
            at = Fraction(self._num_pushed, DEFAULT_RATE) if seconds is None else _exact_seconds(seconds)
            if self._num_pushed and at <= self._last_pushed:
                raise UsageError(
                    f"seconds={seconds}; accepted: later than the image before, {float(self._last_pushed)}"
                )
            on_gpu = None if stages.gpu is None else GpuImages(stages.gpu)
            if on_gpu is not None:
                array = on_gpu.taken(image)
                hole = on_gpu.mask(mask, array, manifest)
            self._last_pushed = at
            length = round(1 / (DEFAULT_RATE * CLOCK))
            frame = Frame(self._num_pushed, round(at / CLOCK), CLOCK, length, Picture((array,)), mask=hole)
            self._num_pushed += 1
            with stages.active():
                # A cut completes several images at once; one is handed out for each push, so that the delay stays the same.
                self._finished.extend(self._image(done, stages) for done in line.step(frame))
            if not self._finished:
                return None
            result = self._finished.popleft()
            return like(image)(result) if on_gpu is None else on_gpu.given(kind_of(image), result, image)

    def flush(self) -> list[Any]:
        """The images that are still held, (H,W,3) uint8 arrays (CuPy's on a GPU), in order; the next `push` begins a stream."""
        with self._exclusive():
            stages, line = self._push_line(None)
            with stages.active():
                self._finished.extend(self._image(done, stages) for done in line.flush())
            rest = list(self._finished)
            if stages.gpu is not None:
                given = GpuImages(stages.gpu).given
                rest = [given(lambda array: array, result, result) for result in rest]
            self._restart()
            return rest

    def reset(self) -> None:
        """Drop what is held; the next `push` begins a new stream."""
        with self._exclusive():
            self._restart()

    def stream(self, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
        """Translate and steady frames, in order; the first one has no past.

        Each frame comes back with `result`, a float picture: `frame.result.pixels` is (H,W,4) float32 RGB in [0,1], the fourth
        channel 0, read-only, of the size that the network works at. Frames that were read ahead are lost when the stream is
        closed early. Closing waits for the source's next frame: frames that may never come need a source with `interrupt()`
        (`rotoscope.base.source`). Raises UsageError for a second stream at the same time.
        """
        self._renew_after_fork()
        stages = self.stages
        if not self._streaming.acquire(blocking=False):
            raise UsageError("this translator runs a stream already; make one translator for each stream")
        try:
            # Only a source without an end of its own may have to be interrupted; a file can be read on afterwards.
            is_endless = getattr(frames, "is_endless", True)
            interrupt = getattr(frames, "interrupt", _nothing) if is_endless else _nothing
            with closing(stages.line(_checked(frames), interrupt=interrupt)) as line:
                self._running = line
                yield from line
                if self._running is None:
                    raise UsageError("the translator was closed while it ran this stream")
        finally:
            self._running = None
            self._streaming.release()

    def close(self) -> None:
        """Drop the stream and end the threads; a later use starts them again.

        A `stream` that still runs is ended with an error; raises UsageError if another thread is reading it.
        """
        running, self._running = self._running, None
        if running is not None:
            try:
                running.close()
            except ValueError:  # the generator is executing
                self._running = running
                raise UsageError(
                    "another thread reads a stream of this translator; close the stream there first"
                ) from None
        with self._exclusive():
            self._restart()
            for stages in (self.stages, self._pushing):
                if stages is not None:
                    stages.close()
                    if stages.gpu is not None:
                        stages.gpu.wait()
                    stages.workers.close()

    @property
    def strength(self) -> float:
        """How far blend or ramp may move from the frame-wise result, 0 to 1; may be changed between two frames."""
        return self._steady.strength

    @strength.setter
    def strength(self, value: float) -> None:
        with self._exclusive():
            steady = replace(self._steady, strength=value)  # refuses wrong values
            made = [stages for stages in (self.stages, self._pushing) if stages is not None]
            if self.stages.steadiness.steadier is None:
                raise UsageError(f"strength of {self.stages.steadiness.description}; accepted: steady blend, ramp")
            self._steady = steady
            for stages in made:
                if stages.steadiness.steadier is not None:
                    stages.steadiness.steadier.strength = value

    @property
    def style(self) -> list[Any]:
        """The style of each model of the chain, as options hold it; may be changed between two frames.

        Set it to what `style` of `load` takes: a number, a blend such as "3:0.5,12:0.5", a picture (H,W,3) uint8, the name of
        one, or a code; a blend of two codes is their weighted sum.
        """
        return [model.options.style for model in self.models]

    @style.setter
    def style(self, value: Any) -> None:
        with self._exclusive():
            models = styled([model.with_options({"style": value, "like": None}) for model in self.models])
            codes = style_codes([model.file.manifest for model in models], [model.options.style for model in models])
            self.models = models
            for stages in (self.stages, self._pushing):
                for network, code in zip(
                    () if stages is None else stages.network.networks, codes, strict=stages is not None
                ):
                    network.style = code

    @property
    def look_ahead(self) -> int:
        """Images that must come after one before its result leaves."""
        return self.stages.look_ahead

    @property
    def in_flight(self) -> int:
        """Frames in the network at once in `stream`."""
        return self.stages.in_flight

    @property
    def description(self) -> str:
        """Engines and frames in flight, for example "onnxruntime fp32 cpu, 2 in flight"."""
        return self.stages.description

    @property
    def notes(self) -> list[str]:
        """Sentences about steadying and statistics."""
        return self.stages.notes

    @property
    def times(self) -> StageTimes:
        """Time of each stage of `stream`."""
        return self.stages.times

    def natural_size(self, picture: Size) -> Size:
        """(width, height) of the result for an image of this size."""
        return self.stages.natural_size(picture)

    def _start(self) -> None:
        self._process = os.getpid()
        self._streaming = threading.Lock()
        self._running = None
        self.stages = self._made(self._wanted_in_flight)
        self._pushing: Stages | None = None
        self._line: Chain | None = None
        self._finished: deque[Any] = deque()
        self._num_pushed, self._last_pushed = 0, Fraction(0)

    def _made(self, in_flight: int | None, *, gpu_slots: int | None = None) -> Stages:
        workers = Workers(self._threads or usable_cores())
        device = device_of(self.models[0].options)
        return Stages(
            [self._runnable(model) for model in self.models],
            self._steady,
            workers=workers,
            in_flight=in_flight,
            flow=flow_source(self._steady, workers.threads, device),
            interpolator=interpolator(self._steady, workers.threads, device),
            calibration=self._calibration,
            gpu_slots=gpu_slots,
        )

    def _runnable(self, model: Model) -> RunnableModel:
        return model if self._engine is None else _OnEngine(model, self._engine)

    def _push_line(self, place: Device | None) -> tuple[Stages, Chain]:
        """The stages of pushed images on this device, and all of them as one; None: where the stream is."""
        if self._pushing is not None and place not in (None, self._pushing.device):
            if self._num_pushed:
                raise UsageError(
                    f"an image on {place} in a stream of images on {self._pushing.device}; flush() or reset() begins a new one"
                )
            self._pushing.close()
            self._pushing.workers.close()
            self._pushing = None
        if self._pushing is None or self._line is None:
            stages = self._made(1, gpu_slots=None if place in (None, CPU) else 0)
            if place is not None and stages.device != place:
                stages.close()
                stages.workers.close()
                raise UsageError(f"an image on {place}; this translator ({stages.description}) takes images on the CPU")
            self._pushing = stages
            self._line = Chain((*stages.before, stages.network, *stages.after))
            self._line.reset()
        return self._pushing, self._line

    def _restart(self) -> None:
        if self._line is not None:
            self._line.reset()
        self._finished.clear()
        self._num_pushed = 0

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One call at a time."""
        self._renew_after_fork()
        with self._lock:
            yield

    def _renew_after_fork(self) -> None:
        """In a forked child make everything again: threads, and locks that another thread held, are not copied."""
        if self._process != os.getpid():
            never_freed.extend((self.stages, self._pushing))
            self._lock = threading.RLock()
            self._start()

    @staticmethod
    def _image(frame: Frame, stages: Stages) -> Any:
        return rgb_image(frame.pixels(), stages.natural_size(frame.source.size))


class _OnEngine:
    """A model that runs on an engine object of the caller's."""

    def __init__(self, model: Model, engine: Engine) -> None:
        self.file, self.options, self.name, self._engine = model.file, model.options, model.name, engine

    def engine(self, *, path: Path | None = None, **_setup: object) -> Engine:
        """Return the caller's engine and ignore the setup; raises UsageError for `path`, since it runs only its own file."""
        if path is not None:
            raise UsageError(
                f"tile with an engine object: {self.file.name} measures the whole picture in graphs of its own; accepted: "
                "the name of an engine"
            )
        return self._engine


def _nothing() -> None:
    """Interrupt nothing."""


def _exact_seconds(seconds: Any) -> Fraction:
    is_number = isinstance(seconds, numbers.Real) and not isinstance(seconds, bool)
    if not is_number or not abs(seconds) < LONGEST_S:
        raise UsageError(f"seconds={seconds!r}; accepted: a number of seconds, below {LONGEST_S:g}")
    exact: Fraction = Fraction(seconds)
    return exact


def _checked(frames: Iterable[Frame]) -> Generator[Frame, None, None]:
    """The frames; raises UsageError for anything else. Closes their iterator with itself."""
    iterator = iter(frames)
    try:
        for frame in iterator:
            if not isinstance(frame, Frame):
                raise UsageError(
                    f"{type(frame).__name__} in a stream; accepted: frames of rotoscope.read. push takes images"
                )
            yield frame
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


def _made_again(models: list[Model], steady: SteadyOptions, threads: int | None, in_flight: int | None) -> Translator:
    options = {name: getattr(steady, name) for name in SteadyOptions.__annotations__}
    return Translator(models, threads=threads, in_flight=in_flight, **options)
