"""Response to a sudden change: how many frames pass until a steadied video shows it.

A clip is translated twice, as it is and with one region of its source replaced from some frame on; each of the two once
steadied and once frame by frame. The share of the change that is shown is the difference of the two steadied results,
projected on the difference of the two frame-by-frame results: 0 none of it, 1 all of it.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rotoscope.base.errors import InputRefused
from rotoscope.metrics.matched import frames_of
from rotoscope.metrics.rgb_array import RGB, same_size, unit_range

SHOWN = 0.9  # share of a change from which on it counts as shown
SETTLING, WATCHED = 10, 15  # frames before the change, and from the change on
SIDE = 4  # the region that changes is a quarter as wide and high as the picture

PictureRegion = tuple[slice, slice]
"""Rows and columns of a picture."""
TranslateFile = Callable[[str, str, dict[str, Any]], None]
"""(source, target, options of `rotoscope.translate`): write the target without loss, replacing an existing file."""


class SuddenChange:
    """The first 25 frames of a video without and with a change, and their frame-by-frame translations.

    source     video, folder or pattern of pictures
    translate  how it is translated
    framewise  options that translate frame by frame
    folder     an existing folder for intermediate files
    start      seconds of the source to skip
    rate       frames per second of an image sequence
    Raises InputRefused for a video of fewer than 25 frames.
    """

    def __init__(
        self,
        source: str,
        translate: TranslateFile,
        *,
        framewise: dict[str, Any],
        folder: Path,
        start: float | None = None,
        rate: float = 25.0,
    ) -> None:
        self._translate, self._folder = translate, folder
        frames = list(islice(frames_of(source, start=start, rate=rate), SETTLING + WATCHED))
        if len(frames) < SETTLING + WATCHED:
            raise InputRefused(
                f"{source}: {len(frames)} frames; accepted with --response: at least {SETTLING + WATCHED}"
            )
        self._sources = [folder / name for name in ("unchanged", "changed")]
        for pictures, change_at in zip(self._sources, (len(frames), SETTLING), strict=True):
            pictures.mkdir()
            for index, frame in enumerate(frames):
                shown = with_change(frame, middle(*frame.shape[:2])) if index >= change_at else frame
                cv2.imwrite(str(pictures / f"{index:04d}.png"), cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
        self._framewise = [self._translated(pictures, framewise) for pictures in self._sources]

    def frames_until_shown(self, options: dict[str, Any]) -> int | None:
        """Translate with these options; return the frames until 90% of the change is shown and stays, 0 = at once.

        None if that takes more than 15 frames, or if the network's result does not change with the source.
        """
        steady, changed = (self._translated(pictures, options) for pictures in self._sources)
        region = middle(*steady[0].shape[:2])
        framewise, framewise_changed = self._framewise
        frames = zip(steady, changed, framewise, framewise_changed, strict=True)
        try:
            return frames_until([response(*four, region) for four in frames])
        except ValueError:
            return None

    def _translated(self, source: Path, options: dict[str, Any]) -> list[RGB]:
        """The frames from the change on, (H,W,3) uint8."""
        result = str(self._folder / "response.mkv")
        self._translate(str(source), result, options)
        return list(frames_of(result))[SETTLING:]


def with_change(picture: RGB, region: PictureRegion) -> RGB:
    """Copy a source picture and turn the region upside down and to its negative, so that it shows something else."""
    changed = picture.copy()
    changed[region] = (255 if picture.dtype == np.uint8 else 1) - picture[region][::-1]
    return changed


def response(steady: RGB, steady_changed: RGB, framewise: RGB, framewise_changed: RGB, region: PictureRegion) -> float:
    """Share of the change that a steadied frame shows: 0 none of it, 1 all of it.

    The four pictures are results of one frame. Raises ValueError if the frame-by-frame result does not change.
    """
    for other in (steady_changed, framewise, framewise_changed):
        same_size(steady, other)
    shown = (unit_range(steady_changed) - unit_range(steady))[region].astype(np.float64)
    wanted = (unit_range(framewise_changed) - unit_range(framewise))[region].astype(np.float64)
    energy = np.square(wanted).sum()
    if not energy:
        raise ValueError("the change of the source changes nothing in the frame-by-frame result")
    return float((shown * wanted).sum() / energy)


def frames_until(responses: Sequence[float], share: float = SHOWN) -> int | None:
    """Frames after the change until `share` of it is shown and stays so; 0 = at once, None = never.

    responses  one for each frame, from the frame of the change on
    """
    missing = [index for index, value in enumerate(responses) if value < share]
    first = missing[-1] + 1 if missing else 0
    return first if first < len(responses) else None


def middle(height: int, width: int) -> PictureRegion:
    """The region that changes: in the middle of a picture of this size, a quarter as high and wide."""
    top, left = (SIDE - 1) * height // (2 * SIDE), (SIDE - 1) * width // (2 * SIDE)
    return slice(top, top + height // SIDE), slice(left, left + width // SIDE)
