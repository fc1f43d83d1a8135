"""The public functions. Heavy imports happen inside them, so that `import rotoscope` stays quick."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rotoscope.errors import ModelRefused, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rotoscope.export.graph import Graph
    from rotoscope.frame import Frame, Picture
    from rotoscope.runtime.engines.engine import Engine
    from rotoscope.runtime.job import Progress
    from rotoscope.runtime.media.source import Reader
    from rotoscope.runtime.model_file import ModelFile
    from rotoscope.runtime.options import Run, TranslateOptions
    from rotoscope.runtime.pair_model import FlowModel
    from rotoscope.runtime.translator import Translator as BaseTranslator

INSTALL_AN_ENGINE = 'no engine is installed; this installs one: pip install ".[cpu]"'
# Options of `translate` that concern a model and its engine rather than a source and its result.
MODEL_OPTIONS = (
    "engine", "precision", "device", "compiled", "threads", "style", "working_size", "fit", "hints", "input_range",
    "output_range", "channel_order", "layout", "multiple", "op_library",
)  # fmt: skip
# Those that concern a stream of frames.
STREAM_OPTIONS = ("in_flight", "steady", "strength", "flow", "keyframes", "insert", "window", "dilation", "pool")
# Engine -> the extra that installs it; those that run ONNX files first.
ENGINES = {"onnxruntime": "cpu", "openvino": "openvino", "tensorrt": "tensorrt", "torch": "export"}
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors", ".npz")


def bundled_looks() -> list[str]:
    """Names of the looks that ship with the package."""
    folder = resources.files("rotoscope") / "models"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".onnx"))


def installed_engines() -> list[str]:
    """Names of the engines that can be used here."""
    return [name for name in ENGINES if importlib.util.find_spec(name) is not None]


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

        from rotoscope.frame import Frame
        from rotoscope.kernels.color_out import color_out
        from rotoscope.runtime.float_picture import resized

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
        from rotoscope.runtime.encoder import check_encoder, encode
        from rotoscope.runtime.style import style_codes

        picture, options = _picture(image), _options(self.given)
        check_encoder(self.file)
        style_codes([self.file.manifest], options.style)  # refuses one: an encoder makes it
        engine = self.engine(options, threads=options.threads or thread_budget(), calls=1)
        return encode(self.file, engine, picture, working=options.working_size, fit=options.fit)

    def engine(self, options: TranslateOptions, *, threads: int, calls: int) -> Engine:
        """The engine that the options name, `calls` at once of `threads` threads each; made once for each way to run."""
        key = (options.engine, options.precision, options.device, options.compiled, options.op_library, threads, calls)
        if key not in self._engines:
            self._engines[key] = make_engine(self, options, threads=threads, calls=calls)
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
    options  the fields of `rotoscope.runtime.options.TranslateOptions`
    Raises a RotoscopeError with one line that says what is wrong.
    """
    from rotoscope.runtime.job import run_job

    several = model if isinstance(model, Sequence) and not isinstance(model, str) else [model]
    for item in several:
        if isinstance(item, Model):
            options = {**item.given, **options}
    chosen = _options(options)
    models = [open_as_model(item, chosen) for item in several]
    return run_job(
        str(source),
        None if target is None else str(target),
        lambda: make_translator(models, chosen),
        chosen,
        unconverted=models[0].file.manifest.frame.is_ids,
        on_progress=on_progress,
    )


def make_translator(
    models: Sequence[Model], options: TranslateOptions, *, engine: Engine | None = None
) -> BaseTranslator:
    """A Translator on the engine that the options name, or on an engine object."""
    from rotoscope.runtime.translator import Translator as Base

    if engine is not None:
        return Base(
            [model.file for model in models],
            lambda _file, _threads, _calls: engine,
            options,
            flow=flow_source(options),
        )
    by_file = {id(model.file): model for model in models}

    return Base(
        [model.file for model in models],
        lambda file, threads, calls: by_file[id(file)].engine(options, threads=threads, calls=calls),
        options,
        flow=flow_source(options),
    )


def Translator(  # noqa: N802  called as the class is whose object it returns
    model: str | Path | Model, *, engine: str | Engine | None = None, **options: Any
) -> BaseTranslator:
    """A translator for streams of frames: `with rotoscope.Translator("starry") as t: for frame in t.stream(frames): ...`.

    `engine` is a name or an engine object; the other options are those of `load` and of streams: `in_flight`, `steady`,
    `strength`, `flow`, `keyframes`, `insert`, `window`, `dilation`, `pool`, as in `translate`. After translation
    `frame.result` is (H,W,4) float32 RGB in [0,1], the fourth channel 0, of the size that the network works at.
    """
    if isinstance(engine, str):
        options["engine"] = engine
    if isinstance(model, Model):
        options = {**model.given, **options}
    chosen = _options(options, (*MODEL_OPTIONS, *STREAM_OPTIONS))
    return make_translator([open_as_model(model, chosen)], chosen, engine=None if isinstance(engine, str) else engine)


def rgb(picture: Picture) -> NDArray[np.uint8]:
    """A decoded picture, such as `frame.source` of `read`, as (H,W,3) uint8 RGB."""
    from rotoscope.runtime.float_picture import rgb_picture

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
    from rotoscope.runtime.media.source import open_source

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
    from rotoscope.runtime.write_frames import write_frames

    return write_frames(Path(target), frames, _options(options, ("codec", "encoder_options", "overwrite")))


def make_engine(model: Model, options: TranslateOptions, *, threads: int, calls: int = 1) -> Engine:
    """The engine that the options name, on a model: `calls` at once, of `threads` threads each."""
    check_installed(options.engine)
    if options.op_library is not None and options.engine != "onnxruntime":
        raise UsageError(f"--op-library with {options.engine}; only onnxruntime loads operators from a library")
    file = model.file
    if options.engine == "torch":
        if model.graph is None:
            raise UsageError(
                f"--engine torch runs checkpoints, and {file.path.name} is ONNX: onnxruntime or openvino run it"
            )
        from rotoscope.export.torch_engine import TorchEngine

        return TorchEngine(
            model.graph,
            threads=threads,
            device=options.device,
            precision=options.precision or "fp32",
            compiled=options.compiled,
        )
    if options.compiled:
        raise UsageError(f"--compiled is for the torch engine; {options.engine} compiles what it runs anyway")
    if options.engine == "openvino":
        from rotoscope.runtime.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(
            file.path, threads=threads, streams=calls, device=options.device, precision=options.precision or "fp32"
        )
    if options.engine == "tensorrt":
        from rotoscope.runtime.engines.tensorrt import TensorRtEngine

        return TensorRtEngine.built(file, precision=options.precision or file.precision)
    if options.precision not in (None, file.precision):
        raise UsageError(
            f"--precision {options.precision}: {file.path.name} is {file.precision}, and onnxruntime runs a file as it is"
        )
    from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
    from rotoscope.runtime.model_gate import check_it_ends

    engine = OnnxRuntimeEngine(
        file.path,
        threads=threads,
        device=options.device,
        precision=file.precision,
        op_library=options.op_library,
    )
    check_it_ends(file.path, file.manifest, engine.ends_within)
    return engine


def flow_source(options: TranslateOptions) -> FlowModel | None:
    """The flow network that the options name, on ONNX Runtime; None: DIS."""
    if options.flow == "dis":
        return None
    kind, _, path = options.flow.partition(":")
    if kind != "onnx" or not path:
        raise UsageError(f"--flow {options.flow}; accepted: dis, or onnx:FILE with a model of kind flow")
    from rotoscope.kernels.rows import thread_budget
    from rotoscope.runtime.options import TranslateOptions as Options
    from rotoscope.runtime.pair_model import FlowModel

    model = load(path)
    return FlowModel(model.file, make_engine(model, Options(), threads=options.threads or thread_budget()))


def check_installed(engine: str) -> None:
    """Raise UsageError with the command that installs an engine."""
    if engine not in ENGINES:
        raise UsageError(f"--engine {engine}; accepted: {', '.join(ENGINES)}")
    installed = installed_engines()
    if not installed:
        raise UsageError(INSTALL_AN_ENGINE)
    if engine not in installed:
        raise UsageError(
            f'{engine} is not installed (there is {", ".join(installed)}): pip install ".[{ENGINES[engine]}]"'
        )


def open_as_model(model: str | Path | Model, options: TranslateOptions) -> Model:
    """A model by whatever names it; a checkpoint becomes an ONNX file here, once."""
    from rotoscope.runtime.model_file import open_model

    if isinstance(model, Model):
        return model
    path = model_path(model)
    if not is_checkpoint(path):
        has_library = options.op_library is not None
        return Model(open_model(path, options.model_overrides(), has_op_library=has_library), {})
    if options.engine == "torch":
        return checkpoint_model(path, options)
    # These two compute in the precision of the file; OpenVINO takes fp32 and rounds by itself.
    in_fp16 = options.precision == "fp16" and options.engine in ("onnxruntime", "tensorrt")
    file = exported(path, options.hints, precision="fp16" if in_fp16 else "fp32")
    return Model(open_model(file, options.model_overrides()), {})


def is_checkpoint(path: Path) -> bool:
    """By its ending, whether a file holds weights without a graph."""
    return path.suffix.lower() in CHECKPOINTS


def checkpoint_model(path: Path, options: TranslateOptions) -> Model:
    """A checkpoint that runs as it is, on the torch engine."""
    check_torch(path)
    from rotoscope.export.convert import open_network
    from rotoscope.export.options import ExportOptions
    from rotoscope.runtime.model_file import ModelFile

    opened = open_network([path], ExportOptions(hints=options.hints))
    manifest = opened.graph.manifest
    file = ModelFile(path, manifest, manifest.checkpoint_sha256, opened.loaded.description.parameters, "fp32")
    return Model(file, {}, opened.graph)


def exported(path: Path, hints: tuple[str, ...] = (), *, precision: Literal["fp32", "fp16"] = "fp32") -> Path:
    """The ONNX file of a checkpoint, in the user's cache; made and proved now if it is not there."""
    from importlib.metadata import version

    from rotoscope.runtime.cache import cached, file_digest, key_of

    def make(part: Path) -> None:
        check_torch(path)
        from rotoscope.export.convert import convert
        from rotoscope.export.options import ExportOptions

        options = ExportOptions(name=path.stem, hints=hints, precision=precision)
        opened, pair = convert([path], part, options, proving_engine, overwrite=True)
        logging.getLogger("rotoscope").info("%s; exported once (parity %.0e)", opened, pair.largest)

    key = key_of(
        checkpoint=file_digest(path),
        name=path.stem,
        hints=sorted(hints),
        precision=precision,
        rotoscope=version("rotoscope"),
    )
    return cached(f"{key}.onnx", make)


def proving_engine(path: Path) -> Engine:
    """Whichever engine there is that runs an ONNX file as it is written: for the proof of an export."""
    from rotoscope.runtime.model_file import open_model
    from rotoscope.runtime.options import TranslateOptions as Options

    name = next((name for name in ("onnxruntime", "openvino") if name in installed_engines()), None)
    if name is None:
        raise UsageError(f"an export is proved on an engine; {INSTALL_AN_ENGINE}")
    return make_engine(Model(open_model(path), {}), Options(engine=name), threads=1)


def check_torch(path: Path) -> None:
    """Raise UsageError with the command that installs what reads checkpoints."""
    missing = [name for name in ("torch", "onnxscript", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f'{path}: a checkpoint, which needs {", ".join(missing)}: pip install ".[export]"')


def model_path(model: str | Path) -> Path:
    """The file of a bundled look or of a path; raises ModelRefused with the looks there are."""
    looks = bundled_looks()
    if str(model) in looks:
        return Path(str(resources.files("rotoscope") / "models" / f"{model}.onnx"))
    path = Path(model)
    if not path.exists():
        raise ModelRefused(f"{model}: neither a file nor a bundled look (those are: {', '.join(looks) or 'none'})")
    if path.suffix.lower() in (".engine", ".plan", ".trt"):
        raise ModelRefused(
            f"{path}: a built engine is a program, and only those built here run: rotoscope build MODEL.onnx"
        )
    return path


def _picture(image: NDArray[np.uint8]) -> Picture:
    """An array as a picture; raises UsageError unless it is (H,W,3) uint8."""
    import numpy as np

    from rotoscope.frame import Picture

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(f"a picture of {image.dtype} {image.shape}; accepted: uint8 (H,W,3) RGB")
    return Picture((np.ascontiguousarray(image),))


def _options(options: dict[str, Any], accepted: Sequence[str] = ()) -> TranslateOptions:
    """The options as one value; names outside `accepted` (all fields if empty) are refused."""
    from dataclasses import fields

    from rotoscope.runtime.options import TranslateOptions as Options

    known = set(accepted) or {field.name for field in fields(Options)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise UsageError(f"unknown option {', '.join(unknown)}; accepted: {', '.join(sorted(known))}")
    return Options(**options)
