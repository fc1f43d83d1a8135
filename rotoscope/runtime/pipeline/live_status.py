"""The state of a live run, put together from its parts."""

from collections.abc import Iterable
from fractions import Fraction

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import VideoInfo
from rotoscope.base.live import LiveSource, LiveStatus
from rotoscope.base.shown_address import shown_address
from rotoscope.base.times import peak_memory_mb
from rotoscope.runtime.network.style import accepted_styles
from rotoscope.runtime.pipeline.live_counters import LIMITS_MS, LiveCounters
from rotoscope.runtime.pipeline.live_job import LiveJob, StagesRequest
from rotoscope.runtime.pipeline.live_line import LiveLine
from rotoscope.runtime.pipeline.live_outputs import LiveOutputs

BEFORE_READY = "before the models were ready"  # a cause of losses
DEFAULT_RATE = Fraction(30)  # of a source that does not say


def status_of(
    job: LiveJob,
    request: StagesRequest,
    *,
    source: LiveSource,
    counters: LiveCounters,
    outputs: LiveOutputs,
    line: LiveLine | None,
    models: tuple[str, ...],
    messages: Iterable[str],
    has_ended: bool,
) -> LiveStatus:
    """The state now.

    request   what the running stages were made of
    line      None before the models are warm
    models    as in LiveStatus
    messages  about changes that failed
    """
    info = info_of(source)
    recent = counters.recent(frame_s_of(info))
    stages = None if line is None else line.stages
    steadier = None if stages is None else stages.steadiness.steadier
    keys = None if stages is None else stages.steadiness.keys
    styles = [] if stages is None else [accepted_styles(file.manifest) for file in stages.models]
    early = {BEFORE_READY: counters.early} if counters.early else {}
    return LiveStatus(
        seconds=counters.seconds,
        source=shown_address(job.source),
        source_state="ended" if has_ended else source.state,
        source_size="" if info is None else f"{info.width}x{info.height}",
        model="" if stages is None else stages.name,
        engine="" if stages is None else stages.description,
        steady="" if stages is None else stages.steadiness.description,
        working_size=request.working_size or "",
        frames_in=counters.delivered + sum(source.losses.values()),
        frames_out=counters.out,
        carried=counters.carried,
        dropped=counters.dropped,
        losses=dict(source.losses) | early,
        in_fps=recent.in_fps,
        out_fps=recent.out_fps,
        latency_p50_ms=recent.p50_ms,
        latency_p99_ms=recent.p99_ms,
        late_share=recent.late_share,
        reconnects=dict(source.reconnects),
        outputs=outputs.status(),
        stages={} if stages is None else stages.times.summary(),
        latency_counts=counters.latency_counts(),
        latency_sum_ms=counters.latency_sum_ms,
        stage_counts={} if stages is None else stages.times.cumulative(LIMITS_MS),
        strength=request.steady.strength if steadier is None else steadier.strength,
        mix=job.output_options.mix if line is None else line.finish.mix,
        keyframes=1 if keys is None else keys.every,
        is_paused=line is not None and line.is_paused,
        is_ready=counters.is_ready,
        memory_mb=peak_memory_mb(),
        notes=(*source.notes, *([] if stages is None else stages.notes), *outputs.notes, *messages),
        models=models,
        recording=outputs.recording,
        style=_shown_style(request.style),
        styles="; ".join(filter(None, styles)),
        in_work=counters.in_work,
        audio_offset_s=counters.audio_offset_s,
    )


def info_of(source: LiveSource) -> VideoInfo | None:
    """Description of the source; None before its first frame."""
    try:
        return source.info
    except UsageError:
        return None


def frame_s_of(info: VideoInfo | None) -> float:
    """Seconds between two frames of a source."""
    return float(1 / ((info.average_rate if info is not None else None) or DEFAULT_RATE))


def _shown_style(style: object) -> str:
    """A style as the status shows it."""
    if style is None:
        return ""
    return str(style) if isinstance(style, int | str) else "picture or code"
