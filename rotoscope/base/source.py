"""The protocol of a source, which gives frames: files, picture sequences, pipes, generated frames."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from rotoscope.base.frame import Frame, VideoInfo


class Source(Protocol):
    """A stream of frames that is read once.

    Iterating yields frames in presentation order, with strictly increasing times. As with an open file, a second `iter()`
    continues where the first stopped; to read from the start, open the source again. `losses` and `notes` grow while frames
    are read and are complete after the last one.
    """

    @property
    def info(self) -> VideoInfo:
        """Size, rate, colour and so on, as known before the first frame is delivered."""
        ...

    @property
    def is_endless(self) -> bool:
        """Whether the source has no end of its own (a pipe, a camera): stopping it is the normal way to end a run."""
        ...

    @property
    def losses(self) -> Counter[str]:
        """Cause -> number of frames or packets that could not be delivered."""
        ...

    @property
    def notes(self) -> list[str]:
        """Sentences for the user: what was repaired, converted or left out."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames that were not read yet."""
        ...

    def interrupt(self) -> None:
        """End the stream early, from any thread or signal handler: iteration ends without an error.

        A read that waits returns. What an endless source received before is still delivered.
        """
        ...

    def close(self) -> None:
        """Release decoder, file and device; a source that has an end raises UsageError if it is read on.

        If another thread is reading, its read is interrupted first, and waited for, bounded.
        """
        ...
