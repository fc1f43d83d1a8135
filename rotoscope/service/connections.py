"""Connections that must send a whole request head in time, so that idle ones do not hold the places of others."""

import asyncio
from typing import Any

from rotoscope.runtime.live.page.connections import HttpConnection

HEAD_SECONDS = 10.0


class PromptConnection(HttpConnection):
    """Is closed if no request has begun HEAD_SECONDS after it was made, or after the first byte that follows a request."""

    timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Stop the clock if the head of a request is complete."""
        super().data_received(data)
        if self._is_between_requests():
            self._start()
        else:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        super().connection_lost(exc)

    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start(self) -> None:
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._expire)

    def _stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _expire(self) -> None:
        self.timer = None
        if self._is_between_requests():
            self.transport.abort()
