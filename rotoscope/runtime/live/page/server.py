"""The server of the page: starlette and uvicorn in a thread of its own."""

import asyncio
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rotoscope.base.errors import UsageError
from rotoscope.base.extras import needs_extra
from rotoscope.base.live import LiveControl
from rotoscope.runtime.live.page.access import Access, check_token
from rotoscope.runtime.live.page.browser_camera import BrowserCamera
from rotoscope.runtime.live.page.listening import listening_socket, shown_url
from rotoscope.runtime.live.page.page_sink import PageSink

if TYPE_CHECKING:
    from rotoscope.runtime.live.page.peers import Peers

STOP_SECONDS = 0.5  # for answers in work; then connections are cut
MAX_CONNECTIONS = 300


class PageServer:
    """Serves the page of a run.

    control     what the page shows and changes
    sink        the pictures; the run writes to it
    host, port  where it listens; port 0 takes a free one. A host that other machines can reach demands a token
    token       at least 8 characters of ASCII; None: everyone who can reach the server may use it
    camera      takes the pictures that a browser sends; None: the run has another source
    tls         files of the certificate and of its key (PEM): https; None: http

    Errors: UsageError if a package is missing, the token is missing or too short, the address cannot be had, or the certificate
    cannot be used.
    """

    def __init__(
        self,
        control: LiveControl,
        sink: PageSink,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str | None = None,
        camera: BrowserCamera | None = None,
        tls: tuple[str, str] | None = None,
    ) -> None:
        with needs_extra("live"):
            import aiortc  # noqa: F401
            import prometheus_client  # noqa: F401
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
            import websockets  # noqa: F401
        check_token(host, token)
        check_certificate(tls)
        self._tls = tls
        self._sink, self._host = sink, host
        self._socket = listening_socket(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._access = Access(token, self.port, is_https=tls is not None)
        self._control, self._camera = control, camera
        self._peers: Peers | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Any = None
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rotoscope-page", daemon=True)

    @property
    def url(self) -> str:
        """Address for a browser; if the server listens on all addresses, one that other machines can use."""
        return shown_url("https" if self._tls else "http", self._host, self._socket)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._is_up.wait()

    def stop(self) -> None:
        """End all streams and connections, and the thread; takes less than two seconds, also with viewers that read nothing."""
        if self._thread.ident is None:
            self._socket.close()
            return
        loop = self._loop
        if loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(self._begin_to_stop)
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._socket.close()
            self._is_up.set()

    async def _serve(self) -> None:
        import uvicorn

        from rotoscope.runtime.live.page.application import application
        from rotoscope.runtime.live.page.connections import HttpConnection, WebSocketConnection
        from rotoscope.runtime.live.page.peers import Peers

        self._peers = Peers(self._sink, self._camera)

        config = uvicorn.Config(
            application(self._control, self._sink, self._access, self._peers),
            http=HttpConnection,
            ws=WebSocketConnection,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            ws_max_size=64 * 1024,
            ws_per_message_deflate=False,
            ssl_certfile=self._tls[0] if self._tls else None,
            ssl_keyfile=self._tls[1] if self._tls else None,
        )
        self._server = uvicorn.Server(config)
        self._loop = asyncio.get_running_loop()
        self._is_up.set()  # connections wait in the backlog of the socket until the server has begun
        await self._server.serve(sockets=[self._socket])
        await self._peers.close()

    def _begin_to_stop(self) -> None:
        self._sink.close_viewers()
        self._server.should_exit = True
        asyncio.get_running_loop().call_later(STOP_SECONDS, self._cut_connections)

    def _cut_connections(self) -> None:
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


def check_certificate(tls: tuple[str, str] | None) -> None:
    """Raise UsageError for files of a certificate and its key that cannot be used."""
    if tls is None:
        return
    for option, file in zip(("--tls-cert", "--tls-key"), tls, strict=True):
        if not Path(file).is_file():
            raise UsageError(f"{option} {file}: no such file")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*tls, password=_no_password)
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"--tls-cert {tls[0]} and --tls-key {tls[1]}: not a certificate and its key: {reason}"
        ) from None


def _no_password() -> str:
    """A key with a password is refused, in place of a question on the terminal."""
    raise ValueError("the key has a password")
