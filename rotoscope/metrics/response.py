"""Response to a sudden local change: how long a steadied video goes on showing what is no longer there.

A clip is translated twice, as it is and with one region of its source replaced from some frame on; once steadied, once
frame by frame. What the change adds to the steadied result, projected on what it adds frame by frame, rises from 0 to 1.
"""

from collections.abc import Sequence

import numpy as np

from rotoscope.metrics.pictures import RGB, same_size, unit_range

THERE = 0.9
Region = tuple[slice, slice]


def with_change(picture: RGB, region: Region) -> RGB:
    """A copy of a source picture whose region is turned upside down and inverted: another object in its place."""
    changed = picture.copy()
    changed[region] = (255 if picture.dtype == np.uint8 else 1) - picture[region][::-1]
    return changed


def response(steady: RGB, steady_changed: RGB, framewise: RGB, framewise_changed: RGB, region: Region) -> float:
    """Share of the change that the steadied frame shows: 0 none of it, 1 all of it.

    The four pictures are one moment's results without and with the change. Raises ValueError where it changes nothing.
    """
    for other in (steady_changed, framewise, framewise_changed):
        same_size(steady, other)
    shown = (unit_range(steady_changed) - unit_range(steady))[region].astype(np.float64)
    wanted = (unit_range(framewise_changed) - unit_range(framewise))[region].astype(np.float64)
    energy = np.square(wanted).sum()
    if not energy:
        raise ValueError("the change of the source changes nothing in the frame-wise result")
    return float((shown * wanted).sum() / energy)


def frames_until(responses: Sequence[float], share: float = THERE) -> int | None:
    """Frames after the change until `share` of it is shown and stays so; 0 = at once, None = not within the clip.

    responses  from the frame of the change on, one for each frame
    """
    missing = [index for index, value in enumerate(responses) if value < share]
    first = missing[-1] + 1 if missing else 0
    return first if first < len(responses) else None
