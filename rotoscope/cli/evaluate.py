"""rotoscope evaluate: how steady a result is, and what its steadiness has cost."""

import json as json_module
import math
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from rotoscope.base.errors import UsageError
from rotoscope.cli.measuring import MeasureOptions, Measurer, Numbers, measured
from rotoscope.cli.progress import Style

LOWER_IS_BETTER = {"E_warp", "E_warp as printed", "temporal loss"}
DEFAULTS = MeasureOptions()


def evaluate(
    source: str,
    result: str | None = None,
    /,
    *,
    reference: str | None = None,
    sweep: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    model: Annotated[tuple[str, ...], Parameter(name=("-m", "--model"), show_default=False)] = (),
    response: bool = False,
    options: Annotated[MeasureOptions, Parameter(name="*", group=Group("Measuring"))] = DEFAULTS,
    json: Path | None = None,
    plot: Path | None = None,
    overwrite: bool = False,
    progress: Style = "auto",
) -> int:
    """Measure how steady a translated video is: a table, RESULT.evaluation.json and RESULT.evaluation.svg.

    With --sweep, translate SOURCE in many ways instead and show what consistency costs in fidelity: a table,
    SOURCE.sweep.json, SOURCE.sweep.svg, and the setting to take by HyperCon's rule: fidelity first, then E_warp.

    Parameters
    ----------
    source
        The video that was translated.
    result
        Its translation: as many frames, of the same size.
    reference
        The same translation frame by frame (--steady off), which a steady result should stay as sharp as and close to.
    sweep
        NAME=VALUE,VALUE of an option of translate, for example --sweep strength=0.25,0.5,1; given several times, every
        combination is tried.
    model
        With --sweep: what translates; several make a chain.
    response
        With --sweep: also how many frames pass until 90% of a sudden change of the source is shown.
    options
        What to measure with.
    json
        Where the numbers go.
    plot
        Where the plot goes, an SVG file.
    overwrite
        Replace these two files.
    progress
        What to show on standard error.

    """
    from rotoscope.base.files import check_target, part_file

    if sweep:
        if result is not None or reference is not None or not model:
            raise UsageError(
                "--sweep makes result and reference itself; accepted: SOURCE -m MODEL --sweep NAME=VALUE,VALUE"
            )
    elif response:
        raise UsageError("--response needs --sweep: it translates the source with a change in it")
    elif result is None or model:
        raise UsageError("accepted: SOURCE RESULT, or SOURCE -m MODEL --sweep NAME=VALUE,VALUE")
    elif reference is None and options.needs_reference:
        raise UsageError("--lpips, --inception and --i3d measure the distance to a --reference; give one")
    stem = f"{Path(source).stem}.sweep" if result is None else f"{Path(result).stem}.evaluation"
    json, plot = json or Path(f"{stem}.json"), plot or Path(f"{stem}.svg")
    for target in (json, plot):
        check_target(target, source=Path(source), overwrite=overwrite)
    measure = Measurer(options)
    if result is None:
        from rotoscope.cli.sweep import run_sweep

        content, drawing = run_sweep(source, model, sweep, measure, progress, response=response)
    else:
        content, drawing = _evaluate_one(source, result, reference, measure, progress)
    with part_file(json, overwrite=overwrite) as part:
        part.write_text(json_module.dumps(_finite(content), indent=1, allow_nan=False) + "\n")
    with part_file(plot, overwrite=overwrite) as part:
        part.write_text(drawing, encoding="utf-8")
    print(f"numbers: {json}\nplot:    {plot}")
    return 0


def _evaluate_one(
    source: str, result: str, reference: str | None, measure: Measurer, progress: Style
) -> tuple[dict[str, Any], str]:
    """Print the table; return what goes into the JSON file, and the drawing."""
    from rotoscope.plots.evaluation import evaluation_sheet

    found, numbers = measured(measure, source, result, reference, progress)
    _print_table(numbers)
    flow = measure.options.flow
    content = {
        "source": source,
        "result": result,
        "reference": reference,
        "flow": flow,
        "frames": len(found.seconds),
        "summary": numbers,
        "curves": found.curves(),
    }
    return content, evaluation_sheet(found, f"{result}, a translation of {source}; motion by {flow}")


def _finite(content: Any) -> Any:
    """The same with None for what JSON has no word for: NaN (nothing to measure) and infinity (PSNR of equal pictures)."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _print_table(numbers: Numbers) -> None:
    """Measures of the result, beside those of the reference where there is one."""
    theirs = numbers.get("frame by frame")
    print(f"{'':28}{'result':>12}" + (f"{'frame by frame':>17}" if theirs else ""))
    for name, value in numbers["result"].items():
        row = f"{name:28}{value:12.4g}"
        if theirs:
            row += f"{theirs[name]:17.4g}"
            if name in LOWER_IS_BETTER and value:
                row += f"   {theirs[name] / value:.2f}x lower"
        print(row)
    share = numbers["source"]
    print(f"measured on {share['visible pixels']:.1%} of the pixels, on {share['visible at least']:.1%} at the least")
    if "to frame by frame" in numbers:
        print("to frame by frame")
        for name, value in numbers["to frame by frame"].items():
            shown = f"{value:12.1%}" if name.startswith(("gradient", "sharpness")) else f"{value:12.4g}"
            print(f"  {name:26}{shown}")
