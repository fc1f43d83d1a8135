"""The request of a live run, and its report at the end."""

from dataclasses import dataclass, field
from typing import Any

from rotoscope.base.live import LiveStatus
from rotoscope.base.options import LiveOptions, OutputOptions, SteadyOptions


@dataclass(frozen=True, kw_only=True)
class LiveJob:
    """A live run to be done, without its models.

    source        the word that names the source
    working_size  as in ModelOptions, or "auto": the largest at which the machine keeps up
    """

    source: str
    outputs: tuple[str, ...]
    working_size: str | None = None
    steady_options: SteadyOptions = field(default_factory=SteadyOptions)
    output_options: OutputOptions = field(default_factory=OutputOptions)
    live_options: LiveOptions = field(default_factory=LiveOptions)


@dataclass(frozen=True)
class StagesRequest:
    """Request for the stages of a live run. `models` holds names as the user gave them; () stands for the models of the run."""

    working_size: str | None
    steady: SteadyOptions
    models: tuple[str, ...] = ()
    style: Any = None


@dataclass(frozen=True)
class LiveReport:
    """Record of a finished live run: frames_in = frames_out + dropped + the sum of losses.

    frames_out  results handed to the outputs, carried ones among them
    strength    that of the end: it may be changed while the run goes on
    losses      cause -> frames of the source that could not be used
    latency     milliseconds from arrival to the hand-over: p50, p95, p99, max, first and last second
    outputs     name -> frames written, dropped, lost, reconnects, error
    """

    source: str
    models: tuple[str, ...]
    engine: str
    steady: str
    strength: float
    working_size: str
    seconds: float
    frames_in: int
    frames_out: int
    carried: int
    dropped: int
    losses: dict[str, int]
    latency: dict[str, float]
    reconnects: dict[str, int]
    outputs: dict[str, dict[str, Any]]
    stages: dict[str, dict[str, float]]
    notes: tuple[str, ...]
    peak_memory_mb: float | None


def report_of(status: LiveStatus, *, models: tuple[str, ...], seconds: float, latency: dict[str, float]) -> LiveReport:
    """The report of a run, from its last state, the names of its models and the latency of the whole run."""
    outputs = {
        output.name: {
            "frames": output.frames, "dropped": output.dropped, "losses": output.losses,
            "reconnects": output.reconnects, "error": output.error,
        }
        for output in status.outputs
    }  # fmt: skip
    return LiveReport(
        source=status.source, models=models, engine=status.engine, steady=status.steady,
        strength=status.strength, working_size=status.working_size, seconds=seconds,
        frames_in=status.frames_in, frames_out=status.frames_out,
        carried=status.carried, dropped=status.dropped, losses=status.losses, latency=latency,
        reconnects=status.reconnects, outputs=outputs, stages=status.stages, notes=status.notes,
        peak_memory_mb=status.memory_mb,
    )  # fmt: skip
