"""Translate a stream of frames: a chain of generators, several frames in flight where no state forbids it, order kept."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from fractions import Fraction

import numpy as np

from rotoscope.base.engine import Engine
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.manifest import Window
from rotoscope.base.options import TranslateOptions
from rotoscope.base.prefetch import prefetch
from rotoscope.base.sizes import Size
from rotoscope.base.times import StageTimes
from rotoscope.kernels.float_picture import float_picture, resized
from rotoscope.kernels.rows import serial_rows, thread_budget
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.motion.estimator import FlowSource
from rotoscope.runtime.network.network import MOVING_S, View, filled
from rotoscope.runtime.network.network import Generator as NetworkGenerator
from rotoscope.runtime.network.pair import InterpolationModel
from rotoscope.runtime.network.statistics import Calibration
from rotoscope.runtime.network.style import style_codes
from rotoscope.runtime.network.windows import windows
from rotoscope.runtime.pipeline.steadiness import plan_steadiness

MAX_IN_FLIGHT = 8
MAX_CARRIED = 16  # frames between key frames that may wait for one of them
STEADIED_AHEAD = 2  # finished frames that may wait for the encoder

MakeEngine = Callable[[ModelFile, int, int], Engine]
"""(model, threads per call, calls at once) -> engine"""


class Translator:
    """Runs frames through one model or a chain of them.

    Use as a context manager, or drop it: nothing but memory is held between streams. `times` collects where the time goes.
    """

    def __init__(
        self,
        models: ModelFile | Sequence[ModelFile],
        make_engine: MakeEngine,
        options: TranslateOptions | None = None,
        *,
        flow: FlowSource | None = None,
        interpolator: InterpolationModel | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        options = options or TranslateOptions()
        chain = [models] if isinstance(models, ModelFile) else list(models)
        if not chain:
            raise UsageError("no model given")
        for index, model in enumerate(chain):
            _check_place(model, is_first=index == 0)
        _check_norm(chain[0], options)
        _check_extras(chain[0], options)
        styles = style_codes([model.manifest for model in chain], options.style)
        self.times = StageTimes()
        self.threads = options.threads or thread_budget()
        self._calibration = calibration
        self._last_seconds: Fraction | None = None
        stateless = all(not model.manifest.state for model in (chain if calibration is None else chain[1:]))
        self.in_flight = self._choose_in_flight(options.in_flight, stateless=stateless)
        # One thread per call and one call per core is faster than all threads on one call, wherever it is allowed.
        per_call = max(1, self.threads // self.in_flight)
        self.generators = [
            NetworkGenerator(
                model,
                make_engine(model, per_call, self.in_flight),
                working=options.working_size if index == 0 else None,
                fit=options.fit,
                style=style,
                statistics=calibration.statistics if calibration and index == 0 else None,
                times=self.times,
            )
            for index, (model, style) in enumerate(zip(chain, styles, strict=True))
        ]
        self.steadiness = plan_steadiness(chain, options, self.region, self.times, flow, interpolator)

    def __enter__(self) -> "Translator":
        return self

    def __exit__(self, *_: object) -> None:
        self.reset()

    @property
    def description(self) -> str:
        """What runs where, and how much of it at once."""
        kinds = dict.fromkeys(generator.engine.description for generator in self.generators)
        return f"{' + '.join(kinds)}, {self.in_flight} in flight"

    @property
    def notes(self) -> list[str]:
        """What a user should know about how frames are steadied."""
        notes = [self.steadiness.note] if self.steadiness.note else []
        if self._calibration is not None:
            num = self._calibration.num_frames
            learned = f"{num} frames, one in {self._calibration.every}" if num > 1 else "1 frame"
            notes.append(f"norm shared: statistics of {learned}")
        elif self.generators[0].model.manifest.shares_statistics:
            notes.append(f"norm shared: statistics follow the stream, over {MOVING_S:g} s")
        return notes

    def region(self, picture: Size) -> tuple[int, int, int, int]:
        """(left, top, width, height): the part of a picture of this size that the networks get to see."""
        left, top, width, height = 0.0, 0.0, float(picture[0]), float(picture[1])
        size = picture
        for generator in self.generators:
            crop = generator.placement(size).crop
            factor_x, factor_y = width / size[0], height / size[1]
            left, top = left + crop[0] * factor_x, top + crop[1] * factor_y
            width, height = crop[2] * factor_x, crop[3] * factor_y
            size = generator.output_size(size)
        return round(left), round(top), round(width), round(height)

    def natural_size(self, picture: Size) -> Size:
        """(width, height) that a result should have: its region's, times the scales of upscaling networks."""
        factor, size = 1, picture
        for generator in self.generators:
            factor *= generator.scale(size)
            size = generator.output_size(size)
        region = self.region(picture)
        return region[2] * factor, region[3] * factor

    def reset(self) -> None:
        """Forget all temporal state: what comes next is a new scene."""
        self._last_seconds = None
        for generator in self.generators:
            generator.state.reset()

    @property
    def window(self) -> Window | None:
        """The neighbours that the first network looks at."""
        return self.generators[0].model.manifest.frame.window

    def translate(self, frame: Frame, neighbours: Sequence[Frame] = ()) -> Frame:
        """One frame: sets `result` to (H,W,4) float32 RGB in [0,1] and returns the frame.

        `neighbours` are the frames of the first network's window, this one among them; without them it stands in for all. A
        frame that is carried passes as it is.
        """
        if frame.carried:
            return frame
        if frame.cut:
            self.reset()
        if not neighbours:
            neighbours = (frame,) * (len(self.window.offsets) if self.window else 1)
        label = f"frame {frame.index} ({float(frame.seconds):.3f} s)"
        first, *others = self.generators
        result = first(View.of(neighbours, self._elapsed_s(frame)), label)
        for generator in others:
            picture = Picture((result,))
            if generator.model.manifest.kind == "stabilise":
                source = resized(float_picture(frame.source), (picture.width, picture.height))
                result = generator(View((Picture((source,)),), translated=picture), label)
            else:
                result = generator(View((picture,)), label)
        frame.result = result
        return frame

    def _elapsed_s(self, frame: Frame) -> float:
        """Seconds since the last translated frame, where frames are translated one after the other."""
        if self.in_flight > 1:
            return 0.0
        before, self._last_seconds = self._last_seconds, frame.seconds
        return 0.0 if before is None else max(0.0, float(frame.seconds - before))

    def stream(
        self, frames: Iterable[Frame], then: Callable[[Frame], Frame] | None = None
    ) -> Generator[Frame, None, None]:
        """Translate and steady frames in order, the first one without a past; `then` is applied to each."""
        yield from self.translated(self.prepared(frames), then)

    def prepared(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Frames with what their steadying needs, the motion since the frame before; the first half of `stream`."""
        return self.steadiness.before(frames)

    def translated(
        self,
        frames: Iterable[Frame],
        then: Callable[[Frame], Frame] | None = None,
        *,
        interrupt: Callable[[], None] = lambda: None,
    ) -> Generator[Frame, None, None]:
        """The second half of `stream`: several frames at once through the networks, then one after the other steadied.

        interrupt  ends a wait for a frame that may never come, as in `prefetch`
        """
        after = self.steadiness.after
        if after is None:
            yield from self._in_parallel(frames, then)
            return

        def steadied() -> Generator[Frame, None, None]:
            with closing(self._in_parallel(frames, None)) as results, ExitStack() as stack:
                if self.in_flight > 1 or self.threads == 1:
                    stack.enter_context(serial_rows())
                for frame in after(results):
                    self._keep_known(frame)
                    yield then(frame) if then is not None else frame

        yield from steadied() if self.threads == 1 else prefetch(steadied(), STEADIED_AHEAD, interrupt=interrupt)

    def _keep_known(self, frame: Frame) -> None:
        """What lies outside a hole is the source's, however the hole was steadied; a chain may change it after filling."""
        only, *others = self.generators
        if only.model.manifest.mask and not others:
            assert isinstance(frame.result, np.ndarray)
            region = self.region((frame.source.width, frame.source.height))
            frame.result = filled(frame.source, frame.mask, frame.result, region)

    def _in_parallel(
        self, frames: Iterable[Frame], then: Callable[[Frame], Frame] | None
    ) -> Generator[Frame, None, None]:
        """Frames through the networks, in order, the first one without a past; `then` on the same thread."""
        self.reset()
        window = self.window
        now = window.offsets.index(0) if window else 0

        def work(neighbours: tuple[Frame, ...]) -> Frame:
            frame = self.translate(neighbours[now], neighbours)
            return then(frame) if then is not None else frame

        def work_alone(neighbours: tuple[Frame, ...]) -> Frame:
            with serial_rows():
                return work(neighbours)

        if self.in_flight == 1:
            yield from map(work_alone if self.threads == 1 else work, windows(frames, window))
            return

        waiting: deque[Future[Frame]] = deque()
        painted = 0  # of them, those that are not carried
        with ExitStack() as stack:
            pool = ThreadPoolExecutor(self.in_flight, thread_name_prefix="rotoscope-translate")
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            for neighbours in windows(frames, window):
                waiting.append(pool.submit(work_alone, neighbours))
                painted += not neighbours[now].carried
                # One more than can run, so that no worker waits while the consumer is busy with a result. Carried frames need
                # no worker: where there are key frames, as many of these are in work, and what comes out comes evenly.
                while painted > self.in_flight + 1 or len(waiting) > self.in_flight + MAX_CARRIED:
                    frame = waiting.popleft().result()
                    painted -= not frame.carried
                    yield frame
            while waiting:
                yield waiting.popleft().result()

    def _choose_in_flight(self, wanted: int | None, *, stateless: bool) -> int:
        if wanted is not None and wanted < 1:
            raise UsageError(f"--in-flight {wanted}; at least 1")
        if not stateless:
            if wanted is not None and wanted > 1:
                raise UsageError(f"--in-flight {wanted}: a model with state takes one frame after the other")
            return 1
        return wanted or min(self.threads, MAX_IN_FLIGHT)


def _check_norm(model: ModelFile, options: TranslateOptions) -> None:
    """Refuse shared statistics of a model whose graph does not take them."""
    if options.norm == "shared" and not model.manifest.shares_statistics:
        raise UsageError(
            f"--norm shared: {model.path.name} was not exported for it; from its checkpoint: "
            "rotoscope export CHECKPOINT NEW.onnx --shared-statistics"
        )


def _check_extras(model: ModelFile, options: TranslateOptions) -> None:
    """Refuse a mask or instances that no input takes."""
    manifest = model.manifest
    for name, given, taken in (
        ("mask", options.mask, manifest.mask),
        ("instances", options.instances, manifest.instances),
    ):
        if given is not None and taken is None:
            raise UsageError(f"--{name} {given}: {manifest.name} takes none")


def _check_place(model: ModelFile, *, is_first: bool) -> None:
    """Refuse what cannot stand at this place of a chain."""
    manifest = model.manifest
    if manifest.kind not in ("translate", "stabilise"):
        raise UsageError(
            f"{manifest.name} is a model of kind {manifest.kind}; what makes pictures is translate or stabilise"
        )
    if is_first and manifest.kind == "stabilise":
        raise UsageError(f"{manifest.name} steadies what another model made: give that one first")
    needs = [
        what
        for what, there in (
            ("label maps", manifest.frame.labels),
            ("several frames", manifest.frame.window),
            ("a mask", manifest.mask),
            ("statistics of the source", manifest.shares_statistics),
        )
        if there
    ]
    if needs and not is_first:
        raise UsageError(f"{manifest.name} takes {needs[0]}: it must be the first of a chain")
