"""uvicorn's connections with a logger of our own, so that no logger of other programs in the process is changed.

Connections that send nothing or take nothing are closed, so that they do not hold the places of others.
"""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LOG = logging.getLogger("rotoscope.page")
LOG.setLevel(logging.ERROR)  # a warning is what a stranger has sent
HEAD_SECONDS = 10.0
STUCK_SECONDS = 20.0  # in which a client takes less of an answer than is kept for it, about 48 kB


class HttpConnection(H11Protocol):
    """A connection that speaks HTTP/1.1.

    Is closed if no request has begun HEAD_SECONDS after it was made, or after the first byte that follows a request, and if its
    client takes too little of an answer for STUCK_SECONDS.
    """

    head_timer: asyncio.TimerHandle | None = None
    answer_timer: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = LOG

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Stop the clock if the head of a request is complete, or the connection has become a WebSocket."""
        super().data_received(data)
        if self._is_between_requests():
            self._wait_for_head()
        else:
            self._stop_head_timer()

    def pause_writing(self) -> None:
        """Start the clock of an answer: the client does not take what was sent."""
        super().pause_writing()
        if self.answer_timer is None:
            self.answer_timer = asyncio.get_running_loop().call_later(STUCK_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the clock of an answer."""
        self._stop_answer_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_head_timer()
        self._stop_answer_timer()
        super().connection_lost(exc)

    def _is_between_requests(self) -> bool:
        is_http = self.transport.get_protocol() is self
        return is_http and (self.cycle is None or self.cycle.response_complete)

    def _wait_for_head(self) -> None:
        if self.head_timer is None:
            self.head_timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._expire)

    def _stop_head_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def _stop_answer_timer(self) -> None:
        if self.answer_timer is not None:
            self.answer_timer.cancel()
            self.answer_timer = None

    def _expire(self) -> None:
        self.head_timer = None
        if self._is_between_requests():
            self.transport.abort()


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A connection that has become a WebSocket."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = LOG
        self.conn.logger = LOG
