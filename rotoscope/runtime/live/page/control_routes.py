"""What the page asks and changes: status, change, record, snapshot, and the probes."""

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any, cast

from rotoscope.base.errors import RotoscopeError, UsageError
from rotoscope.base.live import Changes, LiveControl
from rotoscope.base.text import one_line
from rotoscope.runtime.http.request_body import BodyRefused, body_of
from rotoscope.runtime.live.page.page_sink import PageSink

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

CHANGES = ", ".join(Changes.__annotations__)
MAX_MODEL = 4096  # characters of a name or path


def control_routes(control: LiveControl, sink: PageSink) -> list["BaseRoute"]:
    """The routes /livez, /readyz, /status, /snapshot.png, /change, /record and /stop-recording."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    def livez(_request: "Request") -> "Response":
        return PlainTextResponse("ok\n")

    def readyz(_request: "Request") -> "Response":
        status = control.status()
        if status.is_ready:
            return PlainTextResponse("ok\n")
        return PlainTextResponse(f"not ready: the source is {status.source_state}\n", 503)

    def status(_request: "Request") -> "Response":
        return JSONResponse(plain(dataclasses.asdict(control.status())))

    def snapshot(_request: "Request") -> "Response":
        index, png = sink.snapshot()
        name = f"rotoscope-{index:06d}.png"
        return Response(png, media_type="image/png", headers={"Content-Disposition": f'attachment; filename="{name}"'})

    async def change(request: "Request") -> "Response":
        await run_in_threadpool(control.change, changes_of(await _json_of(request)))
        return JSONResponse({})

    async def record(request: "Request") -> "Response":
        await _json_of(request)
        return JSONResponse({"recording": await run_in_threadpool(control.record)})

    async def stop_recording(request: "Request") -> "Response":
        await _json_of(request)
        await run_in_threadpool(control.stop_recording)
        return JSONResponse({})

    return [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/status", status),
        Route("/snapshot.png", snapshot),
        Route("/change", change, methods=["POST"]),
        Route("/record", record, methods=["POST"]),
        Route("/stop-recording", stop_recording, methods=["POST"]),
    ]


def plain(value: Any) -> Any:
    """A value as JSON knows it: texts as keys, None for numbers that are not finite."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def refused(_request: "Request", error: Exception) -> "Response":
    """The answer to a RotoscopeError: its line as JSON, for the page to show."""
    from starlette.responses import JSONResponse

    status = error.status if isinstance(error, BodyRefused) else 400
    headers = {"Connection": "close"} if isinstance(error, BodyRefused) else None
    return JSONResponse({"error": one_line(str(error))}, status, headers=headers)


async def _json_of(request: "Request") -> Any:
    """The body as JSON; raises BodyRefused before more than MAX_BODY bytes are read."""
    body = await body_of(request, "application/json")  # what a form of another site sends is never JSON
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BodyRefused(400, "the body is not JSON") from None


def changes_of(body: Any) -> Changes:
    """The changes that a JSON object asks for; raises UsageError for a name or a kind of value that there is not."""
    if not isinstance(body, dict) or not body:
        raise UsageError(f"a change is a JSON object with one of: {CHANGES}")
    for name, value in body.items():
        if name in ("strength", "mix"):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 <= value <= 1:
                raise UsageError(f"{name} {_shown(value)}; accepted: a number from 0 to 1")
        elif name == "is_paused":
            if not isinstance(value, bool):
                raise UsageError(f"is_paused {_shown(value)}; accepted: true, false")
        elif name == "model":
            if not isinstance(value, str) or not value.strip() or len(value) > MAX_MODEL or "\0" in value:
                raise UsageError(f"model {_shown(value)}; accepted: the name of a look, or a path")
        elif name == "style":
            is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            is_word = isinstance(value, str) and value.strip() and len(value) <= MAX_MODEL and "\0" not in value
            if not is_number and not is_word:
                raise UsageError(f"style {_shown(value)}; accepted: a whole number from 0 on, a blend, or a path")
        else:
            raise UsageError(f"{_shown(name)} cannot be changed; accepted: {CHANGES}")
    return cast(Changes, body)


def _shown(value: Any) -> str:
    return one_line(repr(value)[:80])


ERRORS = {RotoscopeError: refused}
