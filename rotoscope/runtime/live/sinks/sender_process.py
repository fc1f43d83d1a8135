"""Start, feed and end the process that sends one connection of a stream (`sender`)."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np

from rotoscope.base.errors import OutputFailed
from rotoscope.base.frame import Frame
from rotoscope.base.live import Sound
from rotoscope.runtime.live.sinks.sender_protocol import (
    CONNECT_SECONDS,
    END,
    HEADER,
    PICTURE,
    SOUND,
    WRITE_SECONDS,
    Setup,
)

if sys.platform == "linux":
    import fcntl

SENDER = "rotoscope.runtime.live.sinks.sender"
INTERRUPTED_SECONDS = 0.5  # that a write may still take after `interrupt`
FINISH_SECONDS = 1.0
MOST_PIPE_BYTES = 1 << 20


class SenderEnded(Exception):
    """The process has ended; `SenderProcess.reason` says why."""


class SenderProcess:
    """One connection. It connects by itself: `is_open` says that it has; `has_ended` that it is over, `reason` why.

    `picture` and `sound` wait while the network is slow, at most until the process gives up. All methods may be called from
    one thread, `interrupt` from any.
    """

    def __init__(self, setup: Setup) -> None:
        self.reason = ""
        self.losses: Counter[str] = Counter()
        self._opened, self._ended = threading.Event(), threading.Event()
        self._timer: threading.Timer | None = None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", SENDER],  # -P: no modules of the current folder
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
                start_new_session=True,  # Ctrl-C in a terminal is for the run, which ends the stream properly
            )  # fmt: skip
        except OSError as error:
            raise OutputFailed(f"no process for a stream can be started: {error.strerror}") from error
        assert self._process.stdin is not None
        self._pipe = self._process.stdin
        if sys.platform == "linux":
            picture_bytes = setup.width * setup.height * 3 // 2
            with suppress(OSError):  # the system has a limit for all pipes of a user
                fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, min(MOST_PIPE_BYTES, picture_bytes))
        self._replies = threading.Thread(target=self._read_replies, name="rotoscope-sender", daemon=True)
        self._replies.start()
        with suppress(SenderEnded):
            self._write(json.dumps(asdict(setup)).encode() + b"\n")

    @property
    def is_open(self) -> bool:
        """Whether the server has accepted the stream, and the process lives."""
        return self._opened.is_set() and not self._ended.is_set()

    @property
    def has_ended(self) -> bool:
        """Whether the process is over."""
        return self._ended.is_set()

    def picture(self, frame: Frame) -> None:
        """Send the result of a frame, planes Y, Cb, Cr; raises SenderEnded."""
        assert frame.result is not None
        planes = [np.ascontiguousarray(plane) for plane in frame.result.planes]
        self._send(PICTURE, frame.seconds, *planes)

    def sound(self, sound: Sound) -> None:
        """Send a piece of sound; raises SenderEnded."""
        self._send(SOUND, sound.seconds, np.ascontiguousarray(sound.samples, np.float32))

    def interrupt(self) -> None:
        """End a write that waits for the network, soon; the process is killed then, else it can still be finished."""
        if self._timer is None:
            self._kill_after(INTERRUPTED_SECONDS)

    def finish(self) -> None:
        """End the stream properly, or at least the process."""
        self._kill_after(FINISH_SECONDS)
        with suppress(SenderEnded):
            self._send(END, Fraction(0))
        self._ended.wait()
        self.close()

    def close(self) -> None:
        """End the process at once, and release its pipes."""
        self._stop_timer()
        self._process.kill()
        self._replies.join()
        self._pipe.close()

    def _kill_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = threading.Timer(seconds, self._process.kill)
        self._timer.daemon = True
        self._timer.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _send(self, kind: bytes, seconds: Fraction, *arrays: np.ndarray) -> None:
        size = sum(array.nbytes for array in arrays)
        self._write(HEADER.pack(kind, seconds.numerator, seconds.denominator, size))
        for array in arrays:
            self._write(array.data.cast("B"))

    def _write(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[self._pipe.write(left) :]
        except OSError as error:
            self._ended.wait()
            raise SenderEnded from error

    def _read_replies(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as replies:
            for line in replies:
                words = json.loads(line)
                self.reason = words.get("failed", self.reason)
                self.losses = Counter(words.get("losses", self.losses))
                if "open" in words:
                    self._opened.set()
        code = self._process.wait()
        if not self.reason:
            self.reason = self._reason_of(code)
        self._ended.set()

    def _reason_of(self, code: int) -> str:
        if code == -signal.SIGALRM:
            seconds = WRITE_SECONDS if self._opened.is_set() else CONNECT_SECONDS
            return f"no answer from the server for {seconds:.0f} s"
        return "the stream was ended" if code in (0, -signal.SIGKILL) else f"the sending process ended with code {code}"
