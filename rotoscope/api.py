"""The public functions. Heavy imports happen inside them, so that `import rotoscope` stays quick."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotoscope.assembly.engines import engine_of, make_engine
from rotoscope.assembly.models import open_named
from rotoscope.assembly.pair_networks import flow_source, interpolator
from rotoscope.base.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rotoscope.base.engine import Engine
    from rotoscope.base.frame import Frame, Picture
    from rotoscope.base.options import Run, TranslateOptions
    from rotoscope.export.graph import Graph
    from rotoscope.runtime.media.open_source import Reader
    from rotoscope.runtime.models.model_file import ModelFile
    from rotoscope.runtime.network.statistics import Calibration
    from rotoscope.runtime.pipeline.job import Progress
    from rotoscope.runtime.pipeline.translator import Translator as BaseTranslator

# Options of `translate` that concern a model and its engine rather than a source and its result.
MODEL_OPTIONS = (
    "engine", "precision", "device", "compiled", "threads", "style", "working_size", "fit", "hints", "input_range",
    "output_range", "norm", "channel_order", "layout", "multiple", "op_library",
)  # fmt: skip
# Those that concern a stream of frames.
STREAM_OPTIONS = (
    "in_flight",
    "steady",
    "strength",
    "flow",
    "keyframes",
    "interpolator",
    "insert",
    "window",
    "dilation",
    "pool",
)


class Model:
    """A generator ready to be called on pictures or handed to `translate`; made by `load`."""

    def __init__(self, file: ModelFile, given: dict[str, Any], graph: Graph | None = None) -> None:
        self.file = file
        self.graph = graph  # of a checkpoint that the torch engine runs as it is
        self.given = given  # the options of `load`; `translate` and `Translator` start from them
        self._engines: dict[tuple[object, ...], Engine] = {}
        self._translator: BaseTranslator | None = None

    def __repr__(self) -> str:
        return f"<rotoscope.Model {self.file.name!r}, {self.file.num_parameters:,} parameters>"

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Translate one picture: (H,W,3) uint8 RGB -> uint8 RGB of the same size, times the scale of an upscaler."""
        import numpy as np

        from rotoscope.base.frame import Frame
        from rotoscope.kernels.color_out import color_out
        from rotoscope.kernels.float_picture import resized

        picture = _picture(image)
        if self._translator is None:
            self._translator = make_translator([self], _options({**self.given, "in_flight": 1}))
        self._translator.reset()
        frame = Frame(0, 0, Fraction(1), 1, picture)
        result = self._translator.translate(frame).result
        assert isinstance(result, np.ndarray)
        result = resized(result, self._translator.natural_size((image.shape[1], image.shape[0])))
        out = np.empty((*result.shape[:2], 3), np.uint8)
        color_out(result, [out])
        return out

    def encode(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The code of one picture, (H,W,3) uint8 RGB, of a model of kind "encode": a style is (1,S,1,1)."""
        from rotoscope.kernels.rows import thread_budget
        from rotoscope.runtime.network.code import check_encoder, encode
        from rotoscope.runtime.network.style import style_codes

        picture, options = _picture(image), _options(self.given)
        check_encoder(self.file)
        style_codes([self.file.manifest], options.style)  # refuses one: an encoder makes it
        engine = self.engine(options, threads=options.threads or thread_budget(), calls=1)
        return encode(self.file, engine, picture, working=options.working_size, fit=options.fit)

    def engine(self, options: TranslateOptions, *, threads: int, calls: int) -> Engine:
        """The engine that the options name, `calls` at once of `threads` threads each; made once for each way to run."""
        key = (options.engine, options.precision, options.device, options.compiled, options.op_library, threads, calls)
        if key not in self._engines:
            self._engines[key] = make_engine(
                self.file, **engine_of(options), threads=threads, calls=calls, graph=self.graph
            )
        return self._engines[key]


def load(model: str | Path, **options: Any) -> Model:
    """Open a model: the name of a bundled look, the path of an .onnx file, or of a checkpoint.

    A checkpoint is exported once, proved against the original, and kept in the user's cache; with `engine="torch"` it runs
    as it is. Options are those of `translate` that concern the model and its engine (`engine`, `precision`, `threads`,
    `working_size`, `hints`, `input_range`, `channel_order` ...). Raises ModelRefused if the file cannot be used.
    """
    opened = open_as_model(model, _options(options, MODEL_OPTIONS))
    opened.given = options
    return opened


def translate(
    source: str | Path,
    target: str | Path | None = None,
    *,
    model: str | Path | Model | Sequence[str | Path | Model],
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    **options: Any,
) -> Run:
    """Translate a video, picture or image sequence and return what ran and how it went.

    source   a file, folder, glob, %05d pattern, or "-" (y4m on standard input)
    target   where the result goes; by default `<source>.<model>.<ending>` in the current folder
    model    a bundled look, an .onnx file, a checkpoint, a loaded Model, or several of them: a chain
    options  the fields of `rotoscope.base.options.TranslateOptions`
    Raises a RotoscopeError with one line that says what is wrong.
    """
    from rotoscope.runtime.pipeline.job import run_job

    several = model if isinstance(model, Sequence) and not isinstance(model, str) else [model]
    for item in several:
        if isinstance(item, Model):
            options = {**item.given, **options}
    chosen = _options(options)
    # The first sees the source; those after it see what it made.
    models = [
        open_as_model(item, chosen if place == 0 else replace(chosen, norm=None)) for place, item in enumerate(several)
    ]
    return run_job(
        str(source),
        None if target is None else str(target),
        lambda frames: make_translator(models, chosen, calibration=frames),
        chosen,
        unconverted=models[0].file.manifest.frame.is_ids,
        on_progress=on_progress,
    )


def make_translator(
    models: Sequence[Model],
    options: TranslateOptions,
    *,
    engine: Engine | None = None,
    calibration: Iterable[Frame] | None = None,
) -> BaseTranslator:
    """A Translator on the engine that the options name, or on an engine object.

    calibration  frames that a model with shared statistics learns them from, all before it translates any
    """
    from rotoscope.runtime.pipeline.translator import Translator as Base

    by_file = {id(model.file): model for model in models}

    def engine_of(file: ModelFile, threads: int, calls: int) -> Engine:
        return engine or by_file[id(file)].engine(options, threads=threads, calls=calls)

    learned = None
    if calibration is not None and models[0].file.manifest.shares_statistics:
        learned = _calibrated(models[0], options, engine, calibration)
    files = [model.file for model in models]
    return Base(
        files,
        engine_of,
        options,
        flow=flow_source(options),
        interpolator=interpolator(options),
        calibration=learned,
    )


def _calibrated(model: Model, options: TranslateOptions, engine: Engine | None, frames: Iterable[Frame]) -> Calibration:
    from rotoscope.kernels.rows import thread_budget
    from rotoscope.runtime.network.statistics import calibrate

    # Not the one that translates: it would keep the memory of the batch, and has fewer threads.
    threads = options.threads or thread_budget()
    own = engine or make_engine(model.file, **engine_of(options), threads=threads, graph=model.graph)
    return calibrate(model.file, own, frames, options)


def Translator(  # noqa: N802  called as the class is whose object it returns
    model: str | Path | Model,
    *,
    engine: str | Engine | None = None,
    calibration: Iterable[Frame] | None = None,
    **options: Any,
) -> BaseTranslator:
    """A translator for streams of frames: `with rotoscope.Translator("starry") as t: for frame in t.stream(frames): ...`.

    `engine` is a name or an engine object; `calibration` are frames that a model with shared statistics (`norm="shared"`)
    learns them from, before it translates; without, they follow the stream. The other options are those of `load` and of
    streams: `in_flight`, `steady`, `strength`, `flow`, `keyframes`, `interpolator`, `insert`, `window`, `dilation`, `pool`,
    as in `translate`. After translation `frame.result` is (H,W,4) float32 RGB in [0,1], the fourth channel 0, of the size
    that the network works at.
    """
    if isinstance(engine, str):
        options["engine"] = engine
    if isinstance(model, Model):
        options = {**model.given, **options}
    chosen = _options(options, (*MODEL_OPTIONS, *STREAM_OPTIONS))
    given = None if isinstance(engine, str) else engine
    return make_translator([open_as_model(model, chosen)], chosen, engine=given, calibration=calibration)


def rgb(picture: Picture) -> NDArray[np.uint8]:
    """A decoded picture, such as `frame.source` of `read`, as (H,W,3) uint8 RGB."""
    from rotoscope.kernels.float_picture import rgb_picture

    return rgb_picture(picture)


def read(
    source: str | Path,
    *,
    start: float | None = None,
    duration: float | None = None,
    rate: float = 25.0,
    unconverted: bool = False,
) -> Reader:
    """Open a video, picture or sequence; iterate over it for frames, close it or use it in a `with` block.

    Frames carry integer times with a time base and a `source` Picture of code values. With `unconverted` the picture is the
    stored numbers of a PNG (palette indices, label ids, 16-bit values).
    """
    from rotoscope.runtime.media.open_source import open_source

    return open_source(
        str(source),
        start=None if start is None else Fraction(start).limit_denominator(1_000_000),
        duration=None if duration is None else Fraction(duration).limit_denominator(1_000_000),
        rate=Fraction(rate).limit_denominator(1001),
        threads=0,
        unconverted=unconverted,
    )


def write(target: str | Path, frames: Iterable[Frame], **options: Any) -> int:
    """Encode frames that carry a float result, each at its own time; returns how many.

    The first frame decides the size. Options: `codec`, `encoder_options` and `overwrite`, as in `translate`.
    """
    from rotoscope.runtime.pipeline.write import write_frames

    return write_frames(Path(target), frames, _options(options, ("codec", "encoder_options", "overwrite")))


def open_as_model(model: str | Path | Model, options: TranslateOptions) -> Model:
    """A model by whatever names it."""
    if isinstance(model, Model):
        return model
    file, graph = open_named(model, options)
    return Model(file, {}, graph)


def _picture(image: NDArray[np.uint8]) -> Picture:
    """An array as a picture; raises UsageError unless it is (H,W,3) uint8."""
    import numpy as np

    from rotoscope.base.frame import Picture

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(f"a picture of {image.dtype} {image.shape}; accepted: uint8 (H,W,3) RGB")
    return Picture((np.ascontiguousarray(image),))


def _options(options: dict[str, Any], accepted: Sequence[str] = ()) -> TranslateOptions:
    """The options as one value; names outside `accepted` (all fields if empty) are refused."""
    from dataclasses import fields

    from rotoscope.base.options import TranslateOptions as Options

    known = set(accepted) or {field.name for field in fields(Options)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise UsageError(f"unknown option {', '.join(unknown)}; accepted: {', '.join(sorted(known))}")
    return Options(**options)
