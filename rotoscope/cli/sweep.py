"""rotoscope evaluate --sweep: parse the settings, print a row for each."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.option_checks import check_fields
from rotoscope.base.options import TRANSLATE_VALUES, check_options
from rotoscope.cli.lines import print_lines
from rotoscope.cli.options import RunFlags
from rotoscope.cli.progress import Style, counted, shown_progress
from rotoscope.cli.usage_errors import no_such_option

if TYPE_CHECKING:
    from rotoscope.metrics.evaluation import Evaluation
    from rotoscope.metrics.pareto import Setting
    from rotoscope.metrics.sweep import SweepRow

WITH_COMMA = {"input_range", "output_range"}  # pairs of numbers, which NAME=VALUE,VALUE cannot express
SEVERAL = {"hints", "encoder_options"}  # options that take a tuple of words
WORDS = {"true": True, "false": False}


def run_sweep(
    source: str,
    model: Sequence[str],
    words: Sequence[str],
    fixed: Mapping[str, Any],
    keywords: Mapping[str, Any],
    progress: Style,
    *,
    response: bool,
) -> tuple[dict[str, Any], str]:
    """Print a row for each setting; return the content of the JSON file and the SVG text.

    words     the values of --sweep
    fixed     options of translate for all settings
    keywords  of `rotoscope.evaluate`
    response  also measure how soon a sudden change is shown
    """
    import rotoscope
    from rotoscope.api.evaluation import make_evaluator
    from rotoscope.metrics.pareto import recommended
    from rotoscope.metrics.sweep import sweep
    from rotoscope.plots.pareto_chart import pareto_chart

    grid = parse_grid(words, fixed)
    names = ", ".join(grid[0])
    measure = make_evaluator(**keywords)

    def translate(source: str, target: str, options: dict[str, Any]) -> None:
        with shown_progress(progress) as show:
            run = rotoscope.translate(
                source, target, model=list(model), on_progress=show, codec="ffv1", overwrite=True, **options
            )
        if run.losses:
            raise InputRefused(f"{source}: {', '.join(run.losses)}; a damaged video cannot be measured")
        for note in run.notes:
            if note.startswith("no effect") and any(f"--{name} " in note for name in options if name in grid[0]):
                raise UsageError(
                    f"--sweep {names}: {note}; accepted: with it a method that uses it, such as --steady blend"
                )

    def evaluate(source: str, result: str, reference: str) -> "Evaluation":
        with counted(progress) as show:
            return measure(source, result, reference, on_frame=show)

    part = {name: keywords[name] for name in ("start", "duration", "rate")}
    rows: list[SweepRow] = []
    for row in sweep(source, grid, translate=translate, evaluate=evaluate, fixed=fixed, response=response, **part):
        if not rows:
            print(
                f"{names:32}{'E_warp':>10}{'':>14}{row.distance_name:>10}{'sharpness, octaves 1 to 4':>28}"
                + ("  change" if response else "")
            )
        rows.append(row)
        print_lines(_row(row) + (_response(row) if response else ""))
    settings = [row.setting for row in rows]
    best = settings.index(recommended(settings))
    flags = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in grid[best].items())
    print_lines(f"recommended: {flags}")
    reason = _reason(settings, settings[best], rows[best].distance_name)
    print_lines(reason)
    content = {
        "source": source,
        "models": list(model),
        "fixed": dict(fixed),
        "settings": [_json(row, response=response) for row in rows],
        "recommended": grid[best],
        "reason": reason,
    }
    title = f"{source} by {' + '.join(model)}: {names}"
    return content, pareto_chart(settings, settings[best], distance_name=rows[0].distance_name, title=title)


def parse_grid(words: Sequence[str], fixed: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Parse `strength=0.5,1` `keyframes=1,4` to every combination, as options of `translate`.

    Raises UsageError for unknown names, and for values that `translate` refuses together with the fixed options.
    """
    known = _accepted()
    values: dict[str, list[Any]] = {}
    for word in words:
        name, _, listed = word.partition("=")
        name = name.replace("-", "_")
        if not listed or name not in known:
            raise UsageError(
                f"--sweep {word}; accepted: NAME=VALUE,VALUE with an option of translate ({', '.join(known)})"
            )
        values[name] = [_value(name, text) for text in listed.split(",")]
    grid = [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]
    for options in grid:
        given = {**(fixed or {}), **options}
        run = {field.name: given.pop(field.name) for field in fields(RunFlags) if field.name in given}
        check_options(given)  # before the first translation
        check_fields(RunFlags(**run))
    return grid


def parse_fixed(flags: Mapping[str, str], own_flags: Sequence[str]) -> dict[str, Any]:
    """Convert further flags of the command line to options of `translate`; UsageError for other flags.

    own_flags  names of evaluate's own options, to suggest one for a misspelt flag
    """
    known = _accepted()
    options: dict[str, Any] = {}
    for flag, text in flags.items():
        name = flag.replace("-", "_")
        name = "hints" if name == "hint" else name
        if name not in known:
            flags_here = [f"--{each.replace('_', '-')}" for each in (*own_flags, *known)]
            word = f"-{flag}" if len(flag) == 1 else f"--{flag.replace('_', '-')}"
            raise UsageError(no_such_option(word, flags_here, "evaluate"))
        options[name] = _value(name, text)
    return options


def _accepted() -> list[str]:
    """Names of the options of `translate` that a sweep accepts."""
    from rotoscope.metrics.sweep import SET_BY_SWEEP

    names = {field.name for kind in (*TRANSLATE_VALUES, RunFlags) for field in fields(kind)}
    return sorted(names - SET_BY_SWEEP - WITH_COMMA)


def _value(name: str, text: str) -> Any:
    if name in SEVERAL:
        return (text,)
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return WORDS.get(text, text)


def _row(row: "SweepRow") -> str:
    between, plain = row.summary["to frame by frame"], row.summary["frame by frame"]["E_warp"]
    error = row.setting.warping_error
    octaves = " ".join(f"{between[f'gradient energy, octave {octave}']:.0%}" for octave in range(1, 5))
    lower = f"{plain / error:.2f}x lower" if error > 0 else ""
    return f"{row.setting.label:32}{error:10.5f}{lower:>14}{row.setting.distance:10.4f}{octaves:>28}"


def _reason(settings: "Sequence[Setting]", best: "Setting", distance_name: str) -> str:
    """Say by which rule a setting was chosen, and which settings are steadier."""
    from rotoscope.metrics.pareto import largest_near_distance

    steadier = [setting.label for setting in settings if setting.warping_error < best.warping_error]
    return (
        f"why: the lowest E_warp of the settings nearest to frame by frame ({distance_name} at most "
        f"{largest_near_distance(settings):.4f}: the smallest, and a tenth of the range of this column)"
        + (f"; steadier, but farther from frame by frame: {'; '.join(steadier)}" if steadier else "")
    )


def _response(row: "SweepRow") -> str:
    return "       -" if row.frames_until_change is None else f"{row.frames_until_change:8}"


def _json(row: "SweepRow", *, response: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"options": row.options, "summary": row.summary}
    if response:
        content["frames until 90% of a change"] = row.frames_until_change
    return content
