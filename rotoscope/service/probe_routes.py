"""Probes, metrics, the models and the description of the service."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rotoscope.service.jobs import Lane
from rotoscope.service.openapi import openapi
from rotoscope.service.options import ServeOptions

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute


def probe_routes(
    lanes: Sequence[Lane], models: Sequence[str], limits: ServeOptions, is_stopping: Callable[[], bool]
) -> list["BaseRoute"]:
    """The routes /livez, /readyz, /metrics, /models and /openapi.json."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    class Collector:
        def collect(self) -> Iterator[Any]:
            yield from metrics(lanes)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())

    async def livez(_request: "Request") -> "Response":
        return PlainTextResponse("ok\n")

    async def readyz(_request: "Request") -> "Response":
        return PlainTextResponse("stopping\n", 503) if is_stopping() else PlainTextResponse("ok\n")

    async def text(_request: "Request") -> "Response":
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    async def names(_request: "Request") -> "Response":
        return JSONResponse({"models": list(models)})

    async def description(_request: "Request") -> "Response":
        return JSONResponse(openapi(models, limits))

    return [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/metrics", text),
        Route("/models", names),
        Route("/openapi.json", description),
    ]


def metrics(lanes: Sequence[Lane]) -> Iterator[Any]:
    """All metrics of one moment."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    jobs = CounterMetricFamily(
        "rotoscope_service_jobs", "Jobs by what became of them; refused: the queue was full.", labels=["lane", "result"]
    )
    seconds = CounterMetricFamily("rotoscope_service_seconds", "Seconds that jobs took to translate.", labels=["lane"])
    pending = GaugeMetricFamily("rotoscope_service_pending", "Jobs that are uploaded, wait or run.", labels=["lane"])
    running = GaugeMetricFamily("rotoscope_service_running", "Jobs that are translated now.", labels=["lane"])
    most = GaugeMetricFamily("rotoscope_service_queue", "Jobs that may be pending.", labels=["lane"])
    for lane in lanes:
        for result, count in lane.counts.items():
            jobs.add_metric([lane.name, result], count)
        seconds.add_metric([lane.name], lane.busy_seconds)
        pending.add_metric([lane.name], lane.num_pending)
        running.add_metric([lane.name], lane.num_running)
        most.add_metric([lane.name], lane.most)
    yield from (jobs, seconds, pending, running, most)
