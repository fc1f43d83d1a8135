"""Frames with their neighbours, for networks that look at several at once."""

from collections import deque
from collections.abc import Iterable, Iterator

from rotoscope.base.frame import Frame
from rotoscope.base.manifest import Window


def windows(frames: Iterable[Frame], window: Window | None) -> Iterator[tuple[Frame, ...]]:
    """For each frame, in order, those at the window's offsets, oldest first; without a window the frame alone.

    No neighbour lies beyond a cut: there the window's edge rule stands in, as at both ends of the stream. Frames come as
    late as the farthest neighbour ahead.
    """
    if window is None:
        yield from ((frame,) for frame in frames)
        return
    scene = _Scene(window)
    for frame in frames:
        if frame.cut:
            yield from scene.rest()
            scene = _Scene(window)
        yield from scene.add(frame)
    yield from scene.rest()


class _Scene:
    """The frames of one scene that are still wanted; numbered from its first, 0."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._kept: deque[Frame] = deque(maxlen=2 * max(window.look_back, window.look_ahead) + 1)
        self._added = self._given = 0

    def add(self, frame: Frame) -> Iterator[tuple[Frame, ...]]:
        """Windows that this frame completes."""
        self._kept.append(frame)
        self._added += 1
        while self._given + max(self._ahead(offset) for offset in self._window.offsets) < self._added:
            yield self._next()

    def rest(self) -> Iterator[tuple[Frame, ...]]:
        """The windows that wait for frames which will not come."""
        while self._given < self._added:
            yield self._next()

    def _ahead(self, offset: int) -> int:
        """How far after the frame to make the frame for this offset lies, if the scene goes on."""
        place = self._given + offset
        return abs(place) - self._given if self._window.edge == "mirror" else offset

    def _next(self) -> tuple[Frame, ...]:
        first = self._added - len(self._kept)
        chosen = tuple(self._kept[self._inside(self._given + offset) - first] for offset in self._window.offsets)
        self._given += 1
        return chosen

    def _inside(self, place: int) -> int:
        last = self._added - 1
        if self._window.edge == "mirror":
            place = abs(place)
            place = place if place <= last else 2 * last - place
        return min(max(place, 0), last)
