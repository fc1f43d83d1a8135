"""The socket that a server listens on, and the address by which others reach it."""

import errno
import ipaddress
import socket

from rotoscope.base.errors import UsageError

# A client that takes nothing for this long is cut by the kernel. Its buffer is small, so that a slow viewer of the page
# skips pictures and does not see old ones.
STUCK_MILLISECONDS = 20_000
SEND_BUFFER_BYTES = 128 * 1024


def listening_socket(host: str, port: int) -> socket.socket:
    """A listening socket, whose connections inherit its options; raises UsageError if the address cannot be had."""
    if not 0 <= port <= 65535:
        raise UsageError(f"port {port}; accepted: 0 (any free one) to 65535")
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            reason = "another program listens there, perhaps another run; choose another port, or 0 for a free one"
            raise UsageError(f"port {port} of {host} is in use: {reason}") from None
        raise UsageError(f"cannot listen on {host}, port {port}: {_reason(error)}") from None
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MILLISECONDS)
    return listening


def shown_url(scheme: str, host: str, listening: socket.socket) -> str:
    """Address of a server; if it listens on all addresses of this machine, one that other machines can use.

    host  what the socket was told to listen on
    """
    host = _own_address(listening.family) if host in ("0.0.0.0", "::", "") else host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _own_address(family: int) -> str:
    """The address of this machine that other machines see; its name if it has no network."""
    target = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # reserved for documentation; nothing is sent
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
            address: str = probe.getsockname()[0]
        except OSError:
            return socket.gethostname()
    return str(ipaddress.ip_address(address.partition("%")[0]))
