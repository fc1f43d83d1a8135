"""Fidelity against consistency: which settings are worth having, and which one to take."""

from collections.abc import Sequence
from typing import NamedTuple


class Setting(NamedTuple):
    """One way to steady a video, and what came of it; lower is better in both numbers.

    distance       to the frame-by-frame result, such as FID, LPIPS or 1 - SSIM
    warping_error  E_warp
    """

    label: str
    distance: float
    warping_error: float


def front(settings: Sequence[Setting]) -> list[Setting]:
    """Those that no other setting beats in one number without losing in the other, by distance."""
    best: list[Setting] = []
    for setting in sorted(settings, key=lambda one: (one.distance, one.warping_error)):
        if not best or setting.warping_error < best[-1].warping_error:
            best.append(setting)
    return best


def recommended(settings: Sequence[Setting], slack: float = 0.1) -> Setting:
    """The choice by HyperCon's rule: best fidelity first, then, among comparable settings, the lowest warping error.

    slack  comparable are those whose distance exceeds the best one by at most this share of the distances' range; the paper
           does not say how it drew that line.
    Raises ValueError without settings.
    """
    if not settings:
        raise ValueError("no settings to choose from")
    distances = [setting.distance for setting in settings]
    limit = min(distances) + slack * (max(distances) - min(distances))
    comparable = [setting for setting in settings if setting.distance <= limit]
    return min(comparable, key=lambda setting: (setting.warping_error, setting.distance))
