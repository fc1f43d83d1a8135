"""y4m on standard input: the one format that needs no seeking and cannot refer to another file."""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import av
import av.container

from rotoscope.base.errors import InputRefused

_POLL_SECONDS = 0.1  # how soon a read that waits for a silent pipe notices `interrupt`


class InterruptedRead(KeyboardInterrupt, Exception):
    """Ctrl-C during a read: PyAV passes on an Exception that a read raises, but swallows a bare KeyboardInterrupt."""


class StandardInput:
    """The bytes of a pipe, for a demuxer in any thread; after `interrupt` the pipe looks closed. `num_bytes` counts them.

    On Windows a read that waits cannot be ended: `select` takes only sockets there.
    """

    def __init__(self) -> None:
        if sys.stdin is None:
            raise InputRefused("standard input is closed")
        self.num_bytes = 0
        self._descriptor = sys.stdin.fileno()
        # A plain flag, not an Event: a signal handler may set it while this thread holds the Event's lock.
        self._is_interrupted = False
        self._can_wait = sys.platform != "win32"

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; none at the end."""
        try:
            while not self._is_interrupted:
                if not self._can_wait or select.select([self._descriptor], [], [], _POLL_SECONDS)[0]:
                    received = os.read(self._descriptor, size)
                    self.num_bytes += len(received)
                    return received
        except KeyboardInterrupt as error:
            raise InterruptedRead from error
        return b""

    def interrupt(self) -> None:
        """End a read that waits, and every later one. Any thread and any signal handler may call this."""
        self._is_interrupted = True

    @contextmanager
    def opened(self) -> Iterator[av.container.InputContainer]:
        """A demuxer over the stream; raises InputRefused if it is not y4m."""
        try:
            container = av.open(self, "r", format="yuv4mpegpipe")
        except InterruptedRead as error:
            raise error.__cause__ or error from None
        except (av.FFmpegError, ValueError) as error:
            raise InputRefused(
                "standard input is not a y4m stream (ffmpeg ... -f yuv4mpegpipe - writes one)"
            ) from error
        with container:
            yield container
