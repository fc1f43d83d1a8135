"""/metrics: the state of a run in the text format of Prometheus."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rotoscope.base.live import LiveControl, LiveStatus
from rotoscope.base.version import VERSION
from rotoscope.runtime.live.page.page_sink import PageSink

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute


def metrics_routes(control: LiveControl, sink: PageSink) -> list["BaseRoute"]:
    """The route /metrics."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
    from starlette.responses import Response
    from starlette.routing import Route

    class Collector:
        def collect(self) -> Iterator[Any]:
            yield from metrics(control.status(), sink)

        def describe(self) -> list[Any]:
            return []  # so that registering it does not ask the run

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())

    def text(_request: "Request") -> "Response":
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return [Route("/metrics", text)]


def metrics(status: LiveStatus, sink: PageSink) -> Iterator[Any]:
    """All metrics of one moment. The counters of frames add up: received = translated + carried + dropped + lost + in work."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    info = InfoMetricFamily("rotoscope", "What runs.")
    facts = {"model": status.model, "engine": status.engine, "version": VERSION, "steady": status.steady}
    info.add_metric(
        [], {**facts, "source": status.source, "source_size": status.source_size, "working_size": status.working_size}
    )
    yield info

    def gauge(name: str, text: str, value: float) -> Any:
        return GaugeMetricFamily(f"rotoscope_{name}", text, value=value)

    def counter(name: str, text: str, label: str, values: Mapping[str, float]) -> Any:
        family = CounterMetricFamily(f"rotoscope_{name}", text, labels=[label])
        for key, value in values.items():
            family.add_metric([key], value)
        return family

    yield CounterMetricFamily("rotoscope_frames_received", "Frames that the source received.", value=status.frames_in)
    translated = status.frames_out - status.carried
    results = {"out": translated, "carried": status.carried, "dropped": status.dropped}
    yield counter(
        "frames", "Frames by what became of them; carried ones were moved along the motion.", "result", results
    )
    yield counter("losses", "Frames and packets that could not be used.", "cause", dict(status.losses))
    yield counter("reconnects", "Connections of the source that were made again.", "reason", dict(status.reconnects))
    yield gauge("source_up", "1 while the source delivers pictures.", status.source_state == "playing")
    yield gauge("ready", "1 when the models are warm and the source has delivered a picture.", status.is_ready)
    yield gauge("paused", "1 while the run is paused.", status.is_paused)
    rates = GaugeMetricFamily(
        "rotoscope_frames_per_second", "Frames per second of the last two seconds.", labels=["place"]
    )
    rates.add_metric(["in"], status.in_fps)
    rates.add_metric(["out"], status.out_fps)
    yield rates
    yield gauge(
        "late_share", "Share of the frames that took longer than the time between two source frames.", status.late_share
    )
    latency = {"": (status.latency_counts, status.latency_sum_ms / 1e3)}
    yield histogram("latency_seconds", "From arrival to the hand-over to the outputs.", "", latency)
    if status.audio_offset_s is not None:
        text = "Newest sound handed to the outputs minus the newest result: at least 0 unless sound comes late."
        yield gauge("audio_offset_seconds", text, status.audio_offset_s)
    yield from _stages(status)
    yield from _outputs(status)
    yield gauge("viewers", "Viewers of the page.", sink.num_viewers)
    if status.memory_mb is not None:
        yield gauge("memory_bytes", "Peak memory of the process.", status.memory_mb * 1e6)


def _stages(status: LiveStatus) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily

    counts = {
        stage: (by_limit, status.stages[stage]["seconds"])
        for stage, by_limit in status.stage_counts.items()
        if stage in status.stages  # both are of the same moment, but not quite
    }
    yield histogram("stage_seconds", "Time of one piece of work in a stage.", "stage", counts)
    share = GaugeMetricFamily("rotoscope_stage_share", "Part of the time that a stage takes, 0 to 1.", labels=["stage"])
    for stage, numbers in status.stages.items():
        share.add_metric([stage], numbers["share"])
    yield share


def _outputs(status: LiveStatus) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    frames = CounterMetricFamily("rotoscope_output_frames", "Frames of an output.", labels=["output", "result"])
    losses = CounterMetricFamily(
        "rotoscope_output_losses", "What an output could not deliver.", labels=["output", "cause"]
    )
    reconnects = CounterMetricFamily(
        "rotoscope_output_reconnects", "Connections of an output made again.", labels=["output"]
    )
    queue = GaugeMetricFamily(
        "rotoscope_queue_frames", "Frames that wait: for the network or in it, and to be written.", labels=["place"]
    )
    queue.add_metric(["network"], status.in_work)
    is_open = GaugeMetricFamily("rotoscope_output_up", "1 while an output is open.", labels=["output"])
    for output in status.outputs:
        frames.add_metric([output.name, "out"], output.frames)
        frames.add_metric([output.name, "dropped"], output.dropped)
        reconnects.add_metric([output.name], output.reconnects)
        is_open.add_metric([output.name], output.state == "open")
        queue.add_metric([f"output {output.name}"], output.waiting)
        for cause, number in output.losses.items():
            losses.add_metric([output.name, cause], number)
    yield from (frames, losses, reconnects, is_open, queue)


def histogram(name: str, text: str, label: str, counts: Mapping[str, tuple[Mapping[float, int], float]]) -> Any:
    """A histogram in seconds.

    label   its name; "": there is none
    counts  value of the label -> (upper limit in milliseconds -> cumulative count, sum in seconds)
    """
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(f"rotoscope_{name}", text, labels=[label] if label else [])
    for value, (by_limit, seconds) in counts.items():
        finite = sorted(limit for limit in by_limit if math.isfinite(limit))
        whole = max(by_limit.values(), default=0)
        buckets = [*((str(limit / 1e3), by_limit[limit]) for limit in finite), ("+Inf", whole)]
        family.add_metric([value] if label else [], buckets, sum_value=seconds)
    return family
