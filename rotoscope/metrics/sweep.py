"""Translate one video with many settings and measure each: what steadiness costs in fidelity."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotoscope.base.errors import UsageError
from rotoscope.metrics.evaluation import Evaluation, Numbers
from rotoscope.metrics.pareto import Setting
from rotoscope.metrics.response import SuddenChange, TranslateFile

FRAMEWISE: dict[str, Any] = {"steady": "off", "keyframes": 1}
SET_BY_SWEEP = frozenset({"rate", "start", "duration", "codec", "overwrite", "compare"})
"""Options of `translate` that a sweep sets itself."""


@dataclass(frozen=True)
class SweepRow:
    """One setting and its measures.

    options              of `translate`: those that are swept, without the fixed ones
    distance_name        which distance to frame by frame `setting.distance` is: "FID", "LPIPS" or "1 - SSIM"
    frames_until_change  frames until 90% of a sudden change is shown; None: not within 15 frames, or not measured
    """

    options: dict[str, Any]
    setting: Setting
    distance_name: str
    summary: Numbers
    frames_until_change: int | None


def sweep(
    source: str,
    grid: Sequence[Mapping[str, Any]],
    *,
    translate: TranslateFile,
    evaluate: Callable[[str, str, str], Evaluation],
    fixed: Mapping[str, Any] | None = None,
    response: bool = False,
    start: float | None = None,
    duration: float | None = None,
    rate: float = 25.0,
) -> Iterator[SweepRow]:
    """Translate `source` once frame by frame and once with every setting of the grid; yield a row for each.

    grid       options of `translate`, one mapping for each setting
    translate  translates without loss, so that the encoder's errors are not counted as the setting's
    evaluate   (source, result, reference) -> Evaluation; it has to measure the same part of the source
    fixed      options of `translate` that are the same for every setting, the frame-by-frame one too
    response   also measure how soon a sudden change is shown; needs 25 frames from `start` on
    start, duration  the part of the source in seconds; None: from the first frame, to the end
    rate       frames per second of an image sequence
    Raises UsageError for options that a sweep sets itself.
    """
    fixed = dict(fixed or {})
    taken = sorted(SET_BY_SWEEP & {name for options in (fixed, *grid) for name in options})
    if taken:
        raise UsageError(f"{', '.join(taken)}: set by the sweep itself; accepted: other options of translate")
    part = {"rate": rate, "start": start, "duration": duration}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference, result = str(folder / "reference.mkv"), str(folder / "result.mkv")
        translate(source, reference, {**part, **fixed, **FRAMEWISE})
        change = None
        if response:
            change = SuddenChange(
                source,
                lambda source, target, options: translate(source, target, {"rate": rate, **fixed, **options}),
                framewise=FRAMEWISE,
                folder=folder,
                start=start,
                rate=rate,
            )
        for options in map(dict, grid):
            translate(source, result, {**part, **fixed, **options})
            summary = evaluate(source, result, reference).summary()
            distance_name, distance = _distance(summary["to frame by frame"])
            label = ", ".join(map(str, options.values()))
            yield SweepRow(
                options,
                Setting(label, distance, summary["result"]["E_warp"]),
                distance_name,
                summary,
                change.frames_until_shown(options) if change else None,
            )


def _distance(between: Mapping[str, float]) -> tuple[str, float]:
    """(name, value) of the distance to frame by frame: FID as in HyperCon, else LPIPS, else 1 - SSIM."""
    for name in ("FID", "LPIPS"):
        if name in between:
            return name, between[name]
    return "1 - SSIM", 1 - between["SSIM"]
