"""What may be shown of an address: passwords, stream keys and tokens are left out of messages, logs and reports."""

import os
import re
from urllib.parse import urlsplit

LEFT_OUT = "…"

_SECRET = re.compile(r"(?i)\b(\w*(?:pass|pwd|token|secret|key|auth|sig)\w*=)[^/&;]*")


def shown_address(address: str) -> str:
    """An address without user and password, query and fragment; of RTMP without the stream key, the last part of its path.

    Words without "://" (devices, files, `page:`) are returned unchanged.
    """
    if "://" not in address:
        return address
    scheme, rest = address.split("://", 1)
    path_at = next((at for at, sign in enumerate(rest) if sign in "/?#"), len(rest))
    # A password may hold a slash that was not escaped: everything before the last @ that a host can follow is left out.
    host = rest[:path_at].rpartition("@")[2]
    path = rest[path_at:]
    if "@" in path and "@" not in rest[:path_at] and ":" in rest[:path_at] and not _is_port(rest[:path_at]):
        host, path = _after_at(path)
    query_at = next((at for at, sign in enumerate(path) if sign in "?#"), len(path))
    path, has_more = path[:query_at], query_at < len(path)
    path = _SECRET.sub(rf"\1{LEFT_OUT}", path)
    if scheme.lower() in ("rtmp", "rtmps") and path.count("/") > 1:
        path = f"{path.rpartition('/')[0]}/{LEFT_OUT}"
    return f"{scheme}://{host}{path}{f'?{LEFT_OUT}' if has_more else ''}"


def address_in(path: object) -> str:
    """The address that was given in the place of a path, as it may be shown; empty for a path."""
    if not isinstance(path, str | os.PathLike):
        return ""
    found = re.fullmatch(r"(\w{2,}):/+(.*)", str(path))  # `Path` leaves one of the two slashes
    return shown_address("://".join(found.groups())) if found else ""


def _is_port(host: str) -> bool:
    """Whether what stands before the path is a host with a number as port, and not the begin of a password."""
    try:
        return urlsplit(f"//{host}").port is not None
    except ValueError:
        return False


def _after_at(path: str) -> tuple[str, str]:
    rest = path.rpartition("@")[2]
    at = next((index for index, sign in enumerate(rest) if sign in "/?#"), len(rest))
    return rest[:at], rest[at:]
