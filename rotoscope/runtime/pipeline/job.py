"""The main path: one source, one translator, one result. Every statement of `run_job` is a stage."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from rotoscope.base.frame import Frame, VideoInfo
from rotoscope.base.options import Run, TranslateOptions
from rotoscope.base.prefetch import prefetch
from rotoscope.base.rates import exact_rate
from rotoscope.base.sink import Sink, finishing
from rotoscope.kernels.rows import set_thread_budget, thread_budget
from rotoscope.runtime.media.copied_streams import CopiedStreams
from rotoscope.runtime.media.open_sink import open_sink
from rotoscope.runtime.media.open_source import MediaSource, open_source
from rotoscope.runtime.media.video_source import LOST_FRAMES
from rotoscope.runtime.pipeline.companions import with_instances, with_masks
from rotoscope.runtime.pipeline.output import OutputPlan, format_notes, plan_output
from rotoscope.runtime.pipeline.translator import Translator

DECODE_AHEAD = 4  # decoded frames, with their motion, that may wait for the translator


@dataclass(frozen=True)
class Progress:
    """Where a run stands; `total` is the header's word and may be None or wrong."""

    done: int
    total: int | None
    seconds: float
    shares: dict[str, float]


def run_job(
    source: str,
    target: str | None,
    make_translator: Callable[[Iterator[Frame] | None], Translator],
    options: TranslateOptions,
    *,
    unconverted: bool = False,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Run:
    """Translate a source into a target.

    source  a video, picture, folder, glob, %05d pattern, or "-" for y4m on standard input
    target  a video or picture name, a folder, a %05d pattern, "-" for y4m on standard output, or None: named after source
            and model, in the current folder
    make_translator  called once the source is open, with its frames to learn from, unless it can be read only once
    unconverted      the source's pictures are numbers, label maps, not colours
    """
    begin = time.perf_counter()
    with ExitStack() as stack:
        if options.threads is not None:
            stack.callback(set_thread_budget, thread_budget())
            set_thread_budget(options.threads)
        reader = _open(source, options, unconverted=unconverted)
        stack.callback(reader.close)
        info = reader.info
        translator = make_translator(None if source == "-" else _once_more(source, options, unconverted=unconverted))
        plan = plan_output(source, target, reader, translator, options)
        writer = stack.enter_context(finishing(_open_sink(source, plan, reader, options)))
        counted = _Counted(translator.times.measure_each("decode", reader))
        prepared = translator.prepared(_with_beside(counted, options, stack))
        ahead = prefetch(prepared, DECODE_AHEAD, interrupt=reader.interrupt)
        stack.callback(ahead.close)
        translated = stack.enter_context(closing(translator.translated(ahead, plan.finish, interrupt=reader.interrupt)))
        first_frame_seconds = 0.0
        for frame in translated:
            with translator.times.measure("encode"):
                writer.write(frame)
            first_frame_seconds = first_frame_seconds or time.perf_counter() - begin
            elapsed = time.perf_counter() - begin
            on_progress(Progress(writer.num_frames, _expected(info, options), elapsed, translator.times.shares()))
    notes = [*reader.notes, *format_notes(info, plan), *writer.notes, *translator.notes]
    return Run(
        source=source,
        target="-" if plan.path is None else str(plan.path),
        models=tuple(generator.model.name for generator in translator.generators),
        model_sha256=tuple(generator.model.sha256 for generator in translator.generators),
        engine=translator.description,
        steady=translator.steadiness.description,
        flicker=meter.measured if (meter := translator.steadiness.flicker) else None,
        encoder=plan.description,
        frames_in=counted.num + sum(reader.losses[loss] for loss in LOST_FRAMES),
        frames_out=writer.num_frames,
        seconds=time.perf_counter() - begin,
        first_frame_seconds=first_frame_seconds,
        width=plan.finish.written_size[0],
        height=plan.finish.written_size[1],
        losses={**reader.losses, **writer.losses},
        kept=tuple(writer.kept),
        notes=tuple(notes),
        stages=translator.times.summary(),
        peak_memory_mb=peak_memory_mb(),
    )


class _Counted:
    """An iterable that knows how many items it has delivered."""

    def __init__(self, items: Iterable[Frame]) -> None:
        self.items, self.num = items, 0

    def __iter__(self) -> Iterator[Frame]:
        for item in self.items:
            self.num += 1
            yield item


def peak_memory_mb() -> float | None:
    """The most memory that this process has held, in MB; None where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    # Not getrusage: its peak is inherited from the process that started this one.
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return round(int(lines["VmHWM"].split()[0]) * 1.024e-3, 1)


def _with_beside(frames: Iterable[Frame], options: TranslateOptions, stack: ExitStack) -> Iterable[Frame]:
    """The frames with what the user gave beside the source."""
    if options.mask is not None:
        frames = with_masks(frames, stack.enter_context(closing(_open(options.mask, options))))
    if options.instances is not None:
        maps = _open(options.instances, options, unconverted=True)
        frames = with_instances(frames, stack.enter_context(closing(maps)))
    return frames


def _once_more(source: str, options: TranslateOptions, *, unconverted: bool) -> Iterator[Frame]:
    """The frames of the source and what is beside them, read anew; nothing is opened before the first is asked for."""
    with ExitStack() as stack:
        reader = stack.enter_context(closing(_open(source, options, unconverted=unconverted)))
        yield from _with_beside(reader, options, stack)


def _open(source: str, options: TranslateOptions, *, unconverted: bool = False) -> MediaSource:
    return open_source(
        source,
        start=_seconds(options.start),
        duration=_seconds(options.duration),
        rate=exact_rate(options.rate),
        threads=options.threads or 0,
        unconverted=unconverted,
    )


def _seconds(value: float | None) -> Fraction | None:
    return None if value is None else Fraction(value).limit_denominator(1_000_000)


def _open_sink(source: str, plan: OutputPlan, reader: MediaSource, options: TranslateOptions) -> Sink:
    """The sink of a plan; the source's other streams are copied from a file into a container."""
    encoding = None if plan.encoder is None or plan.video is None else (plan.video, plan.encoder)
    begin = reader.start_seconds if reader.is_cut else None
    without = source == "-" or reader.is_picture or reader.info.container in ("pictures", "gif", "synthetic")
    copied = None
    if not without and plan.path is not None and encoding is not None:
        copied = CopiedStreams(Path(source), begin=begin, end=reader.end_seconds)
    starts = [reader.start_seconds, copied.earliest_start(plan.muxer) if copied is not None else None]
    earliest = min(start for start in starts if start is not None)
    return open_sink(
        plan.path,
        encoding,
        copied,
        offset=-reader.start_seconds if reader.is_cut else max(Fraction(0), -earliest),
        overwrite=options.overwrite,
        sources=getattr(reader, "files", ()),
    )


def _expected(info: VideoInfo, options: TranslateOptions) -> int | None:
    """About how many frames will come, for progress only."""
    rate = float(info.average_rate) if info.average_rate else None
    whole = info.num_frames_from_header or (
        round(info.duration_seconds * rate) if info.duration_seconds and rate else None
    )
    if (options.start is None and options.duration is None) or not rate or whole is None:
        return whole
    rest = whole - (options.start or 0) * rate
    return max(1, round(min(rest, options.duration * rate) if options.duration is not None else rest))
