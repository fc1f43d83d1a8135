"""uvicorn's connections with a logger of our own, so that no logger of other programs in the process is changed."""

import logging
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LOG = logging.getLogger("rotoscope.page")
LOG.setLevel(logging.ERROR)  # a warning is what a stranger has sent


class HttpConnection(H11Protocol):
    """A connection that speaks HTTP/1.1."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = LOG


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A connection that has become a WebSocket."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = LOG
        self.conn.logger = LOG
