"""Engine: what runs a network. Every engine has one method for that, and says on which device it runs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rotoscope.base.device import Array, Device
from rotoscope.base.errors import ModelRefused, RotoscopeError, UsageError

Tensors = Mapping[str, Array]
Shapes = dict[str, tuple[int, ...]]


class EngineEnded(ModelRefused):
    """The process in which a file was tried crashed, or was ended after its time."""


class Engine(Protocol):
    """Runs one network on one device.

    Several threads may call an engine at once if each passes arrays of its own. A process that was forked from the one that
    made an engine must make its own: `run` raises RotoscopeError there.
    """

    @property
    def device(self) -> Device:
        """Device of the network; state tensors are arrays on it."""
        ...

    @property
    def description(self) -> str:
        """Name, precision and device of what runs, for example "onnxruntime fp32 cpu"."""
        ...

    def run(self, inputs: Tensors, state: Tensors, out: Tensors, out_state: Tensors) -> None:
        """Call the network once.

        All four map tensor names to C-contiguous arrays of the model's dtypes. `out` and `out_state` are written; both may
        name fewer tensors than the network has. The engine keeps nothing between calls: the caller passes `out_state` of one
        call as `state` of the next.

        On the CPU the call has ended when `run` returns. On CUDA, if all arrays are CuPy's, the call is enqueued on the
        current stream and not waited for; if some are NumPy's, they are copied, and `run` waits for the results.
        """
        ...

    def shapes(self, inputs: Tensors, state: Tensors) -> Shapes:
        """Return the shape of every output, state included, for inputs of these shapes. This may run the network once."""
        ...


@dataclass(frozen=True, kw_only=True)
class EngineSetup:
    """How an engine shall run a model.

    device      "cpu", "cuda", "cuda:1"; for onnxruntime also "tensorrt"
    precision   "fp64", "fp32", "fp16", "bf16"; None is the file's own, or fp32
    compiled    use torch.compile (torch only)
    op_library  path of a shared library with custom operators (onnxruntime only)
    threads     that one call uses on the CPU
    calls       that run at the same time
    """

    device: str = "cpu"
    precision: str | None = None
    compiled: bool = False
    op_library: str | None = None
    threads: int = 1
    calls: int = 1

    def refuse_op_library(self, engine: str) -> None:
        """Raise UsageError if a library is given to an engine that cannot load one."""
        if self.op_library is not None:
            raise UsageError(f"--op-library with {engine}; only onnxruntime loads operators from a library")

    def refuse_compiled(self, engine: str) -> None:
        """Raise UsageError if `compiled` is given to an engine other than torch."""
        if self.compiled:
            raise UsageError(f"--compiled is for the torch engine; {engine} compiles what it runs anyway")


def check_process(made_in: int, description: str) -> None:
    """Raise RotoscopeError if this is not the process with the id `made_in`: a fork does not copy an engine's threads."""
    if os.getpid() != made_in:
        raise RotoscopeError(
            f"{description} was made in another process (id {made_in}), and a forked process cannot use it; load the model "
            "in this process, or start processes with the spawn method"
        )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, at most 200 characters; the name of its type if it has no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def last_line(error: BaseException) -> str:
    """Return the last line of an error's message, at most 200 characters; the name of its type if it has no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
