"""Requests that are refused: an HTTP status and one line for the client."""

from rotoscope.base.errors import InputRefused, ModelRefused, RotoscopeError, UsageError

RETRY_SECONDS = 5  # what a client that was answered 429 or 503 is asked to wait


class Refused(UsageError):
    """The service does not do what a request asks for; `status` is that of HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Stopped(RotoscopeError):
    """A job was ended before its translation was: cancelled, too long, or the service stops."""


def status_of(error: Exception) -> int:
    """The status of HTTP for an error of a job or request; 500 for what is no fault of the client."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, Stopped):
        return 504
    if isinstance(error, InputRefused):
        return 422
    if isinstance(error, UsageError) and not isinstance(error, ModelRefused):
        return 400
    return 500
