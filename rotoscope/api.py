"""The public functions: one call for everything that the command line can do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Unpack

from rotoscope.assembly.engines import check_installed, proving_engine
from rotoscope.assembly.model import Model, Named, as_chain, model_keywords, open_chain, threads_of
from rotoscope.assembly.models import check_torch, is_checkpoint, is_model_name, model_path, open_for_torch
from rotoscope.assembly.pair_networks import flow_source, interpolator, measuring_flow
from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.extras import needs_extra
from rotoscope.base.files import check_target, part_file
from rotoscope.base.frame import Picture
from rotoscope.base.options import (
    EngineName,
    ModelKeywords,
    ModelOptions,
    OutputKeywords,
    OutputOptions,
    SourceOptions,
    SteadyOptions,
    TranslateKeywords,
    check_known,
    options_from,
)
from rotoscope.base.rates import exact_rate
from rotoscope.base.sizes import parse_size
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.kernels.rows import usable_cores
from rotoscope.runtime.media.open_source import MediaSource, open_source
from rotoscope.runtime.models.model_file import open_model, write_described
from rotoscope.runtime.pipeline.companions import with_masks
from rotoscope.runtime.pipeline.job import Job, Progress, Run, run_job
from rotoscope.runtime.pipeline.write import write_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rotoscope.base.frame import Frame, VideoInfo
    from rotoscope.base.sizes import Size
    from rotoscope.export.comparison import ParityReport
    from rotoscope.export.convert import ExportReport
    from rotoscope.export.options import ExportKeywords
    from rotoscope.metrics.evaluation import Evaluation
    from rotoscope.metrics.evaluator import LpipsNetwork
    from rotoscope.runtime.models.model_file import ModelFile
    from rotoscope.training.loop.run import TrainingResult
    from rotoscope.training.loop.trainer import TrainingProgress
    from rotoscope.training.options import DistillOptions, RunOptions, SystemOptions

CALIBRATION_FRAMES = 8  # of an int8 export


def load(
    model: str | Path,
    *,
    engine: EngineName = "onnxruntime",
    threads: int | None = None,
    **options: Unpack[ModelKeywords],
) -> Model:
    """Open a model: the name of a bundled look, the path of an .onnx file, or of a checkpoint.

    A checkpoint is exported once, proved against the original, and kept in the user's cache; with `engine="torch"` it runs
    as it is.

    engine   what runs it
    threads  cores of its own calls; by default all
    The other keywords are those of `translate` that concern a model: `precision`, `device`, `working_size`, `fit`, `style`,
    `hints`, `input_range`, `channel_order` ...; the model carries them wherever it is used.
    Raises ModelRefused if the file cannot be used, UsageError for options that cannot work.
    """
    check_known(options, ModelOptions)
    return Model.open(model, ModelOptions(engine=engine, **options), threads=threads)


def translate(
    source: str | Path,
    target: str | Path | None = None,
    *,
    model: Named | Sequence[Named],
    engine: EngineName | None = None,
    threads: int | None = None,
    in_flight: int | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    **options: Unpack[TranslateKeywords],
) -> Run:
    """Translate a video, picture or image sequence; return what ran and how it went.

    source     a file, folder, glob, %05d pattern, or "-" (y4m on standard input)
    target     where the result goes; by default `<source>.<model>.<ending>` in the current folder
    model      a bundled look, an .onnx file, a checkpoint, a loaded Model, or several of them: a chain. Options given here
               override those of a loaded model.
    threads    cores that engine, kernels and codecs share; by default all
    in_flight  frames in the network at once; by default one for each core, at most 8, and 1 for models with state
    on_progress  called after every frame, on this thread
    The other keywords are the fields of SourceOptions, ModelOptions, SteadyOptions and OutputOptions in
    `rotoscope.base.options`, which describe them.

    Ctrl-C or SIGTERM while the source is a pipe ends the stream: the result is finished, and `Run.stopped_by` is the signal.
    Raises a RotoscopeError with one line that says what is wrong.
    """
    check_known(options, SourceOptions, ModelOptions, SteadyOptions, OutputOptions)
    chain = as_chain(model)
    given = model_keywords(options, engine)
    threads = threads or threads_of(chain)
    job = Job(
        source=str(source),
        target=None if target is None else str(target),
        source_options=options_from(SourceOptions, options),
        steady_options=options_from(SteadyOptions, options),
        output_options=options_from(OutputOptions, options),
        threads=threads,
        in_flight=in_flight,
    )
    num_threads = usable_cores() if threads is None else threads
    return run_job(
        job,
        lambda: open_chain(chain, given),
        flow=flow_source(job.steady_options, num_threads),
        interpolator=interpolator(job.steady_options, num_threads),
        on_progress=on_progress,
    )


def rgb(picture: Picture) -> NDArray[np.uint8]:
    """A decoded or translated picture, such as `frame.source` of `read`, as (H,W,3) uint8 RGB."""
    return rgb_picture(picture)


def read(
    source: str | Path,
    *,
    start: float | None = None,
    duration: float | None = None,
    rate: float = 25.0,
    unconverted: bool = False,
) -> MediaSource:
    """Open a video, picture or sequence; iterate over it once for frames, close it or use it in a `with` block.

    start, duration  seconds; by default everything
    rate             frames per second of an image sequence
    unconverted      give the stored numbers of a PNG (palette indices, label ids, 16-bit values), not colours
    Frames carry integer times with a time base and a `source` Picture of code values. Raises InputRefused.
    """
    chosen = SourceOptions(start=start, duration=duration, rate=rate)
    return open_source(
        str(source),
        start=None if start is None else Fraction(start).limit_denominator(1_000_000),
        duration=None if duration is None else Fraction(duration).limit_denominator(1_000_000),
        rate=exact_rate(chosen.rate),
        threads=0,
        unconverted=unconverted,
    )


def write(target: str | Path, frames: Iterable[Frame], **options: Unpack[OutputKeywords]) -> int:
    """Encode frames that carry a float result, each at its own time; return how many.

    The first frame decides the size. Keywords: `codec`, `encoder_options` and `overwrite`, as in `translate`. The frames stay
    as they are. Raises UsageError for frames without a float result.
    """
    check_known(options, also=("codec", "encoder_options", "overwrite"))
    return write_frames(Path(target), frames, options_from(OutputOptions, options))


def evaluate(
    source: str | Path,
    result: str | Path,
    reference: str | Path | None = None,
    *,
    flow: str = "dis",
    lpips: Sequence[str | Path] = (),
    lpips_network: LpipsNetwork = "squeeze",
    inception: str | Path | None = None,
    i3d: str | Path | None = None,
    patches: bool = False,
    start: float | None = None,
    duration: float | None = None,
    rate: float = 25.0,
) -> Evaluation:
    """Measure how steady a translated video is, and how close to a frame-wise translation.

    source, result  videos, folders or patterns of pictures, with the same number of frames, sizes and times
    reference       the same translation frame by frame (`steady="off"`); None: measure the result alone
    flow            estimates the motion: "dis" or "onnx:FILE"
    lpips           weights of LPIPS: one file, or the learned weights and those of the backbone `lpips_network`
    inception, i3d  weights of Inception-v3 for FID, of I3D for VFID and VLPIPS
    patches         also C_PSNR and C_SSIM, which takes longer than everything else
    start, duration seconds of the source that the result was translated from
    rate            frames per second of image sequences
    Raises InputRefused if the videos do not match, UsageError if weights need torch or a reference and there is none.
    """
    from rotoscope.metrics.evaluator import Evaluator

    measure = Evaluator(
        measuring_flow(flow), lpips=lpips, lpips_network=lpips_network, inception=inception, i3d=i3d, patches=patches,
        start=start, duration=duration, rate=rate,
    )  # fmt: skip
    return measure(str(source), str(result), None if reference is None else str(reference))


def compare(
    source: str | Path,
    models: Sequence[Named],
    *,
    frames: int = 4,
    height: int = 240,
    engine: EngineName | None = None,
    **options: Unpack[ModelKeywords],
) -> NDArray[np.uint8]:
    """Draw a contact sheet, (H,W,3) uint8 RGB: a row for each frame, a column for the source and for each model.

    frames   number of frames, spread evenly over the source
    height   of each picture on the sheet, in pixels
    engine, options  as in `load`
    """
    from rotoscope.plots.contact_sheet import compare as drawn

    check_known(options, ModelOptions)
    given = model_keywords(options, engine)
    opened = (open_chain([model], given)[0] for model in models)
    return drawn(str(source), ((model.name, model) for model in opened), frames=frames, height=height)


def export_model(
    checkpoint: str | Path | Sequence[str | Path],
    target: str | Path,
    *,
    calibrate: str | Path | None = None,
    overwrite: bool = False,
    **options: Unpack[ExportKeywords],
) -> ExportReport:
    """Export a checkpoint to a model file, after proving that the file gives the same results; needs the extra `export`.

    checkpoint  .pth, .pt, .ckpt, .safetensors or .npz, read without running code in it; or several files: the scales of a
                vid2vid model, coarsest first
    target      .onnx, or .safetensors for the weights with their description
    calibrate   a video or a folder of pictures like those that will be translated; needed for int8, and only for int8
    overwrite   replace the target if it exists
    The other keywords are the fields of `rotoscope.export.options.ExportOptions`: `name`, `hints`, `precision` ...
    Raises ModelRefused if the checkpoint cannot be read, exported or proved, UsageError for options that do not fit.
    """
    from rotoscope.export.options import ExportOptions

    check_known(options, ExportOptions)
    chosen = ExportOptions(**options)
    paths = [Path(checkpoint)] if isinstance(checkpoint, (str, Path)) else [Path(item) for item in checkpoint]
    if not paths:
        raise UsageError("no checkpoint given; accepted: a file, or the scales of a vid2vid model")
    check_torch(paths[0])
    inputs = [*paths, *(Path(item) for item in (chosen.first_frame, calibrate) if item is not None)]
    for item in inputs:
        check_target(Path(target), source=item, overwrite=overwrite)
    if (chosen.precision == "int8") != (calibrate is not None):
        raise UsageError("--precision int8 and --calibrate CLIP go together")
    from rotoscope.export.convert import convert
    from rotoscope.metrics.matched import spread_frames

    pictures = [] if calibrate is None else spread_frames(str(calibrate), CALIBRATION_FRAMES)[0]
    return convert(
        paths, Path(target), chosen, proving_engine, pictures=[Picture((picture,)) for picture in pictures],
        overwrite=overwrite,
    )  # fmt: skip


def parity(
    a: str | Path,
    b: str | Path,
    *,
    clip: str | Path | None = None,
    frames: int = 16,
    mask: str | Path | None = None,
    working_size: str | None = None,
    size: str | Size | None = None,
    hints: Sequence[str] = (),
    save: str | Path | None = None,
    overwrite: bool = False,
    bisect: bool = False,
    threads: int | None = None,
) -> ParityReport:
    """Compare two forms of one network on random inputs, and on frames of a clip.

    a, b          a form is a checkpoint, an .onnx file or a look, and how it runs: "net.pth", "net.onnx@openvino:bf16",
                  "net.pth@torch:fp16:cuda", "net.pth@torch:compiled"
    clip          a video, folder or pattern; if one form has a lower precision, E_warp of both translations is compared too
    frames        number of frames of the clip, at least 1
    mask          masks of the clip, for networks that fill holes
    working_size  size at which the networks see the clip, "640x360" or "360p"; by default the size of the clip
    size          size of the random inputs, "256x256" or (width, height); by default 128x96 and 136x72
    hints         KEY=VALUE that an ambiguous checkpoint needs
    save          write a .png of the frame that differs most; `overwrite` replaces it
    bisect        name the first tensor of two .onnx files that differs by more than the bound
    threads       by default all cores
    `report.is_within` says whether every bound holds. Raises ModelRefused for forms of different networks.
    """
    from rotoscope.assembly.forms import open_form
    from rotoscope.export.comparison import SIZES, compare_forms, write_worst_picture

    if save is not None:
        inputs = [Path(str(spec).partition("@")[0]) for spec in (a, b)]
        for item in (*inputs, *(Path(name) for name in (clip, mask) if name is not None)):
            check_target(Path(save), source=item, overwrite=overwrite)
    if frames < 1:
        raise UsageError(f"--frames {frames}; at least 1")
    sizes = SIZES if size is None else [parse_size(size, (1, 1)) if isinstance(size, str) else size]
    threads = threads or usable_cores()
    first, second = (open_form(str(spec), hints=hints, threads=threads, working_size=working_size) for spec in (a, b))
    is_ids = first.file.manifest.frame.is_ids
    report = compare_forms(
        first, second, sizes=sizes, bisect=bisect, threads=threads, flow=measuring_flow("dis"),
        frames=None if clip is None else lambda: _clip_frames(clip, mask, frames, is_ids),
    )  # fmt: skip
    if save is not None:
        write_worst_picture(report.last, Path(save), overwrite=overwrite)
    return report


def _clip_frames(clip: str | Path, mask: str | Path | None, count: int, is_ids: bool) -> Iterator[Frame]:
    """Decode the first `count` frames of a clip, with masks; `is_ids`: as the stored numbers of a label map."""
    with read(clip, unconverted=is_ids) as source:
        decoded = islice(source, count)
        if mask is None:
            yield from decoded
        else:
            with read(mask) as masks:
                yield from with_masks(decoded, masks)


def encode(
    model: Named,
    picture: str | Path,
    target: str | Path | None = None,
    *,
    engine: EngineName | None = None,
    working_size: str | None = None,
    overwrite: bool = False,
) -> NDArray[np.float32]:
    """Encode a picture file, or the first frame of a video, to a code such as the style that `translate(style=...)` takes.

    model         of kind "encode", such as `export_model(..., part="style-encoder")` writes it
    target        write the code there too, as .npy
    working_size  size at which the network sees the picture, "640x360" or "256p"; by default the size of the picture
    Returns float32; a style is (1,S,1,1). For an image in memory, use `load(model).encode(image)`.
    """
    if target is not None:
        if Path(target).suffix.lower() != ".npy":
            raise UsageError(f"{target}: a code ends in .npy")
        check_target(Path(target), source=Path(picture), overwrite=overwrite)
    given: ModelKeywords = {} if working_size is None else {"working_size": working_size}
    (encoder,) = open_chain([model], model_keywords(given, engine))
    with read(picture) as frames:
        frame = next(iter(frames), None)
        if frame is None:
            raise InputRefused(f"{picture}: no frame in it")
        code = encoder.encode(rgb(frame.source))
    if target is not None:
        import numpy as np

        with part_file(Path(target), overwrite=overwrite) as part:
            np.save(part, code, allow_pickle=False)
    return code


def build(
    model: str | Path,
    *,
    sizes: Sequence[str | Size] = (),
    on_progress: Callable[[str, float], None] | None = None,
) -> Path:
    """Build a TensorRT engine of an .onnx file for this machine's GPU, and return its file in the user's cache.

    sizes        of the pictures, "1280x720" or (width, height): one size, which is fastest, or the smallest, the usual and the
                 largest
    on_progress  called with the name of a phase and the share of it that is done, 0 to 1
    """
    if len(sizes) not in (0, 1, 3):
        words = " ".join(str(size) for size in sizes)
        raise UsageError(f"--size {words}; accepted: one size, or the smallest, the usual and the largest")
    check_installed("tensorrt")
    file = open_model(Path(model))
    from rotoscope.runtime.engines.tensorrt_build import build_engine

    pixels = [parse_size(size, (1, 1)) if isinstance(size, str) else size for size in sizes]
    if len(pixels) == 1:
        pixels *= 3
    chosen = (pixels[0], pixels[1], pixels[2]) if pixels else None
    return build_engine(file, sizes=chosen, on_progress=on_progress)


def info(
    file: str | Path, *, write: str | Path | None = None, **overrides: Unpack[ModelKeywords]
) -> ModelFile | MediaInfo:
    """Open a video, picture, .onnx file, bundled look or checkpoint, and return what it is.

    write      write a copy of an .onnx file with its manifest inside; the target must not exist
    overrides  replace what was inferred: `input_range`, `output_range`, `channel_order`, `multiple`; `hints` of a checkpoint
    Returns a ModelFile, with `manifest`, `sha256`, `num_parameters` and the reasons in `inferred`; or for a video or picture a
    MediaInfo with `info` and `notes`.
    """
    check_known(overrides, ModelOptions)
    options = ModelOptions(**overrides)
    name = str(file)
    is_weights, is_graph = is_checkpoint(Path(name)), is_model_name(name)
    if write is not None and is_weights:
        raise UsageError(f"--write is for model files; rotoscope export {name} makes one")
    if write is not None and not is_graph:
        raise UsageError(f"--write is for models; {name} is not an .onnx file or a bundled look")
    if write is not None and Path(write).exists():
        raise UsageError(f"{write} exists")
    if not (is_weights or is_graph):
        with read(name) as source:
            return MediaInfo(source.info, tuple(source.notes))
    path = model_path(name)
    model = open_for_torch(path, options)[0] if is_weights else open_model(path, options.overrides())
    if write is not None:
        with part_file(Path(write), overwrite=False) as part:
            write_described(model.path, model.manifest, part)
    return model


@dataclass(frozen=True)
class MediaInfo:
    """What a video or picture is: its header, and notes about what will be treated specially."""

    info: VideoInfo
    notes: tuple[str, ...]


def train(
    options: SystemOptions,
    run: RunOptions,
    *,
    resume: bool = False,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingResult:
    """Train a system in the folder `run.out`; needs the extra `train`.

    options  of the system, such as `rotoscope.training.options.CycleGanOptions(a="A", b="B")`
    run      folder, length, devices, checkpoints: `rotoscope.training.options.RunOptions(out="RUN")`
    resume   continue from the newest checkpoint of the folder instead of starting in a new or empty folder
    Raises UsageError, InputRefused (data), ModelRefused (weights) or OutputFailed.
    """
    with needs_extra("train"):
        from rotoscope.training.systems import runs

    return runs.train(options, run, resume=resume, open_teacher=load, on_progress=on_progress)


def distill(
    options: DistillOptions,
    run: RunOptions,
    *,
    fps: float | None = None,
    macs: float | None = None,
    size: Size = (640, 360),
    on_candidate: Callable[[int, float], None] = lambda _width, _cost: None,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingResult:
    """Train a compact student of `options.teacher`, as wide as a budget allows; needs the extra `train`.

    fps           budget: frames per second of the network alone at `size`, measured on this machine's ONNX Runtime
    macs          or: multiply-adds for one frame of `size`
    size          (width, height)
    on_candidate  receives width in channels and seconds (or multiply-adds) of each student that is considered
    """
    with needs_extra("train"):
        from rotoscope.training.systems import runs

    return runs.distill(
        options, run, open_teacher=load, fps=fps, macs=macs, size=size, time_student=_seconds_of_student,
        on_candidate=on_candidate, on_progress=on_progress,
    )  # fmt: skip


def _seconds_of_student(width: int, size: Size) -> float:
    """Seconds of ONNX Runtime for a frame of (width, height) with an untrained student of `width` channels."""
    from rotoscope.assembly.call_time import seconds_per_call
    from rotoscope.export.onnx import export_onnx
    from rotoscope.export.options import ExportOptions
    from rotoscope.training.systems.distill import untrained_student

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that these networks do not need
    with TemporaryDirectory() as folder:
        file = Path(folder) / "student.onnx"
        export_onnx(untrained_student(width), file, ExportOptions(name="student"))
        return seconds_per_call(file, size)
