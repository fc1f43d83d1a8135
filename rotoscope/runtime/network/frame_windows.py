"""Frames with their neighbours, for networks that take several at once."""

from collections import deque
from collections.abc import Iterable, Iterator

from rotoscope.base.frame import Frame
from rotoscope.base.manifest import Window

Neighbours = tuple[Frame, ...]
"""The frames at a window's offsets around one frame, oldest first; the frame alone without a window"""


class Windows:
    """Completes the window of each frame of one scene, in order.

    At both ends of the scene the window's edge rule replaces the frames that do not exist. A window is complete when the
    farthest frame ahead has arrived.
    """

    def __init__(self, window: Window | None) -> None:
        self._window = window
        reach = 0 if window is None else max(window.look_back, window.look_ahead)
        self._kept: deque[Frame] = deque(maxlen=2 * reach + 1)
        self._num_added = self._num_given = 0  # of this scene

    @property
    def now(self) -> int:
        """Position of the frame itself among its neighbours."""
        return self._window.offsets.index(0) if self._window else 0

    def add(self, frame: Frame) -> list[Neighbours]:
        """The windows that this frame completes."""
        if self._window is None:
            return [(frame,)]
        self._kept.append(frame)
        self._num_added += 1
        done = []
        while self._num_given + max(self._ahead(offset) for offset in self._window.offsets) < self._num_added:
            done.append(self._next(self._window))
        return done

    def rest(self) -> list[Neighbours]:
        """The windows that are still incomplete when the scene ends, completed by the edge rule."""
        if self._window is None:
            return []
        return [self._next(self._window) for _ in range(self._num_added - self._num_given)]

    def reset(self) -> None:
        """Begin a scene."""
        self._kept.clear()
        self._num_added = self._num_given = 0

    def _ahead(self, offset: int) -> int:
        """Frames between the next frame to give and the one for this offset, if the scene goes on."""
        assert self._window is not None
        place = self._num_given + offset
        return abs(place) - self._num_given if self._window.edge == "mirror" else offset

    def _next(self, window: Window) -> Neighbours:
        first = self._num_added - len(self._kept)
        chosen = tuple(self._kept[self._inside(self._num_given + offset) - first] for offset in window.offsets)
        self._num_given += 1
        return chosen

    def _inside(self, place: int) -> int:
        assert self._window is not None
        last = self._num_added - 1
        if self._window.edge == "mirror":
            place = abs(place)
            place = place if place <= last else 2 * last - place
        return min(max(place, 0), last)


def windows(frames: Iterable[Frame], window: Window | None) -> Iterator[Neighbours]:
    """The window of every frame of a stream, in order; no neighbour lies beyond a cut."""
    scene = Windows(window)
    for frame in frames:
        if frame.cut:
            yield from scene.rest()
            scene.reset()
        yield from scene.add(frame)
    yield from scene.rest()
