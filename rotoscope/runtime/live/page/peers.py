"""WebRTC connections of the page: senders of pictures (WHIP) and viewers of the result (WHEP), by aiortc.

Imported only where the extra `live` is installed. No STUN server is asked: peers must reach each other directly.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from fractions import Fraction
from typing import Any

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.codecs import h264, vpx
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import MediaStreamError

from rotoscope.base.errors import UsageError
from rotoscope.runtime.live.page.browser_camera import BrowserCamera
from rotoscope.runtime.live.page.page_sink import PageSink

MAX_VIEWERS = 8  # each has an encoder of its own
RTP_CLOCK = Fraction(1, 90_000)
CLOSE_S = 1.0

# aiortc's own limits (1.5 and 3 Mbit/s) blur painted pictures above 360 lines; what the network cannot take is lowered anyway.
vpx.DEFAULT_BITRATE, vpx.MAX_BITRATE = 2_000_000, 8_000_000
h264.DEFAULT_BITRATE, h264.MAX_BITRATE = 2_000_000, 8_000_000


class Peers:
    """The connections of one page; used in the thread of its event loop alone.

    camera  takes the pictures of a sender; None: the run has another source
    """

    def __init__(self, sink: PageSink, camera: BrowserCamera | None) -> None:
        self._sink, self._camera = sink, camera
        self._connections: dict[str, RTCPeerConnection] = {}
        self._sender = ""  # the connection that sends; empty if there is none
        self._tasks: set[asyncio.Task[None]] = set()

    async def send(self, offer: str) -> tuple[str, str]:
        """Take the pictures of a sender, in place of the one before; returns (name of the connection, answer as SDP)."""
        camera = self._camera
        if camera is None:
            raise UsageError(
                "this run has another source; for the browser's camera: rotoscope live page: page: -m MODEL"
            )
        connection, name = self._connection(), secrets.token_urlsafe(9)
        unheard = MediaBlackhole()

        @connection.on("track")
        def take(track: MediaStreamTrack) -> None:
            if track.kind == "video":
                self._run(self._take(name, track, camera))
            else:
                unheard.addTrack(track)

        answer = await self._answered(name, connection, offer, needs="sendonly")
        if self._sender:
            await self.end(self._sender)
        self._sender = name
        await unheard.start()
        return name, answer

    async def view(self, offer: str) -> tuple[str, str]:
        """Send the result to a viewer; returns (name of the connection, answer as SDP)."""
        if len(self._connections) >= MAX_VIEWERS:
            raise UsageError(f"{MAX_VIEWERS} connections are open, and no more are served; /stream.mjpg has room")
        connection, name = self._connection(), secrets.token_urlsafe(9)
        track = ResultTrack(self._sink)
        connection.addTrack(track)
        try:
            return name, await self._answered(name, connection, offer, needs="recvonly")
        except UsageError:
            track.stop()
            raise

    async def end(self, name: str) -> bool:
        """Close a connection; False if there is none of that name."""
        connection = self._connections.pop(name, None)
        if connection is None:
            return False
        for sender in connection.getSenders():
            if sender.track is not None:
                sender.track.stop()
        await connection.close()
        if name == self._sender:
            self._sender = ""
            if self._camera is not None:
                self._camera.end()
        return True

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(self.end(name) for name in list(self._connections)))

    def _connection(self) -> RTCPeerConnection:
        return RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def _answered(self, name: str, connection: RTCPeerConnection, offer: str, *, needs: str) -> str:
        """Answer an offer; raises UsageError for one that is no SDP, or has no video that is sent the right way."""
        self._connections[name] = connection

        @connection.on("connectionstatechange")
        def changed() -> None:
            if connection.connectionState in ("failed", "closed"):
                self._run(self._ended(name))

        try:
            check_media(offer)
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
            answer: str = connection.localDescription.sdp
            if f"\na={'recvonly' if needs == 'sendonly' else 'sendonly'}" not in answer.replace("\r", ""):
                raise ValueError(f"no video that is {needs}")
        except Exception as error:  # whatever a stranger's description makes of aiortc
            await self.end(name)
            raise UsageError(f"not an offer that can be answered: {error}") from None
        return answer

    async def _take(self, name: str, track: MediaStreamTrack, camera: BrowserCamera) -> None:
        """Hand on the pictures of a sender until it stops. They are taken at once: aiortc's own queue has no limit."""
        camera.begin()
        try:
            while True:
                picture = await track.recv()
                if isinstance(picture, av.VideoFrame):
                    camera.put(picture)
        except MediaStreamError:
            await self._ended(name)

    async def _ended(self, name: str) -> None:
        await self.end(name)

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def check_media(offer: str) -> None:
    """Raise ValueError for more than one video or one sound: each medium of an offer costs a decoder and a queue."""
    kinds = Counter(line[2:].partition(" ")[0] for line in offer.splitlines() if line.startswith("m="))
    for kind, number in kinds.items():
        if number > 1:
            raise ValueError(f"{number} media of the kind {kind[:20]}; accepted: one")


class ResultTrack(MediaStreamTrack):
    """The newest result as a track of video; a viewer that is slow misses pictures."""

    kind = "video"

    def __init__(self, sink: PageSink) -> None:
        super().__init__()
        self._sink, self._page_loop = sink, asyncio.get_running_loop()
        self._newest: av.VideoFrame | None = None
        self._changed = asyncio.Event()
        sink.add_listener(self._show)

    async def recv(self) -> av.VideoFrame:
        """Wait for the next picture."""
        while self._newest is None:
            if self.readyState != "live":
                raise MediaStreamError
            self._changed.clear()
            await self._changed.wait()
        picture, self._newest = self._newest, None
        return picture

    def stop(self) -> None:
        """End the track."""
        self._sink.remove_listener(self._show)
        super().stop()
        self._changed.set()

    def _show(self, shown: av.VideoFrame, seconds: float) -> None:
        """Take a picture, in the thread of the run."""
        picture = av.VideoFrame(shown.width, shown.height, shown.format.name)  # each encoder changes its own
        for mine, theirs in zip(picture.planes, shown.planes, strict=True):
            mine.update(bytes(theirs))
        picture.pts, picture.time_base = round(seconds / RTP_CLOCK), RTP_CLOCK
        if not self._page_loop.is_closed():
            self._page_loop.call_soon_threadsafe(self._offer, picture)

    def _offer(self, picture: av.VideoFrame) -> None:
        self._newest = picture
        self._changed.set()
