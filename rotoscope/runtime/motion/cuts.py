"""Scene cuts: frames that the frame before does not explain, however it is moved, and frames of another size.

Content detectors such as PySceneDetect's compare pictures in place and mistake fast motion for a cut. Here the comparison
follows the flow, and the remaining difference is compared with that of recent frames, as its adaptive detector does.
"""

from dataclasses import dataclass, replace

from rotoscope.base.frame import Frame

LEAST_LEVELS = 10.0  # of 255: a cut leaves a larger difference than this
LEAST_DISTRUST = 0.35  # share of the picture that the frame before does not show
RISE = 3.0  # times the recent difference
MEMORY = 0.8  # weight of the past in the recent difference, per frame


@dataclass
class CutDetector:
    """Judges the frames of one stream, in order."""

    _recent_levels: float = 0.0

    def __call__(self, remaining_levels: float, trust: float) -> bool:
        """Whether a scene begins with this frame.

        remaining_levels  mean absolute difference of the lumas along the flow, 0 to 255
        trust             mean of `Motion.trust`, 0 to 1
        """
        is_cut = remaining_levels > max(LEAST_LEVELS, RISE * self._recent_levels) and trust < 1 - LEAST_DISTRUST
        self._recent_levels = 0.0 if is_cut else MEMORY * self._recent_levels + (1 - MEMORY) * remaining_levels
        return is_cut


class CutAtSizeChange:
    """The first stage: a frame whose picture has another size than the frame before begins a scene."""

    look_ahead = 0
    spans_cuts = True

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None

    def reset(self) -> None:
        """Accept any size."""
        self._size = None

    def step(self, frame: Frame) -> list[Frame]:
        """The frame, marked as a cut if its size is new."""
        before, self._size = self._size, frame.source.size
        return [replace(frame, cut=True) if before not in (None, self._size) else frame]

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []
