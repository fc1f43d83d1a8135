"""POST a picture, get it painted."""

import asyncio
import functools
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from rotoscope.service.answers import NO_STORE, failed
from rotoscope.service.jobs import ClipJob, Lane
from rotoscope.service.media_types import PICTURES, TYPES
from rotoscope.service.options import ServeOptions
from rotoscope.service.request_options import options_of
from rotoscope.service.uploads import check_length, ending_of, save_body

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute


def picture_routes(lane: Lane, models: Sequence[str], limits: ServeOptions) -> list["BaseRoute"]:
    """The route /pictures."""
    from starlette.responses import Response
    from starlette.routing import Route

    most_bytes = round(limits.picture_mb * 1e6)

    async def paint(request: "Request") -> "Response":
        ending = ending_of(request, PICTURES)
        options = options_of(request.query_params.multi_items(), models)
        check_length(request, most_bytes)
        job = lane.reserve(ending, options)
        try:
            await save_body(request, job.upload, most_bytes=most_bytes, seconds=limits.upload_seconds)
            await _ended(lane, job)
            if job.error is not None:
                return failed(job.error, job)
            return Response(job.result.read_bytes(), media_type=TYPES[ending], headers=NO_STORE)
        finally:
            lane.cancel(job)

    return [Route("/pictures", paint, methods=["POST"])]


async def _ended(lane: Lane, job: ClipJob) -> None:
    """Let the job run, and wait for its end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    job.on_end = functools.partial(_tell, loop, ended)
    lane.begin(job)
    await ended.wait()


def _tell(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the server has stopped, and nothing waits
        loop.call_soon_threadsafe(ended.set)
