"""Why a connection failed or ended, in words that may be shown: FFmpeg's own messages hold the address with its password."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager

import av
import av.error

from rotoscope.base.errors import InputRefused
from rotoscope.runtime.live.server_certificates import UNTRUSTED


class Disconnected(Exception):
    """A connection could not be made, or was lost; the text says why, without the address."""


@contextmanager
def disconnects(doing: str, limit_s: float, *, checks_certificate: bool = False) -> Iterator[None]:
    """Turn what PyAV raises in the block into Disconnected.

    doing    "connecting" or "reading", for the text
    limit_s  PyAV's time limit: an error that comes after it is a silence (opening an RTSP address that never answers raises
             "invalid data", not a timeout)
    checks_certificate  the connection begins with TLS: FFmpeg says "input/output error" for a server that is not trusted
    """
    begin_s = time.monotonic()
    try:
        yield
    except av.error.ExitError:
        raise Disconnected(_silence(doing, limit_s)) from None
    except av.error.InvalidDataError:
        if doing == "connecting" and time.monotonic() - begin_s >= limit_s:
            raise Disconnected(_silence(doing, limit_s)) from None
        raise Disconnected("what comes is not a stream that can be read") from None
    except (av.FFmpegError, OSError) as error:
        is_untrusted = checks_certificate and error.errno == errno.EIO
        raise Disconnected(f"{doing} failed: {UNTRUSTED if is_untrusted else _reason(error)}") from None
    except InputRefused as error:
        raise Disconnected(str(error)) from None


def _silence(doing: str, limit_s: float) -> str:
    return f"no answer for {limit_s:g} s" if doing == "connecting" else f"no data for {limit_s:g} s"


def _reason(error: OSError | av.FFmpegError) -> str:
    return (getattr(error, "strerror", "") or type(error).__name__).lower()
