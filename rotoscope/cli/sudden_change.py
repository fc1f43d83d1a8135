"""How soon a setting shows a sudden local change: the start of a video translated as it is, and with another object in it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from rotoscope.base.errors import InputRefused

SETTLING, WATCHED = 10, 15  # frames before the change, and from it on
SIDE = 4  # the region that changes is a quarter as wide and high as the picture, in its middle

Translate = Callable[[str, str, dict[str, Any]], None]
"""(source, target, options of `translate`) -> the target is written, without loss"""


class SuddenChange:
    """A video's first frames and the same with a change, and what they look like frame by frame.

    Raises InputRefused for a video of fewer than 25 frames.
    """

    def __init__(self, source: str, rate: float, framewise: dict[str, Any], translate: Translate, folder: Path) -> None:
        self._translate, self._folder = translate, folder
        self._sources = [str(folder / name) for name in ("unchanged.mkv", "changed.mkv")]
        self._write_sources(source, rate)
        self._plain = [self._seen(path, framewise) for path in self._sources]

    def frames_until_there(self, options: dict[str, Any]) -> int | None:
        """Frames until 90% of the change is shown and stays so, 0 = at once; None: not within 15, or nothing changes."""
        from rotoscope.metrics.response import frames_until, response

        shown = [self._seen(path, options) for path in self._sources]
        region = middle(*shown[0][0].shape[:2])
        moments = zip(*shown, *self._plain, strict=True)
        try:
            return frames_until(
                [response(steady, new, plain, wanted, region) for steady, new, plain, wanted in moments]
            )
        except ValueError:  # a network that does not see the change
            return None

    def _write_sources(self, source: str, rate: float) -> None:
        import numpy as np

        import rotoscope
        from rotoscope.metrics.response import with_change

        with rotoscope.read(source, rate=rate) as reader:
            frames = list(islice(reader, SETTLING + WATCHED))
        if len(frames) < SETTLING + WATCHED:
            raise InputRefused(
                f"{source}: {len(frames)} frames; accepted with --response: at least {SETTLING + WATCHED}"
            )
        pictures = [rotoscope.rgb(frame.source) for frame in frames]
        for path, begin in zip(self._sources, (len(frames), SETTLING), strict=True):
            changed = []
            for index, (frame, picture) in enumerate(zip(frames, pictures, strict=True)):
                seen = with_change(picture, middle(*picture.shape[:2])) if index >= begin else picture
                pixels = np.zeros((*seen.shape[:2], 4), np.float32)
                pixels[..., :3] = seen / np.float32(255)
                changed.append(replace(frame, result=rotoscope.Picture((pixels,))))
            rotoscope.write(path, changed, codec="ffv1", overwrite=True)

    def _seen(self, source: str, options: dict[str, Any]) -> list[Any]:
        """The frames from the change on, (H,W,3) uint8."""
        from rotoscope.metrics.matched import frames_of

        result = str(self._folder / "response.mkv")
        self._translate(source, result, options)
        return list(frames_of(result))[SETTLING:]


def middle(height: int, width: int) -> tuple[slice, slice]:
    """The region that changes, in a picture of this size."""
    top, left = (SIDE - 1) * height // (2 * SIDE), (SIDE - 1) * width // (2 * SIDE)
    return slice(top, top + height // SIDE), slice(left, left + width // SIDE)
