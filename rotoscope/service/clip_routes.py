"""POST a clip, ask how far its translation is, get the result."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rotoscope.service.answers import NO_STORE, failed, job_content
from rotoscope.service.jobs import ClipJob, Lane
from rotoscope.service.media_types import CLIPS, TYPES
from rotoscope.service.options import ServeOptions
from rotoscope.service.refusals import Refused
from rotoscope.service.request_options import options_of
from rotoscope.service.uploads import check_length, ending_of, save_body

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute


def clip_routes(lane: Lane, models: Sequence[str], limits: ServeOptions) -> list["BaseRoute"]:
    """The routes /clips, /clips/{id} and /clips/{id}/result."""
    from starlette.background import BackgroundTask
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Route

    most_bytes = round(limits.clip_mb * 1e6)

    async def submit(request: "Request") -> "Response":
        ending = ending_of(request, CLIPS)
        options = options_of(request.query_params.multi_items(), models)
        check_length(request, most_bytes)
        job = lane.reserve(ending, options)
        try:
            await save_body(request, job.upload, most_bytes=most_bytes, seconds=limits.upload_seconds)
        except BaseException:
            lane.cancel(job)
            raise
        lane.begin(job)
        return JSONResponse(job_content(job), 202, headers={**NO_STORE, "Location": f"/clips/{job.id}"})

    def job_of(request: "Request") -> ClipJob:
        job = lane.get(request.path_params["id"])
        if job is None:
            raise Refused(404, "no such clip: its id is wrong, or it was deleted, or dropped for newer ones")
        return job

    async def state(request: "Request") -> "Response":
        job = job_of(request)
        if job.state == "failed":
            job.is_fetched = True
        return JSONResponse(job_content(job), headers=NO_STORE)

    async def result(request: "Request") -> "Response":
        job = job_of(request)
        if job.error is not None:
            job.is_fetched = True
            return failed(job.error, job)
        if job.state != "done":
            raise Refused(409, f"the clip is not finished: it is {job.state}")

        def note_fetched() -> None:
            job.is_fetched = True

        kind = TYPES[job.ending]
        return FileResponse(job.result, media_type=kind, headers=NO_STORE, background=BackgroundTask(note_fetched))

    async def delete(request: "Request") -> "Response":
        lane.cancel(job_of(request))
        return Response(status_code=204)

    return [
        Route("/clips", submit, methods=["POST"]),
        Route("/clips/{id}", state, methods=["GET"]),
        Route("/clips/{id}", delete, methods=["DELETE"]),
        Route("/clips/{id}/result", result, methods=["GET"]),
    ]
