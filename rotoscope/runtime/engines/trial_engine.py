"""An engine whose calls run in a process of their own (`trial_process`): for the first calls of a stranger's file."""

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from rotoscope.base.device import CPU
from rotoscope.base.engine import EngineEnded, Shapes, Tensors
from rotoscope.base.errors import ModelRefused, RotoscopeError
from rotoscope.runtime.engines.trial_process import Arrays, receive, send

PROCESS = "rotoscope.runtime.engines.trial_process"
OPEN_SECONDS = 120.0  # of making a session
CALL_SECONDS = 30.0  # of one call on a small picture
MORE_SECONDS = 10.0  # for a call that is told to stop

_lock = threading.Lock()  # held while a file is tried
_process: "_Process | None" = None  # kept for the next file; it ends by itself when nothing is asked


@contextmanager
def trial_engine(path: Path) -> Generator["TrialEngine", None, None]:
    """An engine for one ONNX file, as ONNX Runtime on the CPU; raises ModelRefused, EngineEnded if the process ends.

    One file is tried at a time; other threads wait.
    """
    with _lock:
        yield TrialEngine(path)


def start() -> None:
    """Start the process, so that it loads ONNX Runtime while the caller does something else."""
    with _lock:
        _running()


class TrialEngine:
    """ONNX Runtime on the CPU in another process, with one thread; made by `trial_engine`."""

    device = CPU
    description = "onnxruntime cpu, tried in a process of its own"

    def __init__(self, path: Path) -> None:
        self._path = path
        request = {"do": "open", "path": str(path.absolute())}
        self._process = _running()
        try:
            self._ask("its graph", OPEN_SECONDS, request)
        except EngineEnded:
            if self._process.code != 0:
                raise
            self._process = _running()  # the process before had waited long enough for a request
            self._ask("its graph", OPEN_SECONDS, request)

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:  # noqa: ARG002
        """Call the network once; `out_state` is not written."""
        wanted = [(name, array.dtype.str, array.shape) for name, array in out.items()]
        _, made = self._ask(_shown(inputs), CALL_SECONDS, {"do": "run", "out": wanted}, inputs=inputs, state=state)
        for name, array in out.items():
            array[...] = made["out"][name]

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """Run the network once and return the shapes of its outputs."""
        words, _ = self._ask(_shown(inputs), CALL_SECONDS, {"do": "shapes"}, inputs=inputs, state=state)
        return {name: tuple(shape) for name, shape in words["shapes"].items()}

    def ends_within(self, tensors: Tensors, seconds: float) -> bool:
        """Run the network once, at most `seconds`; return whether it ended, well or not."""
        words, _ = self._ask(_shown(tensors), seconds + MORE_SECONDS, {"do": "end", "seconds": seconds}, inputs=tensors)
        return bool(words.get("ended", True))

    def _ask(
        self, what: str, seconds: float, words: dict[str, Any], **groups: Tensors
    ) -> tuple[dict[str, Any], dict[str, Arrays]]:
        """Send a request and return the answer; the process is killed after `seconds`."""
        arrays = {group: {name: np.asarray(array) for name, array in named.items()} for group, named in groups.items()}
        answer = self._process.answer(seconds, words, arrays)
        if answer is None:
            why = self._process.why_ended()
            raise EngineEnded(f"{self._path}: ONNX Runtime {why} on {what}; the file is damaged or hostile")
        if "refused" in answer[0]:
            raise ModelRefused(answer[0]["refused"].replace(str(self._path.absolute()), str(self._path), 1))
        if "failed" in answer[0]:
            raise RotoscopeError(answer[0]["failed"])
        return answer


class _Process:
    """The running process and its pipes."""

    def __init__(self) -> None:
        self._is_late = False
        folders = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        try:
            self.popen = subprocess.Popen(
                [sys.executable, "-P", "-m", PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": folders}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise RotoscopeError(f"no process to try a model in can be started: {error.strerror}") from error

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self.popen.poll()

    def answer(
        self, seconds: float, words: dict[str, Any], arrays: dict[str, Arrays]
    ) -> tuple[dict[str, Any], dict[str, Arrays]] | None:
        """The answer to a request, or None if the process ends before."""
        assert self.popen.stdin is not None and self.popen.stdout is not None
        timer = threading.Timer(seconds, self._kill)
        timer.daemon = True
        timer.start()
        try:
            send(self.popen.stdin, words, **arrays)
            return receive(self.popen.stdout)
        except (OSError, ValueError):  # ValueError: what comes is no message, or the pipe is closed
            return None
        finally:
            timer.cancel()

    def why_ended(self) -> str:
        """Say how the process ended: it no longer answers."""
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(MORE_SECONDS)
        code = self.code
        self.close()
        if self._is_late:
            return "was not done in time"
        if code is None:
            return "gave no answer"
        return f"crashed ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"

    def close(self) -> None:
        """End the process, if it still runs, and release its pipes."""
        self.popen.kill()
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()

    def _kill(self) -> None:
        self._is_late = True
        self.popen.kill()


def _running() -> _Process:
    """The process, started if there is none; one that has ended is replaced."""
    global _process  # noqa: PLW0603
    if _process is None:
        atexit.register(_end)
    elif _process.code is not None:
        _process.close()
        _process = None
    _process = _process or _Process()
    return _process


def _end() -> None:
    if _process is not None:
        _process.close()


def _forget() -> None:
    """In a forked child: the process belongs to the parent, and another thread may have held the lock."""
    global _lock, _process
    if _process is not None:
        _process.popen.returncode = 0  # else the parent's process would be waited for when this is freed
    _lock, _process = threading.Lock(), None
    atexit.unregister(_end)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _shown(inputs: Tensors) -> str:
    return ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
