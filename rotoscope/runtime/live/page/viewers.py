"""Viewers of one encoded form of the picture: each gets the newest packets that it can use, and delays no other."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import av

from rotoscope.runtime.live.page.encoders import Packet, PageEncoder

MAX_WAITING = 8  # packets that wait for one viewer
SECONDS_BETWEEN_KEYS = 1.0  # key pictures are large: viewers that cannot keep up get no more of them


class Viewer:
    """Packets that wait for one viewer: never more than MAX_WAITING, and none that it could not decode.

    Used in the thread of the event loop alone. A viewer that falls behind continues with the next key picture; every JPEG is
    one, so that at most one JPEG waits.
    """

    def __init__(self) -> None:
        self._waiting: deque[Packet] = deque()
        self._awaits_key = True
        self._changed = asyncio.Event()
        self._is_closed = False

    def offer(self, packet: Packet) -> bool:
        """Take a packet; False: the viewer has fallen behind and needs a key picture."""
        if packet.is_key:
            self._waiting.clear()
            self._awaits_key = False
        elif len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            self._awaits_key = True
        if self._awaits_key:
            return False
        self._waiting.append(packet)
        self._changed.set()
        return True

    def close(self) -> None:
        """End `take`."""
        self._is_closed = True
        self._changed.set()

    async def take(self) -> Packet | None:
        """Wait for the next packet; None: the server stops, or no more pictures will come."""
        while not self._waiting:
            if self._is_closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        return None if self._is_closed else self._waiting.popleft()


class Stream:
    """One encoded form of the picture: encoded once per frame for all viewers, and only while there is one.

    open_encoder  makes the encoder when the first viewer comes
    with_source   the source stands below the result
    """

    def __init__(self, open_encoder: Callable[[], PageEncoder], *, with_source: bool) -> None:
        self.with_source = with_source
        self.viewers: set[Viewer] = set()
        self.num_encoded = 0
        self._open_encoder = open_encoder
        self._encoder: PageEncoder | None = None
        self._needs_key = False
        self._last_key_s = 0.0

    def encode(
        self, shown: av.VideoFrame, index: int, seconds: float, *, key: bool, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Encode one picture and hand it to all viewers; from one thread at a time, which is not the loop's."""
        if self._encoder is None:
            self._encoder = self._open_encoder()
        now = time.monotonic()
        key = key or (self._needs_key and now - self._last_key_s >= SECONDS_BETWEEN_KEYS)
        packet = self._encoder.encode(shown, index, seconds, key=key)
        if packet.is_key:
            self._needs_key, self._last_key_s = False, now
        self.num_encoded += 1
        with suppress(RuntimeError):  # the loop is closed: the server has been stopped
            loop.call_soon_threadsafe(self._deliver, packet)

    def rest(self) -> None:
        """Free the encoder while no viewer is there."""
        self._encoder = None

    def _deliver(self, packet: Packet) -> None:
        for viewer in tuple(self.viewers):  # one may join meanwhile, in another thread
            if not viewer.offer(packet):
                self._needs_key = True
