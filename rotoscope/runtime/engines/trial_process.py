"""The process in which a stranger's file is tried on ONNX Runtime, so that a crash ends this process and not the run.

It answers one request after the other on its pipes (`trial_engine` asks), and ends when its input ends or stays silent.
A message is the length of its JSON, the JSON, and the bytes of the arrays that the JSON describes. Nothing is unpickled.
"""

import contextlib
import json
import os
import select
import signal
import struct
import sys
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.engine import first_line
from rotoscope.base.errors import RotoscopeError

Arrays = dict[str, NDArray[Any]]

IDLE_SECONDS = 20.0  # without a request; then the process ends
ORPHAN_SECONDS = 300  # of one request, for a call in which no other thread can see that the parent was killed
MEMORY_SHARE = 0.5  # of the machine's, that a stranger's file may make the process take
_LENGTH = struct.Struct("<I")


def send(pipe: IO[bytes], words: dict[str, Any], **groups: Arrays) -> None:
    """Write a message: words that JSON can hold, and groups of arrays by name."""
    arrays = [(group, name, array) for group, named in groups.items() for name, array in named.items()]
    described = [(group, name, array.dtype.str, array.shape) for group, name, array in arrays]
    head = json.dumps({**words, "arrays": described}).encode()
    pipe.write(_LENGTH.pack(len(head)) + head)
    for _, _, array in arrays:
        pipe.write(array.tobytes())
    pipe.flush()


def receive(pipe: IO[bytes]) -> tuple[dict[str, Any], dict[str, Arrays]] | None:
    """Read a message: its words, and its arrays by group and name; None if the pipe ends."""
    length = pipe.read(_LENGTH.size)
    if len(length) < _LENGTH.size:
        return None
    head = pipe.read(_LENGTH.unpack(length)[0])
    if len(head) < _LENGTH.unpack(length)[0]:
        return None
    words = json.loads(head)
    groups: dict[str, Arrays] = {}
    for group, name, kind, shape in words.pop("arrays"):
        dtype = np.dtype(kind)
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        data = pipe.read(size)
        if len(data) < size:
            return None
        groups.setdefault(group, {})[name] = np.frombuffer(data, dtype).reshape(shape)
    return words, groups


class _Answers:
    """The session of one file at a time, and what it says to requests."""

    def __init__(self) -> None:
        from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine

        self._open = OnnxRuntimeEngine
        self._engine: OnnxRuntimeEngine | None = None

    def to(self, words: dict[str, Any], groups: dict[str, Arrays]) -> tuple[dict[str, Any], Arrays]:
        """The words and arrays of the answer."""
        inputs, state = groups.get("inputs", {}), groups.get("state", {})
        if words["do"] == "open":
            self._engine = None
            self._engine = self._open(Path(words["path"]))
            return {}, {}
        assert self._engine is not None
        if words["do"] == "end":
            return {"ended": self._engine.ends_within(inputs, words["seconds"])}, {}
        if words["do"] == "shapes":
            return {"shapes": self._engine.shapes(inputs, state)}, {}
        out = {name: np.empty(shape, dtype) for name, dtype, shape in words["out"]}
        self._engine.run(inputs, state, out, {})
        return {}, out


def main() -> None:
    """Answer until the input ends."""
    requests, replies = os.fdopen(0, "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    with contextlib.suppress(OSError):  # Linux: short of memory, the system ends this process and not the run
        Path("/proc/self/oom_score_adj").write_text("1000")
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        most = int(MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        with contextlib.suppress(OSError, ValueError):  # the user has set a lower limit
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        threading.Thread(target=_end_with_parent, args=(requests.fileno(),), daemon=True).start()
    answers = _Answers()
    while sys.platform == "win32" or select.select([requests], [], [], IDLE_SECONDS)[0]:
        request = receive(requests)
        if request is None:
            return
        if sys.platform != "win32":
            signal.alarm(ORPHAN_SECONDS)
        try:
            words, out = answers.to(*request)
        except RotoscopeError as error:
            words, out = {"refused": str(error)}, {}
        except Exception as error:  # of ONNX Runtime
            words, out = {"failed": first_line(error)}, {}
        send(replies, words, out=out)
        if sys.platform != "win32":
            signal.alarm(0)


def _end_with_parent(requests: int) -> None:
    """End the process, also in the middle of a call, when nothing can ask it any more."""
    ended = select.poll()
    ended.register(requests, 0)  # no event but the end of the writer
    ended.poll()
    os._exit(1)


if __name__ == "__main__":
    main()
