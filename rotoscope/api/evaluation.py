"""Functions that measure results: evaluate, evaluate_pictures, evaluate_table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from rotoscope.api.translation import translate
from rotoscope.assembly.pair_networks import measuring_flow
from rotoscope.assembly.segmenter import open_segmenter
from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.option_checks import check_known
from rotoscope.base.palette import parse_palette
from rotoscope.runtime.pipeline.job import Progress

if TYPE_CHECKING:
    from rotoscope.metrics.evaluation import Evaluation, Numbers
    from rotoscope.metrics.evaluator import Evaluator, LpipsNetwork
    from rotoscope.metrics.label_scores import FindLabels
    from rotoscope.metrics.score_table import ScoreTable
    from rotoscope.metrics.table_scores import Vectors


class MeasureKeywords(TypedDict, total=False):
    """How to measure.

    flow            estimates the motion of the source: "dis", "inverse-search" or "onnx:FILE"
    lpips           weights of LPIPS: one file, or the learned weights and those of the backbone `lpips_network`
    inception, i3d  weights of Inception-v3 for FID, of I3D for VFID and VLPIPS
    mask            holes that the results have filled: a video, folder or picture, white in the hole
    labels          label maps of the frames: a folder of PNG files of class numbers; needs a segmenter or a palette
    segmenter       "onnx:FILE": a network that gives scores (1,C,H,W) for C classes of photographs
    palette         colours of the classes, such as ("804080", "f423e8"), if the results are label pictures
    patches         also C_PSNR and C_SSIM, which takes longer than everything else
    start, duration seconds of the source that the result was translated from
    rate            frames per second of image sequences
    column          x of the column of pixels that the plot follows through time; None: the middle one
    """

    flow: str
    lpips: Sequence[str | Path]
    lpips_network: LpipsNetwork
    inception: str | Path | None
    i3d: str | Path | None
    mask: str | Path | None
    labels: str | Path | None
    segmenter: str | None
    palette: Sequence[str]
    patches: bool
    column: int | None
    start: float | None
    duration: float | None
    rate: float


def make_evaluator(**measure: Unpack[MeasureKeywords]) -> Evaluator:
    """Open the flow estimator, the segmenter and the weights once, for many results."""
    from rotoscope.metrics.evaluator import Evaluator

    check_known(measure, also=tuple(MeasureKeywords.__annotations__))
    given: dict[str, Any] = dict(measure)
    flow, segmenter, palette = given.pop("flow", "dis"), given.pop("segmenter", None), given.pop("palette", ())
    return Evaluator(measuring_flow(flow), find_labels=_find_labels(segmenter, palette), **given)


def _find_labels(segmenter: str | None, palette: Sequence[str]) -> FindLabels | None:
    from rotoscope.metrics.label_scores import by_colour, by_segmenter

    if segmenter is not None and palette:
        raise UsageError("--segmenter and --palette; accepted: one, for photographs or for label pictures")
    if palette:
        return by_colour(parse_palette(palette))
    return None if segmenter is None else by_segmenter(open_segmenter(segmenter))


def evaluate(
    source: str | Path,
    result: str | Path,
    reference: str | Path | None = None,
    *,
    on_frame: Callable[[int], None] = lambda _done: None,
    **measure: Unpack[MeasureKeywords],
) -> Evaluation:
    """Measure how steady a translated video is, and how close to a frame-wise translation.

    source, result  videos, folders or patterns of pictures, with the same number of frames, sizes and times
    reference       the same translation frame by frame (`steady="off"`); None: measure the result alone
    on_frame        called with the number of frames measured so far
    measure         the keywords of `MeasureKeywords`: flow, lpips, inception, i3d, mask, labels, patches ...
    Raises InputRefused if the videos do not match, UsageError if weights need torch or a reference and there is none.
    """
    from rotoscope.metrics.evaluator import WITHOUT_REFERENCE

    if reference is None and any(measure.get(name) for name in ("lpips", "inception", "i3d")):
        raise UsageError(WITHOUT_REFERENCE)  # before any weights are read
    found = make_evaluator(**measure)
    return found(str(source), str(result), None if reference is None else str(reference), on_frame=on_frame)


def evaluate_pictures(
    pictures: str | Path, reference: str | Path | None = None, **measure: Unpack[MeasureKeywords]
) -> dict[str, float]:
    """Measure pictures that are no video: scores of labels (`labels`), FID to other pictures (`inception`).

    pictures   a folder or pattern of pictures of any sizes, or a video
    reference  for FID: real pictures, of any number
    measure    as in `evaluate`
    """
    measured = make_evaluator(**measure)
    return measured.pictures(str(pictures), None if reference is None else str(reference))


def evaluate_table(
    table: str | Path | Mapping[str, Any],
    *,
    on_result: Callable[[str, str, str], None] = lambda _method, _clip, _what: None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    **measure: Unpack[MeasureKeywords],
) -> ScoreTable:
    """Measure several methods on several clips: mean and standard error of each measure, as the papers' tables give them.

    table        a TOML file, or its content (docs/metrics.md)
    on_result    called with the method, the clip, and "translating", "measuring" or "kept", before each step
    on_progress  called after every frame of a translation
    measure      as in `evaluate`; the table's own [measure] comes first
    Results and numbers are kept in the table's folder; a second call makes only what is missing or older than what it was made
    of. Raises UsageError for a table that cannot be measured.
    """
    from rotoscope.metrics.table_file import read_table
    from rotoscope.metrics.table_scores import table_scores

    plan = read_table(
        table, check_measure=lambda given: check_known(given, also=tuple(MeasureKeywords.__annotations__))
    )

    def make(source: str, target: str, options: dict[str, Any]) -> None:
        run = translate(source, target, on_progress=on_progress, codec="ffv1", overwrite=True, **options)
        if run.losses:
            raise InputRefused(f"{source}: {', '.join(run.losses)}; a damaged video cannot be measured")

    def measured(source: str, result: str, reference: str | None, options: dict[str, Any]) -> tuple[Numbers, Vectors]:
        found = make_evaluator(**options)(source, result, reference, keep_vectors=True)
        return found.summary(), found.vectors

    return table_scores(plan, dict(measure), translate=make, evaluate=measured, on_result=on_result)
