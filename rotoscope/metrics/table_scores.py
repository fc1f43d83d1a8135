"""Measure every method of a table on every clip; what was made before and is newer than its inputs is kept."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rotoscope.base.errors import UsageError
from rotoscope.base.files import part_file
from rotoscope.metrics.evaluation import Numbers
from rotoscope.metrics.frechet import Statistics, frechet_distance, statistics_of
from rotoscope.metrics.gradient_energy import OCTAVES
from rotoscope.metrics.published_weights import where_to_get
from rotoscope.metrics.response import TranslateFile
from rotoscope.metrics.rgb_array import F32
from rotoscope.metrics.score_table import ScoreTable
from rotoscope.metrics.table_file import Method, TablePlan

Vectors = dict[str, tuple[F32, F32]]
"""By FID and VFID: feature vectors (N,D) of a result and of its reference."""

Evaluate = Callable[[str, str, str | None, dict[str, Any]], tuple[Numbers, Vectors]]

COLUMNS = (
    "E_warp", "E_warp around the hole", "temporal loss", "C_PSNR", "C_SSIM", "C_PSNR at the hole", "PSNR", "SSIM", "LPIPS",
    "FID", "VFID", "VLPIPS", "per-pixel accuracy", "per-class accuracy", "class IoU",
)  # fmt: skip
"""What a table shows by default, of what was measured."""

FURTHER = (
    "E_warp as printed", "lattice", "lattice in tiles", "sharpness drift",
    *(f"gradient energy, octave {octave}" for octave in range(1, OCTAVES + 1)),
)  # fmt: skip
PART = ("start", "duration", "rate")  # options of `evaluate` that `translate` has too
WEIGHTS = {"LPIPS": "lpips", "FID": "inception", "VFID": "i3d", "VLPIPS": "i3d"}
OF_ALL_CLIPS = ("FID", "VFID")  # distances between the frames of all clips, as the papers give them
TO_REFERENCE = ("PSNR", "SSIM", *WEIGHTS, "sharpness drift", *FURTHER[4:])
NEEDS = {
    "C_PSNR": "patches", "C_SSIM": "patches", "C_PSNR at the hole": "mask", "E_warp around the hole": "mask",
    "per-pixel accuracy": "labels", "per-class accuracy": "labels", "class IoU": "labels",
}  # fmt: skip
"""The option in [measure] without which a measure is not made."""


def table_scores(
    plan: TablePlan,
    measure: Mapping[str, Any],
    *,
    translate: TranslateFile,
    evaluate: Evaluate,
    on_result: Callable[[str, str, str], None] = lambda _method, _clip, _what: None,
) -> ScoreTable:
    """Make what is missing and measure it.

    measure    options of `evaluate`; those of the plan come first
    translate  (source, target, options of `translate`): without loss, so that the encoder's errors are not the method's
    evaluate   (source, result, reference or None, options of `evaluate`) -> numbers, and vectors by FID and VFID
    on_result  called with the method, the clip, and "translating", "measuring" or "kept", before each step
    Raises UsageError for columns that are not measured.
    """
    options = {**measure, **plan.measure}
    _check_columns(plan, options)
    found: dict[str, dict[str, dict[str, float]]] = {method.name: {} for method in plan.methods}
    vectors: dict[str, list[Vectors]] = {method.name: [] for method in plan.methods}
    for clip, source in plan.clips.items():
        here = {name: _filled(value, clip) for name, value in options.items()}
        results = {
            method.name: _result(plan, method, clip, source, here, translate, on_result) for method in plan.methods
        }
        reference = results.get(plan.reference or "") or (plan.reference and plan.reference.replace("{clip}", clip))
        for name, result in results.items():
            other = None if result == reference else reference
            given = here if other else {key: value for key, value in here.items() if key not in WEIGHTS.values()}
            found[name][clip], kept = _scores(plan, name, clip, (source, result, other), given, evaluate, on_result)
            vectors[name].append(kept)
    return ScoreTable(
        {name: _by_column(plan, clips) | _of_all_clips(plan, vectors[name]) for name, clips in found.items()},
        of_all_clips=OF_ALL_CLIPS,
    )


def _check_columns(plan: TablePlan, options: Mapping[str, Any]) -> None:
    for column in plan.columns:
        if column not in (*COLUMNS, *FURTHER):
            raise UsageError(f"column {column}; accepted: {', '.join((*COLUMNS, *FURTHER))}")
        if column in NEEDS and not options.get(NEEDS[column]):
            raise UsageError(f"column {column} needs {NEEDS[column]} in [measure]")
        if column in WEIGHTS and not options.get(WEIGHTS[column]):
            raise UsageError(
                f"column {column}: no weights; {where_to_get(column, options.get('lpips_network', 'squeeze'))}"
            )
        if column in TO_REFERENCE and plan.reference is None:
            raise UsageError(
                f"column {column} needs a reference; accepted: reference = a method, or files with {{clip}}"
            )


def _result(
    plan: TablePlan,
    method: Method,
    clip: str,
    source: str,
    options: Mapping[str, Any],
    translate: TranslateFile,
    on_result: Callable[[str, str, str], None],
) -> str:
    """Return the path of a result; translate it unless one is there that is newer than the clip and the models."""
    if method.result is not None:
        return method.result.replace("{clip}", clip)
    given = {**{name: options[name] for name in PART if name in options}, **method.options}
    digest = _digest(given, str(Path(source).parent))
    if isinstance(given.get("mask"), str):
        given["mask"] = _filled(given["mask"], clip)
    target = plan.folder / f"{_file_name(method.name)}-{digest}" / f"{clip}.mkv"
    models = given["model"] if isinstance(given["model"], list) else [given["model"]]
    if not _is_newer(target, [source, *models, given.get("mask")]):
        target.parent.mkdir(parents=True, exist_ok=True)
        on_result(method.name, clip, "translating")
        translate(source, str(target), given)
    return str(target)


def _scores(
    plan: TablePlan,
    method: str,
    clip: str,
    videos: tuple[str, str, str | None],
    options: dict[str, Any],
    evaluate: Evaluate,
    on_result: Callable[[str, str, str], None],
) -> tuple[dict[str, float], Vectors]:
    """Return the numbers of a result and its vectors: those of before if nothing that they rest on is newer."""
    file = plan.folder / "numbers" / f"{_file_name(method)}.{clip}.{_digest(options, videos)}.json"
    if _is_newer(file, [*videos, *(each for value in options.values() for each in _paths(value))]):
        on_result(method, clip, "kept")
        return dict(json.loads(file.read_text())), _read_vectors(file.with_suffix(".npz"))
    on_result(method, clip, "measuring")
    numbers, vectors = evaluate(*videos, options)
    scores = numbers["result"] | numbers.get("to frame by frame", {})
    file.parent.mkdir(parents=True, exist_ok=True)
    if vectors:  # before the numbers, whose file says that both are complete
        arrays: dict[str, Any] = {
            f"{name} {side}": one for name, pair in vectors.items() for side, one in enumerate(pair)
        }
        with part_file(file.with_suffix(".npz"), overwrite=True) as part, part.open("wb") as stream:
            np.savez(stream, **arrays)
    with part_file(file, overwrite=True) as part:
        part.write_text(json.dumps(scores))  # with NaN and Infinity, which Python reads again
    return scores, vectors


def _read_vectors(file: Path) -> Vectors:
    if not file.exists():
        return {}
    with np.load(file, allow_pickle=False) as stored:
        names = dict.fromkeys(name.rsplit(" ", 1)[0] for name in stored.files)
        return {name: (stored[f"{name} 0"], stored[f"{name} 1"]) for name in names}


def _of_all_clips(plan: TablePlan, clips: list[Vectors]) -> dict[str, list[float]]:
    """Return FID and VFID between the frames of all clips, one number each."""
    measured = dict.fromkeys(name for vectors in clips for name in vectors)
    wanted = [name for name in measured if not plan.columns or name in plan.columns]
    return {name: [frechet_distance(*_both_sides(name, clips))] for name in wanted}


def _both_sides(name: str, clips: list[Vectors]) -> list[Statistics]:
    return [statistics_of(vectors[name][side] for vectors in clips if name in vectors) for side in (0, 1)]


def _by_column(plan: TablePlan, clips: Mapping[str, Mapping[str, float]]) -> dict[str, list[float]]:
    """Sort the numbers of one method by measure; a reference has no distance to itself."""
    measured = {name for scores in clips.values() for name in scores}
    wanted = [name for name in plan.columns or COLUMNS if name not in OF_ALL_CLIPS]
    return {name: [scores.get(name, float("nan")) for scores in clips.values()] for name in wanted if name in measured}


def _is_newer(target: Path, inputs: Iterable[Any]) -> bool:
    """Whether a file is there and newer than each input that is a file, or a file in a folder."""
    if not target.is_file():
        return False
    made = target.stat().st_mtime_ns
    for name in inputs:
        path = Path(str(name).removeprefix("onnx:"))
        if name is not None and path.exists():
            files = [path, *path.iterdir()] if path.is_dir() else [path]
            if any(file.stat().st_mtime_ns > made for file in files):
                return False
    return True


def _filled(value: Any, clip: str) -> Any:
    return str(value).replace("{clip}", clip) if isinstance(value, str | Path) else value


def _paths(value: Any) -> list[str]:
    """The texts of an option, some of which are paths."""
    return [
        str(each) for each in (value if isinstance(value, list | tuple) else (value,)) if isinstance(each, str | Path)
    ]


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "method"
