"""Read the body of a request: of one kind, and never more than MAX_BODY bytes."""

from typing import TYPE_CHECKING

from rotoscope.base.errors import UsageError

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BODY = 64 * 1024  # bytes


class BodyRefused(UsageError):
    """The body of a request is not what this server reads; `status` is that of HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


async def body_of(request: "Request", kind: str) -> bytes:
    """The body; raises BodyRefused for another Content-Type, and before more than MAX_BODY bytes are read."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != kind:
        raise BodyRefused(415, f"Content-Type {given[:80]!r}; accepted: {kind}")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise BodyRefused(413, f"the body has more than {MAX_BODY} bytes")
    return bytes(body)
