"""One run: a source, the stages, a sink. `run_job` is the main path; every statement of its body is a step."""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from rotoscope.base.device import Device
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame, VideoInfo
from rotoscope.base.gpu_run import SLOTS, GpuRun
from rotoscope.base.options import OutputOptions, SourceOptions, SteadyOptions
from rotoscope.base.rates import exact_rate
from rotoscope.base.signals import Terminated
from rotoscope.base.sink import Sink, finishing
from rotoscope.base.times import peak_memory_mb
from rotoscope.kernels.rows import Workers, usable_cores
from rotoscope.runtime.media.copied_streams import CopiedStreams
from rotoscope.runtime.media.nvdec import DEPTHS, why_not
from rotoscope.runtime.media.open_sink import open_sink
from rotoscope.runtime.media.open_source import MediaSource, open_source
from rotoscope.runtime.media.segment_sink import SegmentSink
from rotoscope.runtime.media.video_source import LOST_FRAMES
from rotoscope.runtime.motion.estimator import FlowSource
from rotoscope.runtime.network.pair import InterpolationModel
from rotoscope.runtime.network.statistics import Calibration, calibrate
from rotoscope.runtime.pipeline.companions import with_drawings, with_instances, with_masks
from rotoscope.runtime.pipeline.future import parted
from rotoscope.runtime.pipeline.output import (
    OutputPlan,
    check_named_target,
    check_target_fits,
    format_notes,
    plan_output,
)
from rotoscope.runtime.pipeline.segmentation import Resumption, Segmented, plan_segments
from rotoscope.runtime.pipeline.stages import RunnableModel, Stages, check_beside
from rotoscope.runtime.pipeline.stopping import StopRequest, stop_on_signals
from rotoscope.runtime.steady.flicker import FlickerChange


@dataclass(frozen=True, kw_only=True)
class Job:
    """A translation to be done, without the models.

    source     a video, picture, folder, glob, %05d pattern, or "-" for y4m on standard input
    target     a video or picture name, a folder, a %05d pattern, "-" for y4m on standard output, or None: named after source
               and model, in the current folder
    threads    cores that engine, kernels and codecs share; None: all
    in_flight  frames in the network at once; None: one for each core, at most 8, and 1 for models with state
    segments   write the result in segments, and use those of an interrupted run; None: at once
    """

    source: str
    target: str | None = None
    source_options: SourceOptions = field(default_factory=SourceOptions)
    steady_options: SteadyOptions = field(default_factory=SteadyOptions)
    output_options: OutputOptions = field(default_factory=OutputOptions)
    threads: int | None = None
    in_flight: int | None = None
    segments: Segmented | None = None


@dataclass(frozen=True)
class Progress:
    """State of a run; `total` comes from the header and may be None or wrong."""

    done: int
    total: int | None
    seconds: float
    shares: dict[str, float]


@dataclass(frozen=True)
class Run:
    """Record of a finished run: what ran, and how it went.

    seconds     of the whole run; `first_frame_seconds` until the first frame was written
    losses      cause -> number of frames or packets that could not be delivered
    kept        streams of the source that were copied, for example "audio 1 (aac)"
    stages      per stage: share of the time, total seconds, p50_ms, p90_ms, p95_ms, p99_ms
    stopped_by  number of the signal that ended an endless source; None if the source ended by itself
    """

    source: str
    target: str
    models: tuple[str, ...]
    model_sha256: tuple[str, ...]
    engine: str
    steady: str
    flicker: FlickerChange | None
    encoder: str
    frames_in: int
    frames_out: int
    seconds: float
    first_frame_seconds: float
    width: int
    height: int
    losses: dict[str, int] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    stopped_by: int | None = None

    @property
    def fps(self) -> float:
        """Frames per second of the whole run, everything included."""
        return self.frames_out / self.seconds if self.seconds else 0.0


def run_job(
    job: Job,
    open_models: Callable[[], Sequence[RunnableModel]],
    *,
    flow: FlowSource | None = None,
    interpolator: InterpolationModel | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Run:
    """Translate a source into a target; raises a RotoscopeError with one line that says what is wrong.

    open_models         called once the target's name and the source have been checked: opening a model can take minutes
    flow, interpolator  networks in place of DIS and of moving both frames
    """
    begin = time.perf_counter()
    check_named_target(job.source, job.target, job.output_options)
    options = job.source_options
    with ExitStack() as stack:
        workers = Workers(usable_cores() if job.threads is None else job.threads)
        stack.callback(workers.close)
        stack.enter_context(workers.active())
        sources, models = _opened(job, open_models)
        stack.callback(sources.close)
        future, models = parted(
            models, options.ahead, resumes=job.segments is not None and job.segments.is_required,
            steady=job.steady_options, output=job.output_options,
        )  # fmt: skip
        check_beside(models[0].file, mask=options.mask, instances=options.instances, drawings=options.drawings)
        steady = job.steady_options if future is None else future.steady(job.steady_options)
        stages = Stages(
            models, steady, workers=workers, in_flight=job.in_flight, flow=flow, interpolator=interpolator,
            calibration=_calibration(job, models[0], workers), gpu_slots=SLOTS,
        )  # fmt: skip
        stack.callback(stages.close)
        sources, decoder_note = _decoding_on_gpu(job, sources, stages)
        stack.callback(sources.close)
        plan = plan_output(job.source, job.target, sources.main, stages, job.output_options)
        if future is not None:
            future.check_target(plan)
        resumed = _resumed(job, sources.main, plan, stages, stack)
        writer = stack.enter_context(
            finishing(
                lambda: _open_sink(
                    job.source,
                    plan,
                    sources.main,
                    job.output_options,
                    resumed,
                    one_channel=future is not None and future.shows_numbers,
                ),
                lambda: stages.times.measure("encode"),
            )
        )
        stop = stack.enter_context(stop_on_signals(sources.interrupt, enabled=sources.is_endless))
        frames = sources.frames(lambda decoded: stages.times.measure_each("decode", decoded))
        if resumed is not None:
            frames = resumed.needed(frames)
        if future is not None:
            frames = future.continued(frames, workers.threads)
        first_frame_seconds = 0.0
        with closing(stages.line(frames, plan.finish, interrupt=sources.interrupt)) as finished:
            for frame in finished:
                with stages.times.measure("encode"):
                    writer.write(frame)
                elapsed = time.perf_counter() - begin
                first_frame_seconds = first_frame_seconds or elapsed
                total = _expected(sources.main.info, options)
                on_progress(Progress(writer.num_frames, total, elapsed, stages.times.shares()))
                if resumed is not None and resumed.is_over(frame):
                    break
        _check_stopped_run(stop, writer.num_frames)
    main = sources.main
    files = [*([future.predictor.file] if future else []), *(stages.models if not (future and future.is_alone) else [])]
    notes = [*main.notes, *format_notes(main.info, plan), *writer.notes, *stages.notes, *filter(None, [decoder_note])]
    return Run(
        source=job.source,
        target="-" if plan.path is None else str(plan.path),
        models=tuple(file.name for file in files),
        model_sha256=tuple(file.sha256 for file in files),
        engine=stages.description,
        steady=stages.steadiness.description,
        flicker=meter.measured if (meter := stages.steadiness.flicker) else None,
        encoder=plan.description,
        frames_in=sources.num_frames + sum(main.losses[loss] for loss in LOST_FRAMES),
        frames_out=writer.num_frames,
        seconds=time.perf_counter() - begin,
        first_frame_seconds=first_frame_seconds,
        width=plan.finish.written_size[0],
        height=plan.finish.written_size[1],
        losses={**main.losses, **writer.losses},
        kept=tuple(writer.kept),
        notes=tuple(notes),
        stages=stages.times.summary(),
        peak_memory_mb=peak_memory_mb(),
        stopped_by=stop.number,
    )


def _opened(job: Job, open_models: Callable[[], Sequence[RunnableModel]]) -> tuple["_Sources", Sequence[RunnableModel]]:
    """Open the sources, then the models, so that a source that cannot be read is refused first."""
    early = None if job.source == "-" else _Sources(job, unconverted=False)
    try:
        if early is not None:
            check_target_fits(job.target, early.main, job.source_options)
        models = open_models()
        is_ids = models[0].file.manifest.frame.is_ids
        if early is not None and not is_ids:
            return early, models
    except BaseException:
        if early is not None:
            early.close()
        raise
    if early is not None:  # label maps are read as numbers, which is known only now
        early.close()
    return _Sources(job, unconverted=is_ids), models


class _Sources:
    """The main source with its masks and instance maps, opened for one pass.

    num_frames  frames that the main source has delivered
    """

    def __init__(self, job: Job, *, unconverted: bool, gpu: GpuRun | None = None) -> None:
        self.num_frames = 0
        self._stopped = threading.Event()
        options = job.source_options
        with ExitStack() as stack:

            def opened(text: str, *, unconverted: bool = False, device: Device | None = None) -> MediaSource:
                source = _open(text, job, unconverted=unconverted, device=device)
                stack.callback(source.close)
                return source

            with nullcontext() if gpu is None else gpu.active():
                self.main = opened(job.source, unconverted=unconverted, device=None if gpu is None else gpu.device)
            self._masks = None if options.mask is None else opened(options.mask)
            self._maps = None if options.instances is None else opened(options.instances, unconverted=True)
            self._drawings = None if options.drawings is None else opened(options.drawings)
            self._closing = stack.pop_all()

    @property
    def is_endless(self) -> bool:
        """Whether the run is normally ended by stopping it."""
        return self.main.is_endless

    def frames(
        self, measured: Callable[[Iterable[Frame]], Iterable[Frame]] = lambda decoded: decoded
    ) -> Iterable[Frame]:
        """The frames with what is read beside them; `measured` wraps the decoding of the main source."""
        frames: Iterable[Frame] = self._counted(measured(self.main))
        if self._masks is not None:
            frames = with_masks(frames, self._masks, stopped=self._stopped.is_set)
        if self._maps is not None:
            frames = with_instances(frames, self._maps, stopped=self._stopped.is_set)
        if self._drawings is not None:
            frames = with_drawings(frames, self._drawings, stopped=self._stopped.is_set)
        return frames

    def interrupt(self) -> None:
        """End all waits, from any thread or a signal handler: the frames end soon, without an error."""
        self._stopped.set()
        for source in (self.main, self._masks, self._maps, self._drawings):
            if source is not None:
                source.interrupt()

    def close(self) -> None:
        """Release everything."""
        self._closing.close()

    def _counted(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.num_frames += 1
            yield frame


def _decoding_on_gpu(job: Job, sources: "_Sources", stages: Stages) -> tuple["_Sources", str]:
    """Return sources that the GPU decodes, if it can and shall; and a note if it shall but cannot.

    Raises UsageError for `decode="cuda"` where it cannot.
    """
    wanted, gpu = job.source_options.decode, stages.gpu
    if wanted == "cpu" or (gpu is None and wanted == "auto"):
        return sources, ""
    info = sources.main.info
    if gpu is None:
        reason = "pictures do not stay on a GPU in this run"
    elif sources.is_endless or not Path(job.source).is_file():
        reason = "only video files are decoded on a GPU"
    elif stages.models[0].manifest.frame.is_ids:
        reason = "label maps are read as numbers"
    elif job.source_options.ahead:
        reason = "predicted label maps are on the CPU"
    elif job.source_options.deinterlace or job.output_options.hdr:
        reason = "frames are deinterlaced and toned on the CPU"
    else:
        reason = why_not(info)
    if not reason:
        sources.close()
        notes = sources.main.notes  # some come from side data, which a surface does not show
        sources = _Sources(job, unconverted=False, gpu=gpu)
        sources.main.notes[:] = notes
        if sources.main.info.pixel_format in DEPTHS:
            return sources, ""
        reason = "the GPU's decoder did not take it"
    if wanted == "cuda":
        sources.close()
        raise UsageError(f"--decode cuda: {reason}; accepted here: auto, cpu")
    return sources, f"decoded on the CPU: {reason}"


def _open(text: str, job: Job, *, unconverted: bool = False, device: Device | None = None) -> MediaSource:
    options = job.source_options
    return open_source(
        text,
        start=_exact(options.start),
        duration=_exact(options.duration),
        rate=exact_rate(options.rate),
        threads=job.threads or 0,
        unconverted=unconverted,
        gpu=device,
        keep_alpha=job.output_options.alpha == "keep",
        deinterlace=options.deinterlace,
        hdr=job.output_options.hdr,
    )


def _exact(seconds: float | None) -> Fraction | None:
    return None if seconds is None else Fraction(seconds).limit_denominator(1_000_000)


def _calibration(job: Job, model: RunnableModel, workers: Workers) -> Calibration | None:
    """Shared statistics, measured on a pass of their own; None for models without them, and for a pipe."""
    manifest = model.file.manifest
    if not manifest.shares_statistics or job.source == "-":
        return None
    with closing(_Sources(job, unconverted=manifest.frame.is_ids)) as again:
        # An engine of its own: it would keep the memory of the batch, and it has all threads.
        engine = model.engine(threads=workers.threads, calls=1, shared=False)
        return calibrate(model.file, engine, again.frames(), model.options)


def _check_stopped_run(stop: StopRequest, num_frames: int) -> None:
    if stop.is_made() and not num_frames:
        raise Terminated if stop.number == signal.SIGTERM else KeyboardInterrupt


def _resumed(job: Job, reader: MediaSource, plan: OutputPlan, stages: Stages, stack: ExitStack) -> Resumption | None:
    """Return the rest of a run in segments, its folder locked until the end of the stack; None: it is written at once."""
    if job.segments is None or job.source_options.ahead:
        return None
    resumed = plan_segments(
        job.segments, reader, _expected(reader.info, job.source_options), plan, stages, job.steady_options
    )
    if resumed is not None:
        stack.callback(resumed.release)
    return resumed


def _open_sink(
    source: str,
    plan: OutputPlan,
    reader: MediaSource,
    options: OutputOptions,
    resumed: Resumption | None,
    *,
    one_channel: bool = False,
) -> Sink:
    """The sink of a plan; the source's other streams are copied if they come from a file and go into a container."""
    encoding = None if plan.encoder is None or plan.video is None else (plan.video, plan.encoder)
    begin = reader.start_seconds if reader.is_cut else None
    without = source == "-" or reader.is_picture or reader.info.container in ("pictures", "gif", "webp", "synthetic")
    copied = None
    if not without and plan.path is not None and encoding is not None:
        copied = CopiedStreams(Path(source), begin=begin, end=reader.end_seconds, audio=options.audio)
    starts = [reader.start_seconds, copied.earliest_start(plan.muxer) if copied is not None else None]
    earliest = min(start for start in starts if start is not None)
    offset = -reader.start_seconds if reader.is_cut else max(Fraction(0), -earliest)
    if resumed is not None and plan.path is not None and encoding is not None:
        return SegmentSink(
            resumed.rule, resumed.segments, plan.path, *encoding, copied,
            offset=offset, overwrite=options.overwrite, source=source,
        )  # fmt: skip
    return open_sink(
        plan.path,
        encoding,
        copied,
        offset=offset,
        overwrite=options.overwrite,
        sources=reader.files,
        source=source,
        quality=options.quality,
        is_picture=reader.is_picture,
        one_channel=one_channel,
    )


def _expected(info: VideoInfo, options: SourceOptions) -> int | None:
    """About how many frames will come, for progress only."""
    rate = float(info.average_rate) if info.average_rate else None
    if options.ahead:
        return None
    whole = info.num_frames_from_header or (
        round(info.duration_seconds * rate) if info.duration_seconds and rate else None
    )
    if (options.start is None and options.duration is None) or not rate or whole is None:
        return whole
    rest = whole - (options.start or 0) * rate
    return max(1, round(min(rest, options.duration * rate) if options.duration is not None else rest))
