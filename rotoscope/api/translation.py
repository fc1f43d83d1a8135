"""Functions that open models and translate: load, translate, read, write, rgb."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rotoscope.assembly.chain import Named
from rotoscope.assembly.file_translation import translate_file
from rotoscope.assembly.model import Model
from rotoscope.assembly.styles import styled
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Picture
from rotoscope.base.option_checks import check_count, check_known
from rotoscope.base.option_keywords import ModelKeywords, OutputKeywords, TranslateKeywords
from rotoscope.base.options import (
    THREADS,
    EngineName,
    ModelOptions,
    OutputOptions,
    SourceOptions,
    check_options,
    options_from,
)
from rotoscope.base.rates import exact_rate
from rotoscope.jobs.resume import SEGMENT_SECONDS, resumable
from rotoscope.kernels.float_picture import rgb_picture
from rotoscope.runtime.media.open_source import MediaSource, open_source
from rotoscope.runtime.pipeline.job import Progress, Run
from rotoscope.runtime.pipeline.write import write_frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rotoscope.base.frame import Frame


def load(
    model: str | Path | Sequence[str | Path],
    *,
    engine: EngineName = "onnxruntime",
    threads: int | None = None,
    **options: Unpack[ModelKeywords],
) -> Model:
    """Open a model: the name of a bundled look, the path of an .onnx file or of a checkpoint, or a style encoder and its model.

    A checkpoint is exported once, proved against the original, and kept in the user's cache; with `engine="torch"` the
    checkpoint itself runs, without an export.

    engine   engine that runs it
    threads  cores of its own calls; by default all
    The other keywords are those of `translate` that concern a model: `precision`, `device`, `working_size`, `fit`, `style`,
    `hints`, `input_range`, `channel_order` ...; the model carries them wherever it is used. `style` may be a picture, (H,W,3)
    uint8 RGB, for models that take any style.
    Raises ModelRefused if the file cannot be used, UsageError for options that cannot work.
    """
    check_known(options, ModelOptions)
    check_count("threads", threads, THREADS)
    if isinstance(model, str | Path):
        return styled([Model.open(model, ModelOptions(engine=engine, **options), threads=threads)])[0]
    opened = styled([Model.open(name, ModelOptions(engine=engine, **options), threads=threads) for name in model])
    if len(opened) != 1:
        raise UsageError(
            f"{len(opened)} models; accepted: one, or a style encoder and its model. translate takes a chain"
        )
    return opened[0]


def translate(
    source: str | Path,
    target: str | Path | None = None,
    *,
    model: Named | Sequence[Named],
    engine: EngineName | None = None,
    threads: int | None = None,
    in_flight: int | None = None,
    resume: bool = False,
    segment: float = SEGMENT_SECONDS,
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
    resume     write the result in segments, which stay when the run is interrupted; the same call then goes on after the last
               complete one. They are kept in `.rotoscope` beside the result, until it is complete.
    segment    with resume: length of a segment in seconds; it ends at the next scene cut, or where the state allows it
    on_progress  called after every frame, on this thread
    The other keywords are the fields of SourceOptions, ModelOptions, SteadyOptions and OutputOptions in
    `rotoscope.base.options`, which describe them.

    Ctrl-C or SIGTERM while the source is a pipe ends the stream: the result is finished, and `Run.stopped_by` is the signal.
    Raises a RotoscopeError with one line that says what is wrong.
    """
    options_kept: Mapping[str, Any] = options
    segments = None
    if resume:
        given = {**options, **({} if engine is None else {"engine": engine})}
        check_options(given)
        model, segments = resumable(str(source), None if target is None else str(target), model, given, segment)
        options_kept = {name: value for name, value in options.items() if name not in ModelOptions.__annotations__}
        engine = None  # the models have their options
    return translate_file(
        str(source),
        None if target is None else str(target),
        model,
        options_kept,
        engine=engine,
        segments=segments,
        threads=threads,
        in_flight=in_flight,
        on_progress=on_progress,
    )


def rgb(picture: Picture) -> NDArray[np.uint8]:
    """A decoded or translated picture, such as `frame.source` of `read`, as (H,W,3) uint8 RGB."""
    pixels: NDArray[np.uint8] = rgb_picture(picture)
    return pixels


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

    The first frame decides the size. Several frames into one .tif become its pages, into one .webp an animation. Keywords:
    `codec`, `encoder_options`, `quality`, `passes` and `overwrite`, as in `translate`. The frames stay as they are. Raises
    UsageError for frames without a float result.
    """
    check_known(options, also=("codec", "encoder_options", "quality", "passes", "overwrite"))
    return write_frames(Path(target), frames, options_from(OutputOptions, options))
