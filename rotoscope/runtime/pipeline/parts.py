"""Parts of a long video, which several workers write at once, and the stage that finds where one begins."""

from dataclasses import dataclass

from rotoscope.base.errors import RotoscopeError
from rotoscope.base.frame import Frame, VideoInfo
from rotoscope.runtime.media.segment_sink import PartBegin
from rotoscope.runtime.steady.detail import MEASURED_EVERY

LOOK_BACK_FRAMES = (
    400  # before a part, in which cuts are looked for: 0.8 to this power leaves nothing of older differences
)


@dataclass(frozen=True)
class Part:
    """A part of a video, to be written by one worker.

    first, end  indices of the frames from which on it, and the next one, may begin (see `PartBegin`); end is None for the last
    look_back   frames before the first in which the stages look for cuts; None: all
    """

    first: int
    end: int | None
    look_back: int | None = LOOK_BACK_FRAMES


class SceneUnknown(RotoscopeError):
    """No cut was found near the begin of a part: its worker must look for one in all frames before."""


def parts_of(num_frames: int | None, info: VideoInfo, most: int, seconds: float) -> tuple[Part, ...]:
    """Parts of equal length, each of at least `seconds`; one alone if the number of frames is not known."""
    rate = float(info.average_rate) if info.average_rate else 0.0
    if num_frames is None or not rate:
        return (Part(0, None),)
    number = max(1, min(most, int(num_frames / rate / seconds)))
    firsts = [num_frames * place // number for place in range(number)]
    return tuple(Part(first, end) for first, end in zip(firsts, [*firsts[1:], None], strict=True))


class FindBegin:
    """A stage behind the motion that lets no frame pass before a part begins.

    Where a part may begin without a cut, the frames that the stages behind must see first pass too, in the rhythm of the scene.

    begin      where the part begins
    end        index of the frame from which on the next part may begin: this one is empty if it has not begun before
    warm_up    frames before a begin without a cut; None: it begins at cuts only
    look_from  index of the first frame that comes; 0: the scene of every frame is known
    """

    look_ahead = 0
    spans_cuts = True

    def __init__(self, begin: PartBegin, end: int | None, warm_up: int | None, look_from: int) -> None:
        self._begin, self._end, self._warm_up = begin, end, warm_up
        self._scene: int | None = None if look_from else 0
        self._is_open = self.is_empty = False

    def reset(self) -> None:
        """Keep everything: the stage serves one part of one video."""

    def step(self, frame: Frame) -> list[Frame]:
        """The frame, if the stages behind must see it; raises SceneUnknown if that cannot be told."""
        if frame.cut:
            self._scene = frame.index
        if self._end is not None and frame.index >= self._end and not self._is_open:
            self.is_empty = True
            return []
        self._is_open = self._is_open or self._begin.is_at(frame) or self._warms_up(frame)
        return [frame] if self._is_open else []

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []

    def _warms_up(self, frame: Frame) -> bool:
        if self._warm_up is None or self._begin.patience is None:
            return False
        at = self._begin.first + self._begin.patience - self._warm_up
        if self._scene is None:
            if frame.index >= at - MEASURED_EVERY:
                raise SceneUnknown(f"no scene cut up to frame {frame.index}")
            return False
        return frame.index >= at - (at - self._scene) % MEASURED_EVERY
