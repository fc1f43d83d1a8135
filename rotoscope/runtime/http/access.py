"""Who may use the page: the Host and Origin of a request, and its token, are checked before anything else sees it.

Against web sites that use a visitor's browser to reach the page: without a token, a name that resolves to this machine (DNS
rebinding) is not an accepted Host; a request from a page of another origin is always refused, WebSockets included.
"""

import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from rotoscope.base.errors import UsageError

OPEN_PATHS = ("/livez", "/readyz", "/metrics")  # for probes and collectors, which send no token and use other names
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
MIN_TOKEN = 8  # characters
COOKIE_SECONDS = 30 * 24 * 3600


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(host: str, token: str | None) -> None:
    """Raise UsageError for a host with a port, or a token that is wrong, or missing where other machines can reach the page."""
    name, colon, port = host.partition(":")
    if name and colon and port.isdecimal():  # an IPv6 address has more colons
        raise UsageError(f"listen {host}; accepted: a name or an address; --port {port} sets the port")
    if token is None:
        if not is_loopback(host):
            raise UsageError(
                f"listening on {host} lets other machines use the page: a token is needed, at least {MIN_TOKEN} characters"
            )
    elif len(token) < MIN_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(
            f"a token of {len(token)} characters; accepted: {MIN_TOKEN} or more letters, digits and signs of ASCII, no spaces"
        )


class Access:
    """Decides about requests.

    token       None: everyone who can reach the server may use it
    port        of the server; it is part of the cookie's name, because browsers share cookies between ports
    is_https    the cookie is sent over https only
    """

    def __init__(self, token: str | None, port: int, *, is_https: bool = False) -> None:
        self._token, self._secure = token, "; Secure" if is_https else ""
        self._names = {*LOOPBACK_NAMES, *_names_of_this_machine()}
        self._cookie = f"rotoscope_{port}"
        # Derived, so that it stays valid when the run is started again, and does not contain the token.
        self._cookie_value = hmac.new((token or "").encode(), b"cookie of the page", hashlib.sha256).hexdigest()

    def refusal(self, path: str, method: str, headers: Mapping[str, str], query: str) -> tuple[int, str] | None:
        """Why a request is refused, (status, one line); None if it may pass.

        path     without query; headers: lower-case names
        method   "GET", "POST", ..., or "WEBSOCKET"
        """
        if path in OPEN_PATHS and method in ("GET", "HEAD"):
            return None
        host = headers.get("host", "")
        # With a token this is not needed: a browser sends no cookie to another name.
        if self._token is None and not self._accepts_host(host):
            return 421, f"Host {host[:80]!r} is not accepted: it is no name of this machine; with a token any name is"
        if not self._accepts_origin(host, method, headers):
            return 403, "the request comes from a page of another origin"
        if not self._has_token(headers, query):
            return 401, "a token is needed: open the page as /?token=TOKEN, or send it as Authorization: Bearer TOKEN"
        return None

    def cookie_for(self, query: str) -> str | None:
        """The Set-Cookie header for a query that holds the token; None if it does not."""
        if self._token is None or not self._equal(dict(parse_qsl(query)).get("token", "")):
            return None
        return f"{self._cookie}={self._cookie_value}; Max-Age={COOKIE_SECONDS}; Path=/; HttpOnly; SameSite=Lax{self._secure}"

    def _accepts_host(self, host: str) -> bool:
        name = _host_name(host)
        if name is None:
            return False
        try:
            ipaddress.ip_address(name)  # an address cannot be pointed elsewhere, a name can
        except ValueError:
            return name in self._names
        return True

    def _accepts_origin(self, host: str, method: str, headers: Mapping[str, str]) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            try:
                parts = urlsplit(origin)
            except ValueError:  # such as http://[
                return False
            return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
        site = headers.get("sec-fetch-site", "none")
        is_link = (
            method == "GET"
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
        return site in ("none", "same-origin") or is_link

    def _has_token(self, headers: Mapping[str, str], query: str) -> bool:
        if self._token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._equal(given.strip()):
            return True
        if self._equal(dict(parse_qsl(query)).get("token", "")):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self._cookie_value.encode())

    def _equal(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())


class AccessMiddleware:
    """Answers a refused request itself, and turns `/?token=` into a cookie; an ASGI application around another."""

    def __init__(self, app: Any, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one connection."""
        from starlette.responses import PlainTextResponse, RedirectResponse

        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        method = scope.get("method", "WEBSOCKET")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        refusal = self._access.refusal(scope["path"], method, headers, query)
        response: PlainTextResponse | RedirectResponse
        if refusal is not None:
            status, reason = refusal
            response = PlainTextResponse(reason + "\n", status)
            if status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
        elif scope["path"] == "/" and method == "GET" and (cookie := self._access.cookie_for(query)):
            rest = urlencode([(name, value) for name, value in parse_qsl(query) if name != "token"])
            response = RedirectResponse("/" + (f"?{rest}" if rest else ""), 303, headers={"Set-Cookie": cookie})
        else:
            await self._app(scope, receive, send)
            return
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        await response(scope, receive, send)


def _host_name(host: str) -> str | None:
    """The name or address in a Host header, lower case, without brackets and port; None if it is not one."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # checked when it is read
    except ValueError:
        return None
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    return parts.hostname


def _names_of_this_machine() -> set[str]:
    name = socket.gethostname().lower()
    return {name, f"{name.partition('.')[0]}.local"} if name else set()
