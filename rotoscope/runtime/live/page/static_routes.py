"""The files of the page: one HTML file with its style and script beside it; they load nothing from elsewhere."""

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/picture.js": ("picture.js", "text/javascript"),
    "/graph.js": ("graph.js", "text/javascript"),
    "/camera.js": ("camera.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def static_routes() -> list["BaseRoute"]:
    """A route for each file."""
    from starlette.responses import Response
    from starlette.routing import Route

    folder = resources.files("rotoscope.runtime.live.page").joinpath("static")

    def file(request: "Request") -> "Response":
        name, kind = FILES[request.url.path]
        return Response(folder.joinpath(name).read_bytes(), media_type=kind, headers=HEADERS)

    return [Route(path, file) for path in FILES]
