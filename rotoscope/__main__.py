"""The program: the command line in a process of its own, from the first moment to the last.

A signal ends it with 128 + its number (`live` with 0) at any time: during the imports, which take longest, at once; during a
command as `rotoscope.cli` does; after it with the code that the command had. So nothing heavy is imported before the handler is
set.
"""

import atexit
import io
import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType

from rotoscope.base.errors import OutputFailed
from rotoscope.base.signals import STOPPING, code_when_stopped, stopped_line


class Ending:
    """The handler of signals outside a command.

    code  exit code of the command; None until it has ended
    """

    def __init__(self) -> None:
        self.code: int | None = None
        for number in STOPPING:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                signal.signal(number, self.end)
        # The last of these functions to run: then the interpreter gives the signals back to the system, which would kill.
        atexit.register(ignore_signals)

    def end(self, number: int, _frame: FrameType | None) -> None:
        """End the process at once: nothing has been written yet, or everything has been."""
        if self.code is None:
            with suppress(OSError):
                os.write(2, f"rotoscope: {stopped_line(number)}\n".encode())
        os._exit(code_when_stopped(number, sys.argv[1:]) if self.code is None else self.code)


def ignore_signals() -> None:
    """Ignore signals from now on."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


class ClosedOutput(io.TextIOBase):
    """Stands for standard output in a process that was started without one."""

    @property
    def buffer(self) -> io.BytesIO:
        """Raise OutputFailed."""
        raise OutputFailed("standard output is closed")

    def write(self, _text: str) -> int:
        """Raise OutputFailed."""
        raise OutputFailed("standard output is closed")


def open_missing_streams() -> None:
    """Open the null device in place of standard streams that are closed.

    Otherwise the first files that the run opens would get the numbers 0, 1 and 2, and messages of C libraries would be written
    into them.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        if not is_usable(number):
            os.dup2(nothing, number)
    if nothing > 2:
        os.close(nothing)
    if sys.stdout is None:
        sys.stdout = ClosedOutput()
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  # a number, for the whole run


def is_usable(number: int) -> bool:
    """Whether a standard stream is open; a file that a shell opened to read its own script may have taken the number."""
    try:
        os.fstat(number)
    except OSError:
        return False
    if sys.platform == "win32":
        return True
    import fcntl

    mode = fcntl.fcntl(number, fcntl.F_GETFL) & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
    return mode != (os.O_WRONLY if number == 0 else os.O_RDONLY)


def drop_what_cannot_be_written() -> None:
    """Let Python end with the code of the command when a standard stream is full or its reader gone; otherwise it is 120."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def leave_threads_behind(code: int) -> None:
    """End the process now if a thread still works, for example on a model that opens.

    Python's own end would stop it within native code, which aborts the process.
    """
    if any(thread.daemon for thread in threading.enumerate()):
        os._exit(code)


def main() -> int:
    """Run the command line; return its exit code."""
    ending = Ending()
    open_missing_streams()
    from rotoscope.cli import main as run

    ending.code = run()
    drop_what_cannot_be_written()
    leave_threads_behind(ending.code)
    return ending.code


if __name__ == "__main__":
    sys.exit(main())
