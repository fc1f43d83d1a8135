"""The rest of a run in segments: which segments are complete, and which frames the stages must see for the others."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame, VideoInfo
from rotoscope.base.options import SteadyOptions
from rotoscope.runtime.media.open_source import MediaSource
from rotoscope.runtime.media.segment_sink import JOINED, SegmentRule
from rotoscope.runtime.media.segments import Segment, read_segments
from rotoscope.runtime.pipeline.division import Division, division_of
from rotoscope.runtime.pipeline.output import OutputPlan
from rotoscope.runtime.pipeline.parts import FindBegin, Part, parts_of
from rotoscope.runtime.pipeline.stages import Stages
from rotoscope.runtime.pipeline.state_file import HandedOver, with_states
from rotoscope.runtime.steady.detail import MEASURED_EVERY

LOCK = "lock"  # file in the folder of segments


@dataclass(frozen=True)
class Segmented:
    """A wish for segments.

    folder       that holds the segments of this very run, and of no other
    seconds      least length of one
    is_required  refuse a run that cannot be divided, and divide short ones too; otherwise those are written at once
    part         write the segments of this part alone, and no result; the caller sees to it that it is the only one
    most_parts   a run that can be written in so many parts or fewer, but more than one, raises ToBeDivided; 1: in none
    fetch        brings segments that are kept elsewhere into the folder: of the part, or all
    on_segment   called with each segment when it is complete
    """

    folder: Path
    seconds: float
    is_required: bool = True
    part: Part | None = None
    most_parts: int = 1
    fetch: Callable[[Part | None], None] = lambda _part: None
    on_segment: Callable[[Segment], None] = lambda _segment: None


class ToBeDivided(Exception):
    """Raised before anything is written: several workers can write this run in parts."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        super().__init__(parts)
        self.parts = parts


@dataclass(frozen=True)
class Resumption:
    """The rest of a run that was interrupted.

    rule      for the ends of segments
    segments  that are complete
    warm_up   as in `Division`
    look_from  first frame that the stages see while no segment is complete
    lock      of the folder, held until `release`; None for a part, which others write beside
    find      the stage that finds the begin of a part; None: it is known
    """

    rule: SegmentRule
    segments: tuple[Segment, ...]
    warm_up: int | None
    lock: FileLock | None
    look_from: int = 0
    find: FindBegin | None = None

    def release(self) -> None:
        """Let other runs use the folder; remove it if it is empty, and the folders around it that hold nothing else."""
        if self.lock is None:
            return
        self.lock.release()
        folder = self.rule.folder
        if not any(folder.glob("*.json")):
            (folder / LOCK).unlink(missing_ok=True)
        for place in (folder, folder.parent, folder.parent.parent):
            with suppress(OSError):  # it holds something, or is gone
                place.rmdir()

    def needed(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames that the stages must see; one that comes after frames that they need not see is marked as a cut."""
        stretches = self._stretches()
        before: int | None = None
        for frame in frames:
            if self.find is not None and self.find.is_empty:
                return
            while stretches and stretches[0][1] is not None and stretches[0][1] <= frame.index:
                stretches.pop(0)
            if stretches and stretches[0][0] <= frame.index:
                has_jumped = before is not None and before != frame.index - 1
                yield replace(frame, cut=True) if has_jumped else frame
                before = frame.index

    def is_over(self, frame: Frame) -> bool:
        """Whether the part ends before a finished frame."""
        return self.rule.end is not None and self.rule.end.is_at(frame)

    def _stretches(self) -> list[tuple[int, int | None]]:
        """(first, end) of the frames that are needed, in order; end is None for those up to the end of the source."""
        if not self.segments:
            return [(self.look_from, None)]
        ends = [segment.first for segment in self.segments[1:]]
        gaps = [(self._seen_from(segment), end) for segment, end in zip(self.segments, [*ends, None], strict=True)
                if segment.end != end]  # fmt: skip
        first = self.segments[0].first
        return gaps if self.rule.is_part or not first else [(0, first), *gaps]

    def _seen_from(self, last: Segment) -> int:
        """Index of the first frame that the stages must see for those after a segment."""
        if self.warm_up is not None and self.rule.save_state is not None:
            return max(0, last.end - self.warm_up)
        if self.warm_up == 0:
            return last.end
        if self.warm_up is None or last.end - last.scene <= self.warm_up:
            return last.scene
        begin = last.end - self.warm_up
        return (
            begin - (begin - last.scene) % MEASURED_EVERY
        )  # detail is measured in this rhythm from a scene's start on


def plan_segments(
    wish: Segmented,
    source: MediaSource,
    num_frames: int | None,
    plan: OutputPlan,
    stages: Stages,
    steady: SteadyOptions,
) -> Resumption | None:
    """Return the rest of the run; None: it is written at once. The stages get what they need to begin in the middle.

    num_frames  of the source, about; None: not known
    Raises UsageError for a required wish that cannot be met, ToBeDivided for a run that several workers can do.
    """
    models = stages.models
    reason = _why_whole(source, plan)
    if reason and (wish.is_required or wish.part is not None):
        raise UsageError(f"--resume: {reason}; accepted: without --resume")
    length = source.info.duration_seconds
    is_short = length is None or length < 2 * wish.seconds
    if reason or (is_short and not wish.is_required and wish.part is None):
        return None
    division = division_of(models, steady, wish.seconds)
    if wish.most_parts > 1 and not division.hands_over:
        parts = parts_of(num_frames, source.info, wish.most_parts, 2 * wish.seconds)
        if len(parts) > 1:
            raise ToBeDivided(parts)
    wish.folder.mkdir(parents=True, exist_ok=True)
    lock = _claim(wish.folder, plan.path) if wish.part is None else None
    rule = SegmentRule(wish.folder, wish.seconds, division.most, on_segment=wish.on_segment)
    wish.fetch(wish.part)
    segments = tuple(read_segments(wish.folder))
    if division.hands_over:
        segments, states = with_states(segments, len(models))
        handed = HandedOver(stages.network, rule, segments[-1].end if segments else 0, states)
        rule = replace(rule, save_state=handed.write)
    if wish.part is not None:
        return _of_part(wish.part, rule, segments, division, source.info, stages)
    return Resumption(rule, segments, division.warm_up, lock)


def _of_part(
    part: Part,
    rule: SegmentRule,
    segments: tuple[Segment, ...],
    division: Division,
    info: VideoInfo,
    stages: Stages,
) -> Resumption:
    """Return the rest of a part, whose segments are those that begin in it."""
    mine = tuple(one for one in segments if one.first >= part.first and (part.end is None or one.first < part.end))
    end = None if part.end is None else division.begin(part.end, info)
    rule = replace(rule, is_part=True, end=end)
    if mine or part.first == 0:
        return Resumption(rule, mine, division.warm_up, None)
    begin = division.begin(part.first, info)
    look_from = part.first if not division.has_cuts else max(0, part.first - (part.look_back or part.first))
    find = FindBegin(begin, part.end, division.warm_up, look_from) if division.has_cuts else None
    if find is not None:
        stages.begin_at(find)
    return Resumption(replace(rule, begin=begin), (), division.warm_up, None, look_from, find)


def _claim(folder: Path, target: Path | None) -> FileLock:
    """Lock the folder of segments; raises UsageError if another run works there."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"{target}: another run writes it, in {folder}; wait for its end") from None
    return lock


def _why_whole(source: MediaSource, plan: OutputPlan) -> str:
    """Why a run cannot be divided; empty if it can."""
    if source.is_endless:
        return "standard input cannot be read again"
    if plan.path is None or plan.encoder is None or plan.path.suffix.lower() not in JOINED:
        return f"results of this kind are not joined from segments ({', '.join(JOINED)} are)"
    if plan.encoder.passes == 2:
        return "with --passes 2 the encoder must have seen the whole video"
    if "av1" in plan.encoder.codec:  # PyAV copies no stream whose decoder, dav1d, cannot encode
        return f"{plan.encoder.codec} is not joined from segments"
    return ""
