"""The protocol of a sink, which takes finished frames: video files, picture folders, standard output, the null sink."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, TypeVar

from rotoscope.base.frame import Frame


class Sink(Protocol):
    """Takes finished frames, whose `result` is a Picture of code values, in order.

    The result appears under its name at `finish`, complete; after `abort` nothing of it is left. Exactly one of the two is
    called, once; if `finish` raises, `abort` is called after it.
    """

    @property
    def num_frames(self) -> int:
        """Frames written so far."""
        ...

    @property
    def notes(self) -> list[str]:
        """Sentences for the user: what the format could not keep."""
        ...

    @property
    def kept(self) -> list[str]:
        """Names of the source's other streams that are copied, such as sound."""
        ...

    @property
    def losses(self) -> Counter[str]:
        """Cause -> number of packets of those streams that could not be copied."""
        ...

    def write(self, frame: Frame) -> None:
        """Write one frame; raises OutputFailed if it cannot be written."""
        ...

    def finish(self) -> None:
        """Flush what is buffered and give the result its name; raises OutputFailed if that fails."""
        ...

    def abort(self) -> None:
        """Remove what was written. Never raises."""
        ...


SinkT = TypeVar("SinkT", bound=Sink)


@contextmanager
def finishing(
    opened: Callable[[], SinkT], measured: Callable[[], AbstractContextManager[None]] = nullcontext
) -> Iterator[SinkT]:
    """Finish the sink when the block ends well, abort it when the block raises.

    opened    opens the sink
    measured  surrounds the call of `finish`
    """
    sink: SinkT | None = None
    try:
        sink = opened()
        yield sink
        with measured():
            sink.finish()
    except BaseException:
        if sink is not None:
            sink.abort()
        raise
