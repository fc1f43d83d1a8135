"""The picture as a stream: packets over a WebSocket for the page, MJPEG as multipart for everything else."""

import asyncio
import json
import struct
from typing import TYPE_CHECKING, Any

from rotoscope.runtime.live.page.encoders import Packet
from rotoscope.runtime.live.page.page_sink import PageSink
from rotoscope.runtime.live.page.viewers import Viewer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

MAX_VIEWERS = 100
MAX_UNANSWERED = 3  # packets on their way to one browser: more would only add delay
HEADER = struct.Struct("<BxxxId")  # is_key, index of the frame, microseconds
BOUNDARY = b"--rotoscope-picture\r\n"


def stream_routes(sink: PageSink) -> list["BaseRoute"]:
    """The routes /stream (WebSocket) and /stream.mjpg; both take `source=1`, which adds the source below the result."""
    from starlette.routing import Route, WebSocketRoute

    async def packets(socket: "WebSocket") -> None:
        await _packets(sink, socket)

    async def mjpeg(request: "Request") -> Any:
        return _Mjpeg(sink, with_source=request.query_params.get("source") == "1")

    return [WebSocketRoute("/stream", packets), Route("/stream.mjpg", mjpeg)]


async def _packets(sink: PageSink, socket: "WebSocket") -> None:
    """Send packets, each as one binary message: HEADER and data. Before the first, and when it changes, the codec as JSON.

    The browser answers each packet with any message when it has dealt with it.
    """
    from starlette.websockets import WebSocketDisconnect

    codec = socket.query_params.get("codec", "jpeg")
    if sink.num_viewers >= MAX_VIEWERS or codec not in ("jpeg", "h264"):
        await socket.close(1008)
        return
    await socket.accept()
    with_source = socket.query_params.get("source") == "1"
    async with sink.viewer("h264" if codec == "h264" else "jpeg", with_source=with_source) as viewer:
        free = asyncio.Semaphore(MAX_UNANSWERED)
        answers = asyncio.create_task(_answers(socket, viewer, free))
        announced = ""
        try:
            while True:
                await free.acquire()
                if (packet := await viewer.take()) is None:
                    break
                if packet.codec != announced:
                    announced = packet.codec
                    await socket.send_text(json.dumps({"codec": announced, "source": with_source}))
                await socket.send_bytes(HEADER.pack(packet.is_key, packet.index, packet.seconds * 1e6) + packet.data)
            await socket.close(1001)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the browser has gone
        finally:
            answers.cancel()


async def _answers(socket: "WebSocket", viewer: Viewer, free: asyncio.Semaphore) -> None:
    while (message := await socket.receive())["type"] == "websocket.receive":
        del message
        free.release()
    viewer.close()
    free.release()


class _Mjpeg:
    """A response that never ends: one JPEG after another, each as a part of multipart/x-mixed-replace."""

    def __init__(self, sink: PageSink, *, with_source: bool) -> None:
        self._sink, self._with_source = sink, with_source

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """Send pictures until the viewer goes or the server stops; a slow viewer skips pictures."""
        if self._sink.num_viewers >= MAX_VIEWERS:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"5")]})
            await send({"type": "http.response.body", "body": b"too many viewers\n"})
            return
        headers = [
            (b"content-type", b"multipart/x-mixed-replace; boundary=" + BOUNDARY.strip(b"-\r\n")),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BOUNDARY, "more_body": True})
        async with self._sink.viewer("jpeg", with_source=self._with_source) as viewer:
            gone = asyncio.create_task(_until_gone(receive, viewer))
            try:
                while (packet := await viewer.take()) is not None:
                    await send({"type": "http.response.body", "body": _part(packet), "more_body": True})
            finally:
                gone.cancel()
        await send({"type": "http.response.body"})


def _part(packet: Packet) -> bytes:
    """One part, and the boundary of the next: browsers show a picture when they see the boundary after it."""
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(packet.data)}\r\nX-Frame: {packet.index}\r\n\r\n"
    return head.encode() + packet.data + b"\r\n" + BOUNDARY


async def _until_gone(receive: Any, viewer: Viewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.close()
