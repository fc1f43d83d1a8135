"""The protocol of a stage, and the loop that runs stages over a stream."""

from collections.abc import Generator, Iterable, Sequence
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

    @property
    def look_ahead(self) -> int:
        """Source frames that the stage waits for."""
        ...

    @property
    def spans_cuts(self) -> bool:
        """Whether the stage is left alone at cuts."""
        ...

    def reset(self) -> None:
        """Forget all frames: the next one begins a scene."""
        ...

    def step(self, frame: Frame) -> Iterable[Frame]:
        """Take one frame; return the frames that are complete now, in order (none, one or several)."""
        ...

    def flush(self) -> Iterable[Frame]:
        """Return the frames that are still held: no further frame of this scene comes."""
        ...


def feed(stage: Stage, frame: Frame) -> list[Frame]:
    """Give a stage one frame; at a cut flush and reset it first. Return the frames that are complete now, in order."""
    done: list[Frame] = []
    if frame.cut and not stage.spans_cuts:
        done.extend(stage.flush())
        stage.reset()
    done.extend(stage.step(frame))
    return done


def run_stage(stage: Stage, frames: Iterable[Frame]) -> Generator[Frame, None, None]:
    """Run a stage over a stream: reset it first and at every cut, flush it before a cut and at the end.

    If the frames end with an error, it is raised after the frames before it. Their iterator is closed when this generator is.
    """
    stage.reset()
    iterator = iter(frames)
    try:
        while True:
            try:
                frame = next(iterator)
            except StopIteration:
                break
            except Exception:  # whatever ended the frames: it is raised again once those before it are delivered
                yield from stage.flush()
                raise
            yield from feed(stage, frame)
        yield from stage.flush()
    finally:
        stage.reset()
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


class Chain:
    """Several stages, one after the other, as one stage."""

    spans_cuts = True  # each stage handles cuts when the frame reaches it

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)

    @property
    def look_ahead(self) -> int:
        """Source frames that must arrive before a frame can leave the last stage."""
        return sum(stage.look_ahead for stage in self.stages)

    def reset(self) -> None:
        """Reset every stage."""
        for stage in self.stages:
            stage.reset()

    def step(self, frame: Frame) -> list[Frame]:
        """Pass a frame through all stages."""
        return self._passed([frame], self.stages)

    def flush(self) -> list[Frame]:
        """Flush the stages in order; what one gives back passes through those after it."""
        done: list[Frame] = []
        for place, stage in enumerate(self.stages):
            done.extend(self._passed(list(stage.flush()), self.stages[place + 1 :]))
        return done

    @staticmethod
    def _passed(frames: list[Frame], stages: Sequence[Stage]) -> list[Frame]:
        for stage in stages:
            frames = [done for frame in frames for done in feed(stage, frame)]
        return frames
