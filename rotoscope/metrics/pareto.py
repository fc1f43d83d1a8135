"""Choose among settings by two numbers: distance to the frame-by-frame result and warping error."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from rotoscope.base.errors import InputRefused


class Setting(NamedTuple):
    """One way to steady a video and its two numbers; lower is better in both. NaN: could not be measured.

    distance       to the frame-by-frame result: FID, LPIPS or 1 - SSIM
    warping_error  E_warp
    """

    label: str
    distance: float
    warping_error: float

    @property
    def is_measured(self) -> bool:
        """Both numbers are finite."""
        return math.isfinite(self.distance) and math.isfinite(self.warping_error)


def pareto_front(settings: Sequence[Setting]) -> list[Setting]:
    """Return the measured settings for which no other one is better in one number and at least equal in the other.

    They are sorted by distance; the list is empty if no setting is measured.
    """
    front: list[Setting] = []
    for setting in sorted(_measured(settings), key=lambda one: (one.distance, one.warping_error)):
        if not front or setting.warping_error < front[-1].warping_error:
            front.append(setting)
    return front


def recommended(settings: Sequence[Setting], slack: float = 0.1) -> Setting:
    """Choose by HyperCon's rule: among the settings with nearly the smallest distance, the lowest warping error.

    Settings with a NaN or infinite number are left out.

    slack  a distance is near the smallest one if it exceeds it by at most this share of the range of all distances, 0 to 1.
           The paper (Szeto et al., WACV 2021) does not say how it drew that line; a tenth is our reading.
    Raises InputRefused if no setting is measured.
    """
    candidates = _measured(settings)
    if not candidates:
        raise InputRefused(
            f"none of {len(settings)} settings has a finite E_warp and a finite distance to frame by frame; "
            "accepted: at least one (E_warp is NaN if the flow finds no pixel visible in two neighbouring frames)"
        )
    limit = largest_near_distance(candidates, slack)
    near = [setting for setting in candidates if setting.distance <= limit]
    return min(near, key=lambda setting: (setting.warping_error, setting.distance))


def largest_near_distance(settings: Sequence[Setting], slack: float = 0.1) -> float:
    """Return the largest distance that `recommended` takes for nearly the smallest one, of settings with a measured one."""
    distances = [setting.distance for setting in _measured(settings)]
    return min(distances) + slack * (max(distances) - min(distances))


def _measured(settings: Sequence[Setting]) -> list[Setting]:
    return [setting for setting in settings if setting.is_measured]
