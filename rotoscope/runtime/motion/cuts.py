"""Scene cuts: where the picture before does not explain this one, whatever is moved.

Content detectors such as PySceneDetect's compare pictures in place and mistake fast motion for a cut; here the comparison
is made along the flow, and what remains is held against what remained lately, as its adaptive detector does.
"""

from dataclasses import dataclass

LEAST_LEVELS = 10.0  # of 255: a change of picture leaves more than this
LEAST_DISTRUST = 0.35  # share of the picture that the one before does not show
RISE = 3.0  # times what remained lately
MEMORY = 0.8  # weight of the past in what remained lately, per frame


@dataclass
class CutDetector:
    """Judges frame after frame of one stream."""

    _usual_levels: float = 0.0

    def __call__(self, remaining_levels: float, trust: float) -> bool:
        """Whether a scene begins with this frame.

        remaining_levels  mean absolute difference of lumas along the flow, 0 to 255
        trust             mean of `Motion.trust`, 0 to 1
        """
        is_cut = remaining_levels > max(LEAST_LEVELS, RISE * self._usual_levels) and trust < 1 - LEAST_DISTRUST
        self._usual_levels = 0.0 if is_cut else MEMORY * self._usual_levels + (1 - MEMORY) * remaining_levels
        return is_cut
