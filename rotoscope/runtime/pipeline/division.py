"""Where a run may be divided into segments and parts, by its networks and its steadying.

State ends at scene cuts, so the frames after a cut do not depend on those before it: segments that begin there are exact.
If there is no cut for long, a run without state may be divided anywhere. Blend may be divided too: it is computed from earlier
frames on, whose results are discarded, until the influence of the frames before them is below one code value. The state of
recurrent networks passes from segment to segment in a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rotoscope.base.frame import VideoInfo
from rotoscope.base.options import SteadyOptions
from rotoscope.runtime.media.segment_sink import PartBegin
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.pipeline.steadiness import chosen_method, in_order_models
from rotoscope.runtime.steady.detail import MEASURED_EVERY

BLEND_FRAMES = 16 * MEASURED_EVERY  # after which 0.95 of history leaves 5e-5, and the detail's memory of 0.7 0.3 %
USUAL_RATE = 25.0  # frames per second of a source that does not say


@dataclass(frozen=True)
class Division:
    """Where the segments of a run may end.

    most        seconds after which any frame may end one; None: only cuts
    warm_up     frames to see again before a segment that does not begin a scene; None: the whole scene
    hands_over  the state of the networks passes in a file, and segments follow each other
    has_cuts    scene cuts are looked for
    """

    most: float | None
    warm_up: int | None
    hands_over: bool = False
    has_cuts: bool = True

    def begin(self, first: int, info: VideoInfo) -> PartBegin:
        """Return the rule for where a part begins that may begin with a frame."""
        if not self.has_cuts:
            return PartBegin(first, 0)
        if self.most is None or self.warm_up is None:
            return PartBegin(first, None)
        frames = round(self.most / 2 * float(info.average_rate or USUAL_RATE))
        return PartBegin(first, max(frames, self.warm_up + MEASURED_EVERY))


def division_of(models: Sequence[ModelFile], steady: SteadyOptions, seconds: float) -> Division:
    """How a run with these models and options may be divided into segments of at least so many seconds."""
    method = chosen_method(models, steady)
    if in_order_models(models) and method == "off":
        windows = [model.manifest.frame.window for model in models]
        return Division(
            seconds, max((window.look_back for window in windows if window), default=0), hands_over=True, has_cuts=False
        )
    if in_order_models(models) or steady.keyframes > 1:
        return Division(None, None)
    if method == "off":
        return Division(seconds, 0, has_cuts=False)
    return Division(2 * seconds, BLEND_FRAMES) if method == "blend" else Division(None, None)
