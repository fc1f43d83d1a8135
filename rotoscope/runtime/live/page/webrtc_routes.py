"""WHIP and WHEP: an offer comes as the body of a POST, the answer goes back with the address that ends the connection."""

from typing import TYPE_CHECKING

from rotoscope.runtime.http.request_body import BodyRefused, body_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from rotoscope.runtime.live.page.peers import Peers

SDP = "application/sdp"


def webrtc_routes(peers: "Peers") -> list["BaseRoute"]:
    """The routes /whip (pictures come in) and /whep (the result goes out), and DELETE of what they answered."""
    from starlette.responses import Response
    from starlette.routing import Route

    def answering(
        connect: "Callable[[str], Awaitable[tuple[str, str]]]", path: str
    ) -> "Callable[..., Awaitable[Response]]":
        async def answer(request: "Request") -> "Response":
            name, sdp = await connect(await _sdp_of(request))
            return Response(sdp, 201, media_type=SDP, headers={"Location": f"{path}/{name}"})

        return answer

    async def end(request: "Request") -> "Response":
        return Response(status_code=200 if await peers.end(request.path_params["name"]) else 404)

    return [
        Route("/whip", answering(peers.send, "/whip"), methods=["POST"]),
        Route("/whep", answering(peers.view, "/whep"), methods=["POST"]),
        Route("/whip/{name}", end, methods=["DELETE"]),
        Route("/whep/{name}", end, methods=["DELETE"]),
    ]


async def _sdp_of(request: "Request") -> str:
    """The body as text; raises BodyRefused for what is none."""
    try:
        return (await body_of(request, SDP)).decode()
    except UnicodeDecodeError:
        raise BodyRefused(400, "the body is not text") from None
