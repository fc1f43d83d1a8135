"""What a stage is, and the one loop that runs it over a stream."""

from collections.abc import Generator, Iterable
from typing import Protocol

from rotoscope.base.frame import Frame


class Stage(Protocol):
    """One step of the pipeline: takes frames one by one, gives frames back in order.

    A stage is mechanism: it knows nothing of threads, of dropping, or of the stages around it. Its attributes may change
    between two steps (strength, look): the next step uses them.

    look_ahead   source frames that must arrive before a frame can leave; 0 for most stages
    spans_cuts   True if frames of different scenes do not influence each other here. Such a stage is not flushed at a cut,
                 so that work on both scenes can overlap; it must handle `frame.cut` itself if it keeps anything.
    """

    look_ahead: int
    spans_cuts: bool

    def reset(self) -> None:
        """Forget all frames: the next one begins a scene."""
        ...

    def step(self, frame: Frame) -> Iterable[Frame]:
        """Take one frame; return the frames that are complete now, in order (none, one or several)."""
        ...

    def flush(self) -> Iterable[Frame]:
        """Return the frames that are still held: no further frame of this scene comes."""
        ...


def run_stage(stage: Stage, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
    """Run a stage over a stream: reset it first and at every cut, flush it before a cut and at the end.

    The frames' own iterator is closed when this generator is.
    """
    stage.reset()
    iterator = iter(frames)
    try:
        for frame in iterator:
            if frame.cut and not stage.spans_cuts:
                yield from stage.flush()
                stage.reset()
            yield from stage.step(frame)
        yield from stage.flush()
    finally:
        stage.reset()
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
