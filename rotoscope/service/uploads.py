"""Take the file that a client sends: of an accepted kind, within limits of size and time."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rotoscope.service.refusals import Refused

if TYPE_CHECKING:
    from starlette.requests import Request


def ending_of(request: "Request", accepted: Mapping[str, str]) -> str:
    """The ending for the Content-Type of a request, such as ".png"; raises Refused with 415 for another.

    accepted  Content-Type -> ending
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in accepted:
        raise Refused(415, f"Content-Type {given[:80]!r}; accepted: {', '.join(accepted)}")
    return accepted[given]


def check_length(request: "Request", most_bytes: int) -> None:
    """Raise Refused with 413 if the request says that its body is larger; nothing of it is read."""
    given = request.headers.get("content-length", "")
    if given.isdecimal() and int(given[:20]) > most_bytes:
        raise _too_large(most_bytes)


async def save_body(request: "Request", path: Path, *, most_bytes: int, seconds: float) -> None:
    """Write the body of a request to a file.

    Raises Refused: 413 before more than `most_bytes` are written, 408 after the limit of time, 400 for no body or one that ends
    early.
    """
    from starlette.requests import ClientDisconnect

    size = 0
    try:
        async with asyncio.timeout(seconds):
            with path.open("wb") as file:
                async for piece in request.stream():
                    size += len(piece)
                    if size > most_bytes:
                        raise _too_large(most_bytes)
                    file.write(piece)
    except TimeoutError:
        raise Refused(408, f"the file did not arrive within {seconds:g} seconds") from None
    except ClientDisconnect:
        raise Refused(400, "the client left before its file had arrived") from None
    if not size:
        raise Refused(400, "the body is empty; accepted: the bytes of the file")


def _too_large(most_bytes: int) -> Refused:
    return Refused(413, f"the file has more than {most_bytes:,} bytes, the limit of this service")
