"""Compare two whole runs on the same frames, stage by stage: which stage differs first, by how much, and whether it grows."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from rotoscope.base.errors import InputRefused, ModelRefused
from rotoscope.base.frame import Array, Frame, Picture, VideoInfo
from rotoscope.base.stage import Chain, Stage
from rotoscope.export.parity import COARSENESS, REDUCED, Bound
from rotoscope.metrics.difference import Difference
from rotoscope.runtime.pipeline.finish import Finish
from rotoscope.runtime.pipeline.stages import Stages

StageName = Literal["motion", "network", "steady", "finish"]
STAGES: tuple[StageName, ...] = ("motion", "network", "steady", "finish")
CODE_VALUE = 2 / 255  # of pictures in [-1,1]
SAME = 1e-3  # pictures in [-1,1] and pixels of motion that differ by less are rounding
EXACT_RUN = Bound(largest=1.01 * CODE_VALUE)  # one code value, whichever way it is rounded


@dataclass(frozen=True)
class RunForm:
    """One of the two runs; `precision` is that of its arithmetic or of its file, whichever is lower."""

    label: str
    precision: str
    open_stages: Callable[[], Stages]


@dataclass(frozen=True)
class RunParity:
    """How far two runs differ.

    stages  per stage, in order: "motion" in pixels; "network" and "steady", float pictures scaled to [-1,1]; "finish", the
            code values for the encoder scaled to [-1,1], so that its PSNR is that of code values
    """

    a: str
    b: str
    steady: str
    bound: Bound
    stages: dict[StageName, Difference]

    @property
    def num_frames(self) -> int:
        """Finished frames that were compared."""
        return len(self.stages["finish"].frame_largest)

    @property
    def first_different(self) -> StageName | None:
        """The first stage whose results differ by more than rounding; None if none does."""
        for name, difference in self.stages.items():
            if difference.largest > (EXACT_RUN.largest or 0 if name == "finish" else SAME):
                return name
        return None

    @property
    def is_within(self) -> bool:
        """Whether the finished pictures are within the bound, on every frame."""
        finish = self.stages["finish"]
        if self.bound.psnr_db is not None:
            return min(finish.frame_psnr_db) >= self.bound.psnr_db
        return self.bound.allows(finish)


def compare_runs(a: RunForm, b: RunForm, info: VideoInfo, frames: Iterable[Frame]) -> RunParity:
    """Run both forms on the same frames, one frame at a time, each on its own state and its own past.

    Raises ModelRefused if their results have different sizes, and InputRefused without frames.
    """
    differences: dict[StageName, Difference] = {}
    pending: dict[StageName, tuple[deque[Array], deque[Array]]] = {name: (deque(), deque()) for name in STAGES}

    def note(side: int, name: StageName, values: Array) -> None:
        both = pending[name]
        both[side].append(values)
        if both[0] and both[1]:
            first, second = both[0].popleft(), both[1].popleft()
            if first.shape != second.shape:
                raise ModelRefused(f"{a.label} and {b.label} give pictures of different sizes, after stage {name}")
            differences.setdefault(name, Difference(name, is_picture=name != "motion")).add(first, second)

    with ExitStack() as stack:
        chains = []
        for side, form in enumerate((a, b)):
            stages = form.open_stages()
            stack.callback(stages.workers.close)
            stack.callback(stages.close)
            chains.append((stages, _tapped(stages, info, partial(note, side))))
            chains[-1][1].reset()
        for frame in frames:
            for stages, chain in chains:
                with stages.active():
                    chain.step(frame)
        for stages, chain in chains:
            with stages.active():
                chain.flush()
        steady = chains[0][0].steadiness.description
    if "finish" not in differences:
        raise InputRefused(f"{info.path}: no frame to compare")
    ordered = {name: differences[name] for name in STAGES if name in differences}
    return RunParity(a.label, b.label, steady, bound_of(a.precision, b.precision), ordered)


def compare_with_video(
    a: RunForm, label: str, info: VideoInfo, frames: Iterable[Frame], video: Iterator[Frame]
) -> RunParity:
    """Compare a run with the frames of a video that another run wrote without loss, for example another version's.

    Raises InputRefused if the video has another size, another number of frames, or pictures of another kind.
    """
    difference = Difference("finish", is_picture=True)

    def compare(done: Iterable[Frame]) -> None:
        for frame in done:
            assert frame.result is not None
            other = next(video, None)
            if other is None:
                raise InputRefused(f"{label} ends after {len(difference.frame_largest)} frames, the run does not")
            ours, theirs = (_codes(picture) for picture in (frame.result, other.source))
            if ours.shape != theirs.shape:
                raise InputRefused(f"{label}: its pictures have another size or kind than those of the run")
            difference.add(ours, theirs)

    with ExitStack() as stack:
        stages = a.open_stages()
        stack.callback(stages.workers.close)
        stack.callback(stages.close)
        stack.enter_context(stages.active())
        chain = stages.chain(_finish(stages, info))
        chain.reset()
        for frame in frames:
            compare(chain.step(frame))
        compare(chain.flush())
        steady = stages.steadiness.description
    if not difference.frame_largest:
        raise InputRefused(f"{info.path}: no frame to compare")
    return RunParity(a.label, label, steady, bound_of(a.precision), {"finish": difference})


def bound_of(*precisions: str) -> Bound:
    """One code value for fp32; for the lower of the precisions the PSNR that each frame must reach."""
    return REDUCED.get(max(precisions, key=COARSENESS.index), EXACT_RUN)


class _Tap:
    """A stage that changes nothing and hands the frames that pass to a function."""

    look_ahead = 0
    spans_cuts = True

    def __init__(self, see: Callable[[Frame], None]) -> None:
        self._see = see

    def reset(self) -> None:
        """Nothing is remembered."""

    def step(self, frame: Frame) -> list[Frame]:
        """The same frame."""
        self._see(frame)
        return [frame]

    def flush(self) -> list[Frame]:
        """Return no frames: the stage holds none back."""
        return []


def _tapped(stages: Stages, info: VideoInfo, note: Callable[[StageName, Array], None]) -> Chain:
    """All stages with a tap after each part: motion, network, steadying, finish."""

    def motion(frame: Frame) -> None:
        if frame.motion is not None:
            note("motion", _on_host(frame.motion.to_previous))

    def pixels(name: StageName) -> Callable[[Frame], None]:
        return lambda frame: note(name, _on_host(frame.pixels())[..., :3] * 2 - 1)

    def codes(frame: Frame) -> None:
        assert frame.result is not None
        note("finish", _codes(frame.result))

    parts: tuple[Stage, ...] = (
        *stages.before, _Tap(motion), stages.network, _Tap(pixels("network")), *stages.after, _Tap(pixels("steady")),
        _finish(stages, info),
    )  # fmt: skip
    return Chain((*stages.between_transfers(parts), _Tap(codes)))


def _finish(stages: Stages, info: VideoInfo) -> Finish:
    return Finish(
        size=stages.natural_size((info.width, info.height)), region=stages.region, pixel_format="yuv420p",
        colour=info.colour, depth=8, mix=0.0, compare=False, times=stages.times, device=stages.device,
    )  # fmt: skip


def _codes(picture: Picture) -> Array:
    """(N,) float32: all code values of a picture, scaled to [-1,1]."""
    flat = np.concatenate([_on_host(plane).ravel() for plane in picture.planes])
    scaled: Array = flat.astype(np.float32) * np.float32(2 / ((1 << picture.depth) - 1)) - 1
    return scaled


def _on_host(array: Array) -> Array:
    return array if isinstance(array, np.ndarray) else array.get()
