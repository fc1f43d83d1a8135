"""Limits of the service, as one frozen value."""

from dataclasses import dataclass
from typing import Annotated

from rotoscope.base.limits import Within
from rotoscope.base.option_checks import check_fields


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Where the service listens, who may use it, and how much it takes."""

    host: str = "127.0.0.1"
    """Address to listen on; any other than this machine's own needs --token."""

    port: Annotated[int, Within(0, 65535)] = 8000
    """Port to listen on; 0 takes a free one."""

    token: str | None = None
    """Secret of the clients, sent as Authorization: Bearer SECRET; ROTOSCOPE_SERVE_TOKEN keeps it out of the process list."""

    picture_mb: Annotated[float, Within(0.001, 1000, "MB")] = 32
    """Largest picture that is taken, in MB (a million bytes)."""

    clip_mb: Annotated[float, Within(0.001, 100_000, "MB")] = 256
    """Largest clip that is taken, in MB."""

    megapixels: Annotated[float, Within(0.001, 100)] = 12
    """Largest width times height of a picture or clip, in millions of pixels."""

    clip_seconds: Annotated[float, Within(0.1, 86_400, "seconds")] = 60
    """Longest clip that is taken, in seconds of its own time."""

    upload_seconds: Annotated[float, Within(0.1, 86_400, "seconds")] = 60
    """Longest time that a client may take to send its file."""

    job_seconds: Annotated[float, Within(0.1, 86_400, "seconds")] = 600
    """Longest time that the translation of one clip may take; then the job has failed."""

    queue: Annotated[int, Within(1, 10_000, "jobs")] = 16
    """Jobs that may wait or run, for pictures and for clips each; a further one is answered with 429."""

    results: Annotated[int, Within(1, 10_000, "clips")] = 32
    """Finished clips that are kept; the oldest is dropped for a new one."""

    drain_seconds: Annotated[float, Within(0, 86_400, "seconds")] = 30
    """After SIGTERM or Ctrl-C: longest time in which accepted jobs are finished and their results fetched."""

    def __post_init__(self) -> None:
        check_fields(self, ServeOptions)
