"""What the service answers: the state of a job, and errors, as JSON."""

from typing import TYPE_CHECKING, Any

from rotoscope.base.text import one_line
from rotoscope.service.jobs import ClipJob
from rotoscope.service.refusals import RETRY_SECONDS, Refused, status_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def error_text(error: Exception, job: ClipJob | None = None) -> str:
    """The line of an error, without the names of files of this machine."""
    text = str(error)
    if job is not None:
        text = text.replace(str(job.upload), "the file").replace(str(job.result), "the result")
    return one_line(text)


def job_content(job: ClipJob) -> dict[str, Any]:
    """A clip's job as its client sees it."""
    content: dict[str, Any] = {
        "id": job.id,
        "state": job.state,
        "frames_done": job.done,
        "frames_total": job.total,
        "seconds": round(job.seconds, 3),
        "error": None if job.error is None else error_text(job.error, job),
    }
    if job.state == "done":
        content["result"] = f"/clips/{job.id}/result"
    return content


def failed(error: Exception, job: ClipJob | None = None) -> "Response":
    """The answer to an error."""
    from starlette.responses import JSONResponse

    status = status_of(error)
    headers = dict(NO_STORE)
    if status in (429, 503):
        headers["Retry-After"] = str(RETRY_SECONDS)
    if isinstance(error, Refused):
        headers["Connection"] = "close"  # a part of the body may not have been read
    return JSONResponse({"error": error_text(error, job)}, status, headers=headers)


def refused(_request: "Request", error: Exception) -> "Response":
    """The answer to an error of a request, as starlette calls it."""
    return failed(error)
