"""The public functions: one call for everything that the command line can do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Unpack

from rotoscope.assembly.model import Model, Named, as_chain, model_keywords, open_chain, threads_of
from rotoscope.assembly.pair_networks import flow_source, interpolator, measuring_flow
from rotoscope.base.extras import needs_extra
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
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.kernels.rows import usable_cores
from rotoscope.runtime.media.open_source import MediaSource, open_source
from rotoscope.runtime.pipeline.job import Job, Progress, Run, run_job
from rotoscope.runtime.pipeline.write import write_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rotoscope.base.frame import Frame, Picture
    from rotoscope.base.sizes import Size
    from rotoscope.metrics.evaluation import Evaluation
    from rotoscope.metrics.evaluator import LpipsNetwork
    from rotoscope.training.loop.run import TrainingResult
    from rotoscope.training.loop.trainer import TrainingProgress
    from rotoscope.training.options import DistillOptions, RunOptions, SystemOptions


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
    from rotoscope.training.systems.distill import untrained_student

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that these networks do not need
    with TemporaryDirectory() as folder:
        file = Path(folder) / "student.onnx"
        export_onnx(untrained_student(width), file, name="student")
        return seconds_per_call(file, size)
