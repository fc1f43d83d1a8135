"""rotoscope evaluate --sweep: translate a video in many ways and show what consistency costs in fidelity."""

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.options import TRANSLATE_VALUES, check_options
from rotoscope.cli.measuring import Measurer, Numbers, measured
from rotoscope.cli.progress import Style, shown_progress
from rotoscope.cli.sudden_change import SuddenChange

if TYPE_CHECKING:
    from rotoscope.metrics.front import Setting

FRAMEWISE = {"steady": "off"}
SET_HERE = {"rate", "start", "duration", "codec", "overwrite", "compare"}  # a sweep has to choose these itself


def run_sweep(
    source: str, model: Sequence[str], words: Sequence[str], measure: Measurer, progress: Style, *, response: bool
) -> tuple[dict[str, Any], str]:
    """Print the table; return what goes into the JSON file, and the drawing of the front.

    response  also find out how soon each setting shows a sudden change
    """
    from rotoscope.metrics.front import Setting, front, recommended
    from rotoscope.plots.front import front_chart

    grid = parse_grid(words)
    names = ", ".join(grid[0])
    rows: list[dict[str, Any]] = []
    settings: list[Setting] = []
    with tempfile.TemporaryDirectory() as folder:
        reference, result = str(Path(folder, "reference.mkv")), str(Path(folder, "result.mkv"))
        part = {"rate": measure.options.rate, "duration": measure.options.duration}

        def translate(source: str, target: str, options: dict[str, Any]) -> None:
            _translate(source, target, model, options, progress)

        translate(source, reference, part | FRAMEWISE)
        change = None
        if response:
            change = SuddenChange(source, measure.options.rate, FRAMEWISE, translate, Path(folder))
        for options in grid:
            translate(source, result, part | options)
            _, numbers = measured(measure, source, result, reference, progress)
            kind, distance = _fidelity(numbers["to frame by frame"])
            setting = Setting(", ".join(map(str, options.values())), distance, numbers["result"]["E_warp"])
            if not settings:
                last = "  change" if change else ""
                print(f"{names:32}{'E_warp':>10}{'':>14}{kind:>10}{'sharpness, octaves 1 to 4':>28}{last}")
            row: dict[str, Any] = {"options": options, "summary": numbers}
            last = ""
            if change:
                row["frames until 90% of a change"] = until = change.frames_until_there(options)
                last = "       -" if until is None else f"{until:8}"
            print(_row(setting, numbers) + last)
            settings.append(setting)
            rows.append(row)
    chosen = recommended(settings)
    flags = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in grid[settings.index(chosen)].items())
    print(f"recommended: {flags}")
    content = {
        "source": source,
        "models": list(model),
        "flow": measure.options.flow,
        "settings": rows,
        "recommended": grid[settings.index(chosen)],
    }
    title = f"{source} by {' + '.join(model)}: {names}"
    return content, front_chart(settings, front(settings), chosen, kind, title)


def parse_grid(words: Sequence[str]) -> list[dict[str, Any]]:
    """`strength=0.5,1` `keyframes=1,4` -> every combination, as options of `translate`; UsageError for other words."""
    known = sorted({field.name for kind in TRANSLATE_VALUES for field in fields(kind)} - SET_HERE)
    values: dict[str, list[Any]] = {}
    for word in words:
        name, _, listed = word.partition("=")
        name = name.replace("-", "_")
        if not listed or name not in known:
            raise UsageError(
                f"--sweep {word}; accepted: NAME=VALUE,VALUE with an option of translate ({', '.join(known)})"
            )
        values[name] = [_value(text) for text in listed.split(",")]
    grid = [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]
    for options in grid:
        check_options(options)  # refuses values before the first translation begins
    return grid


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _translate(source: str, target: str, model: Sequence[str], options: dict[str, Any], progress: Style) -> None:
    """Into a lossless file, so that the encoder's doing is not taken for the setting's."""
    import rotoscope

    with shown_progress(progress) as show:
        run = rotoscope.translate(
            source, target, model=list(model), on_progress=show, codec="ffv1", overwrite=True, **options
        )
    if run.losses:
        raise InputRefused(f"{source}: {', '.join(run.losses)}; a damaged video cannot be measured")


def _fidelity(between: dict[str, float]) -> tuple[str, float]:
    """What the front is drawn over: FID as in the paper, else LPIPS, else 1 - SSIM."""
    for name in ("FID", "LPIPS"):
        if name in between:
            return name, between[name]
    return "1 - SSIM", 1 - between["SSIM"]


def _row(setting: "Setting", numbers: Numbers) -> str:
    between, plain = numbers["to frame by frame"], numbers["frame by frame"]["E_warp"]
    octaves = " ".join(f"{between[f'gradient energy, octave {octave}']:.0%}" for octave in range(1, 5))
    lower = f"{plain / setting.warping_error:.2f}x lower" if setting.warping_error else ""
    return f"{setting.label:32}{setting.warping_error:10.5f}{lower:>14}{setting.distance:10.4f}{octaves:>28}"
