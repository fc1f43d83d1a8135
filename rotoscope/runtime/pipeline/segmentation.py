"""Whether and how a run is written in segments, and from which frame on an interrupted one goes on.

State ends at scene cuts, so the frames after a cut do not depend on those before it: segments that begin there are exact.
If there is no cut for long, a run without state may be divided anywhere. Blend may be divided too: it is computed from earlier
frames on, whose results are discarded, until the influence of the frames before them is below one code value.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame
from rotoscope.base.options import SteadyOptions
from rotoscope.runtime.media.open_source import MediaSource
from rotoscope.runtime.media.segment_sink import JOINED, SegmentRule
from rotoscope.runtime.media.segments import Segment, read_segments
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.pipeline.output import OutputPlan
from rotoscope.runtime.pipeline.steadiness import chosen_method, in_order_models
from rotoscope.runtime.steady.detail import MEASURED_EVERY

LOCK = "lock"  # file in the folder of segments
BLEND_FRAMES = 16 * MEASURED_EVERY  # after which 0.95 of history leaves 5e-5, and the detail's memory of 0.7 0.3 %


@dataclass(frozen=True)
class Segmented:
    """A wish for segments.

    folder       that holds the segments of this very run, and of no other
    seconds      least length of one
    is_required  refuse a run that cannot be divided, and divide short ones too; otherwise those are written at once
    """

    folder: Path
    seconds: float
    is_required: bool = True


@dataclass(frozen=True)
class Resumption:
    """Where a run goes on.

    rule      for the ends of segments
    segments  that are complete
    warm_up   frames before the first missing one that the stages see; None: it begins a scene
    lock      of the folder, held until `release`
    """

    rule: SegmentRule
    segments: tuple[Segment, ...]
    warm_up: int | None
    lock: FileLock

    def release(self) -> None:
        """Let other runs use the folder; remove it if it is empty, and the folders around it that hold nothing else."""
        self.lock.release()
        folder = self.rule.folder
        if not any(folder.glob("*.json")):
            (folder / LOCK).unlink(missing_ok=True)
        for place in (folder, folder.parent, folder.parent.parent):
            with suppress(OSError):  # it holds something, or is gone
                place.rmdir()

    @property
    def first_frame(self) -> int:
        """Index of the first frame that the stages see."""
        if not self.segments:
            return 0
        last = self.segments[-1]
        if self.warm_up == 0:
            return last.end
        if self.warm_up is None or last.end - last.scene <= self.warm_up:
            return last.scene
        begin = last.end - self.warm_up
        return (
            begin - (begin - last.scene) % MEASURED_EVERY
        )  # detail is measured in this rhythm from a scene's start on

    def needed(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames from the first needed one on."""
        return (frame for frame in frames if frame.index >= self.first_frame)


def plan_segments(
    wish: Segmented, source: MediaSource, plan: OutputPlan, models: Sequence[ModelFile], steady: SteadyOptions
) -> Resumption | None:
    """Where the run goes on; None: it is written at once. Raises UsageError for a required wish that cannot be met."""
    reason = _why_whole(source, plan, models, steady)
    if reason and wish.is_required:
        raise UsageError(f"--resume: {reason}; accepted: without --resume")
    length = source.info.duration_seconds
    is_short = length is None or length < 2 * wish.seconds
    if reason or (is_short and not wish.is_required):
        return None
    most, warm_up = _division(models, steady, wish.seconds)
    lock = _claim(wish.folder, plan.path)
    return Resumption(SegmentRule(wish.folder, wish.seconds, most), tuple(read_segments(wish.folder)), warm_up, lock)


def _claim(folder: Path, target: Path | None) -> FileLock:
    """Make the folder of segments and lock it; raises UsageError if another run works there."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"{target}: another run writes it, in {folder}; wait for its end") from None
    return lock


def _why_whole(source: MediaSource, plan: OutputPlan, models: Sequence[ModelFile], steady: SteadyOptions) -> str:
    """Why a run cannot be divided; empty if it can."""
    if source.is_endless:
        return "standard input cannot be read again"
    if plan.path is None or plan.encoder is None or plan.path.suffix.lower() not in JOINED:
        return f"results of this kind are not joined from segments ({', '.join(JOINED)} are)"
    if "av1" in plan.encoder.codec:  # PyAV copies no stream whose decoder, dav1d, cannot encode
        return f"{plan.encoder.codec} is not joined from segments"
    in_order = in_order_models(models)
    if in_order and chosen_method(models, steady) == "off":
        return f"{in_order[0]}, and no scene cuts are looked for with --steady off"
    return ""


def _division(models: Sequence[ModelFile], steady: SteadyOptions, seconds: float) -> tuple[float | None, int | None]:
    """(seconds after which any frame may end a segment, frames to see again before the next); None: only cuts end one."""
    method = chosen_method(models, steady)
    if in_order_models(models) or steady.keyframes > 1:
        return None, None
    if method == "off":
        return seconds, 0
    return (2 * seconds, BLEND_FRAMES) if method == "blend" else (None, None)
