"""The service: its lanes and its server."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rotoscope.base.errors import RotoscopeError
from rotoscope.base.extras import needs_extra
from rotoscope.runtime.http.access import Access, AccessMiddleware, check_token
from rotoscope.runtime.http.listening import listening_socket, shown_url
from rotoscope.runtime.http.server_thread import ServerThread
from rotoscope.service.answers import refused
from rotoscope.service.clip_routes import clip_routes
from rotoscope.service.jobs import Lane, Translate
from rotoscope.service.options import ServeOptions
from rotoscope.service.picture_routes import picture_routes
from rotoscope.service.probe_routes import probe_routes

MAX_CONNECTIONS = 100
STOP_SECONDS = 1  # for answers in work
ANSWER_SECONDS = 5.0  # after which the event loop counts as stuck


class Service:
    """Serves pictures and clips; use it in a `with` block, or call `start` and `stop`.

    translate  translates one file; called in the threads of the lanes
    models     names that a request may choose; the first one is the default
    options    where it listens, and limits
    thread     in which it answers

    Errors: UsageError if a package is missing, the token is missing or too short, or the address cannot be had.
    """

    def __init__(self, translate: Translate, models: Sequence[str], options: ServeOptions) -> None:
        with needs_extra("live"):
            import prometheus_client  # noqa: F401
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        check_token(options.host, options.token)
        self._translate, self._models, self._options = translate, models, options
        self._socket = listening_socket(options.host, options.port)
        self.port: int = self._socket.getsockname()[1]
        self.lanes: tuple[Lane, ...] = ()
        self._is_stopping = False
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.thread = ServerThread(
            "rotoscope-service",
            self._socket,
            self._application,
            stop_seconds=STOP_SECONDS,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=STOP_SECONDS,
            ws="none",
        )

    @property
    def url(self) -> str:
        """Address of the service, without a slash at its end."""
        return shown_url("http", self._options.host, self._socket)

    def start(self) -> None:
        """Begin to answer."""
        self._folder = tempfile.TemporaryDirectory(prefix="rotoscope-serve-", ignore_cleanup_errors=True)
        folder, options = Path(self._folder.name), self._options
        self.lanes = (
            Lane("pictures", folder, self._translate, most=options.queue, keep=options.queue, most_seconds=options.job_seconds),
            Lane("clips", folder, self._translate, most=options.queue, keep=options.results, most_seconds=options.job_seconds),
        )  # fmt: skip
        self.thread.start()

    def is_answering(self) -> bool:
        """Whether the event loop answers within ANSWER_SECONDS; for a watchdog."""
        return self.thread.is_answering(ANSWER_SECONDS)

    def wait(self, seconds: float) -> None:
        """Wait; return earlier if the service has ended."""
        self.thread.wait(seconds)

    def drain(self, on_wait: Callable[[], None] = lambda: None) -> None:
        """Take no more jobs; wait until all are done and fetched, at most `drain_seconds`.

        on_wait  called about ten times a second
        """
        self._is_stopping = True
        for lane in self.lanes:
            lane.close()
        limit = time.monotonic() + self._options.drain_seconds
        while time.monotonic() < limit and self.thread.is_alive and not all(lane.is_idle for lane in self.lanes):
            on_wait()
            self.wait(0.1)

    def stop(self) -> None:
        """End all jobs and connections, and delete their files."""
        self._is_stopping = True
        for lane in self.lanes:
            lane.stop()
        self.thread.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _application(self) -> Any:
        from starlette.applications import Starlette
        from starlette.middleware import Middleware

        options = self._options
        pictures, clips = self.lanes
        routes = [
            *probe_routes(self.lanes, self._models, options, lambda: self._is_stopping),
            *picture_routes(pictures, self._models, options),
            *clip_routes(clips, self._models, options),
        ]
        access = Access(options.token, self.port)
        return Starlette(
            routes=routes,
            middleware=[Middleware(AccessMiddleware, access=access)],
            exception_handlers={RotoscopeError: refused},
        )
