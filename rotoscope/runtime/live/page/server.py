"""The server of the page."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rotoscope.base.extras import needs_extra
from rotoscope.base.live import LiveControl
from rotoscope.runtime.http.access import Access, check_token
from rotoscope.runtime.http.certificate import check_certificate
from rotoscope.runtime.http.listening import listening_socket, shown_url
from rotoscope.runtime.http.server_thread import ServerThread
from rotoscope.runtime.live.page.browser_camera import BrowserCamera
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

    thread      in which it runs

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
        from rotoscope.runtime.http.connections import WebSocketConnection

        check_token(host, token)
        check_certificate(tls)
        self._tls, self._host = tls, host
        self._control, self._sink, self._camera = control, sink, camera
        self._socket = listening_socket(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._access = Access(token, self.port, is_https=tls is not None)
        self._peers: Peers | None = None
        certificate, key = tls or (None, None)
        self.thread = ServerThread(
            "rotoscope-page",
            self._socket,
            self._application,
            stop_seconds=STOP_SECONDS,
            on_stop=sink.close_viewers,
            on_end=self._close_peers,
            limit_concurrency=MAX_CONNECTIONS,
            ws=WebSocketConnection,
            ws_max_size=64 * 1024,
            ws_per_message_deflate=False,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )

    @property
    def url(self) -> str:
        """Address for a browser; if the server listens on all addresses, one that other machines can use."""
        return shown_url("https" if self._tls else "http", self._host, self._socket)

    def start(self) -> None:
        """Begin to answer."""
        self.thread.start()

    def stop(self) -> None:
        """End all streams and connections, and the thread; takes less than two seconds, also with viewers that read nothing."""
        self.thread.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _application(self) -> Any:
        from rotoscope.runtime.live.page.application import application
        from rotoscope.runtime.live.page.peers import Peers

        self._peers = Peers(self._sink, self._camera)
        return application(self._control, self._sink, self._access, self._peers)

    async def _close_peers(self) -> None:
        assert self._peers is not None
        await self._peers.close()
