"""uvicorn in a thread of its own, over a socket that listens already."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any


class ServerThread:
    """Serves an ASGI application until it is stopped; closes the socket at its end.

    name          of the thread
    listening     the socket; connections wait in its backlog until the server has begun
    application   called in the thread, in the event loop
    stop_seconds  for answers in work when the server stops; then connections are cut
    on_stop       called in the event loop when the server begins to stop
    on_end        awaited there after the last connection
    settings      of `uvicorn.Config`
    """

    def __init__(
        self,
        name: str,
        listening: socket.socket,
        application: Callable[[], Any],
        *,
        stop_seconds: float,
        on_stop: Callable[[], None] = lambda: None,
        on_end: Callable[[], Awaitable[None]] | None = None,
        **settings: Any,
    ) -> None:
        self._listening, self._application, self._settings = listening, application, settings
        self._stop_seconds, self._on_stop, self._on_end = stop_seconds, on_stop, on_end
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Any = None
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_alive(self) -> bool:
        """True while the thread runs."""
        return self._thread.is_alive()

    @property
    def connections(self) -> list[Any]:
        """The open connections, as uvicorn's protocols."""
        return [] if self._server is None else list(self._server.server_state.connections)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._is_up.wait()

    def is_answering(self, seconds: float) -> bool:
        """Ask the event loop for an answer; False if none comes within `seconds`."""
        answered = threading.Event()
        return self._call(answered.set) and answered.wait(seconds)

    def wait(self, seconds: float) -> None:
        """Wait; return earlier if the thread has ended."""
        self._thread.join(seconds)

    def stop(self) -> None:
        """End all connections and the thread."""
        if self._thread.ident is None:
            self._listening.close()
            return
        self._call(self._begin_to_stop)
        self._thread.join()

    def _call(self, function: Callable[[], None]) -> bool:
        """Let the event loop call a function; False if it has ended."""
        if self._loop is None or not self._thread.is_alive():
            return False
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(function)
            return True
        return False

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._listening.close()
            self._is_up.set()

    async def _serve(self) -> None:
        import uvicorn

        from rotoscope.runtime.http.connections import HttpConnection

        config = uvicorn.Config(
            self._application(),
            http=HttpConnection,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            **self._settings,
        )
        self._server = uvicorn.Server(config)
        self._loop = asyncio.get_running_loop()
        self._is_up.set()
        await self._server.serve(sockets=[self._listening])
        if self._on_end is not None:
            await self._on_end()

    def _begin_to_stop(self) -> None:
        self._on_stop()
        self._server.should_exit = True
        asyncio.get_running_loop().call_later(self._stop_seconds, self._cut_connections)

    def _cut_connections(self) -> None:
        for connection in self.connections:
            connection.transport.abort()
