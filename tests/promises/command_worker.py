"""A process that runs command lines of `rotoscope`, one after the other: the corpus gives it its entries.

Each line on standard input is {"folder": ..., "words": [...]}, each answer {"code": ..., "cpu_seconds": ..., "peak_bytes": ...,
"events": [...]}. What the command prints goes to `stdout` and `stderr` beside the folder. Ends when its input ends.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

MAX_DATA_BYTES = (
    6 << 30
)  # of a worker; a file that makes it take more gets a MemoryError, which is not expected anywhere
ACTIONS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "subprocess.Popen",
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "ctypes.dlopen",
    "shutil.rmtree",
    "webbrowser.open",
)

events: list[str] = []


def watch(event: str, arguments: tuple) -> None:
    """Record what no file may make the command do: start a program, open a connection, load a library."""
    if event not in ACTIONS:
        return
    if event in ("subprocess.Popen", "os.posix_spawn", "os.exec") and str(arguments[0]) == sys.executable:
        return  # a child of our own
    if event == "subprocess.Popen" and str(arguments[0]).endswith("ldconfig"):
        return  # Python's own search for a library, when torch is imported
    if event in ("socket.connect", "socket.bind") and not isinstance(arguments[1], tuple):
        return  # a local socket between our own processes
    if event == "shutil.rmtree" and "pwned" not in str(arguments[0]) and "nothing-here" not in str(arguments[0]):
        return
    if event == "ctypes.dlopen" and arguments[0] not in ("libc.so.6", "pwned.so"):
        return
    events.append(f"{event} {arguments!r}"[:300])


def main() -> None:
    """Answer requests until the input ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the run, also in a call that hangs
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))
    from rotoscope.cli import main as command

    sys.addaudithook(watch)
    for line in requests:
        request = json.loads(line)
        answers.write(json.dumps(run(command, Path(request["folder"]), request["words"])) + "\n")
        answers.flush()


def run(command, folder: Path, words: list[str]) -> dict:
    """Run one command line in a folder."""
    os.chdir(folder)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        opened = os.open(folder.parent / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, descriptor)
        os.close(opened)
    events.clear()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    before = time.process_time()
    code = command(words)
    sys.stdout.flush()
    sys.stderr.flush()
    return {
        "code": code,
        "cpu_seconds": round(time.process_time() - before, 3),
        "peak_bytes": peak_bytes(),
        "events": list(events),
    }


def peak_bytes() -> int:
    """The most memory that this process held since the last reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


if __name__ == "__main__":
    main()
