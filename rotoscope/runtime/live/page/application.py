"""The page as one ASGI application: access first, then the routes."""

from typing import TYPE_CHECKING, Any

from rotoscope.base.live import LiveControl
from rotoscope.runtime.http.access import Access, AccessMiddleware
from rotoscope.runtime.live.page.control_routes import ERRORS, control_routes
from rotoscope.runtime.live.page.metrics import metrics_routes
from rotoscope.runtime.live.page.page_sink import PageSink
from rotoscope.runtime.live.page.static_routes import static_routes
from rotoscope.runtime.live.page.stream_routes import stream_routes
from rotoscope.runtime.live.page.webrtc_routes import webrtc_routes

if TYPE_CHECKING:
    from rotoscope.runtime.live.page.peers import Peers


def application(control: LiveControl, sink: PageSink, access: Access, peers: "Peers") -> Any:
    """The application; needs the extra `live`."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware

    routes = [
        *static_routes(), *stream_routes(sink), *control_routes(control, sink), *metrics_routes(control, sink),
        *webrtc_routes(peers),
    ]  # fmt: skip
    handlers: dict[Any, Any] = dict(ERRORS)
    return Starlette(
        routes=routes, middleware=[Middleware(AccessMiddleware, access=access)], exception_handlers=handlers
    )
