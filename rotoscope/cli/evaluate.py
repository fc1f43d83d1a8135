"""rotoscope evaluate: measure how steady a result is and what its steadiness costs."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.text import json_text
from rotoscope.cli.lines import print_lines
from rotoscope.cli.options import SECONDS
from rotoscope.cli.overwrite_rules import refuse_inputs
from rotoscope.cli.progress import Style, counted
from rotoscope.cli.sweep import parse_fixed, run_sweep

if TYPE_CHECKING:
    from rotoscope.metrics.evaluation import Evaluation, Numbers

OTHER_FLAGS = ("table", "reference", "sweep", "model", "response", "json", "plot", "overwrite", "progress")
LOWER_IS_BETTER = {"E_warp", "E_warp as printed", "temporal loss", "E_warp around the hole"}
WEIGHT_FLAGS = {"LPIPS": "LPIPS (--lpips)", "FID": "FID (--inception)", "VFID": "VFID and VLPIPS (--i3d)"}


@dataclass(frozen=True, kw_only=True)
class MeasureOptions:
    """Keywords of `rotoscope.evaluate`, as flags."""

    flow: str = "dis"
    """Estimator of the motion of the source, at full size: dis (OpenCV's DIS, preset medium), inverse-search, or onnx:FILE."""

    lpips: Annotated[tuple[Path, ...], Parameter(show_default=False)] = ()
    """Weights of LPIPS, to measure the distance to the reference; give a second file if the backbone has its own."""

    lpips_network: Literal["squeeze", "alex", "vgg"] = "squeeze"
    """Backbone that these weights are for."""

    inception: Path | None = None
    """Weights of Inception-v3 (pytorch-fid's file), for FID to the reference."""

    i3d: Path | None = None
    """Weights of I3D (pytorch-i3d's rgb_imagenet.pt), for VFID and VLPIPS to the reference."""

    mask: Path | None = None
    """Holes that the result has filled, to measure around them: a video, folder or picture, white in the hole."""

    labels: Path | None = None
    """Label maps of the frames, PNG files of class numbers, for FCN scores; needs --segmenter or --palette."""

    segmenter: str | None = None
    """Network that finds the labels in photographs, onnx:FILE: scores (1,C,H,W) for C classes."""

    palette: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    """Colours of the classes in label pictures, rrggbb, one for each class in order (repeat it)."""

    patches: bool = False
    """Also measure patch consistency, C_PSNR and C_SSIM, which takes longer than everything else."""

    column: int | None = None
    """x of the column of pixels that the plot follows through time; by default the middle one."""

    start: Annotated[float | None, SECONDS] = None
    """Seconds of the source to skip, or hh:mm:ss: the --start that the result was translated with."""

    duration: Annotated[float | None, SECONDS] = None
    """Seconds to measure, or hh:mm:ss; by default all. For a result translated with --duration, give the same value."""

    rate: float = 25.0
    """Frames per second of image sequences."""


DEFAULTS = MeasureOptions()


def evaluate(
    source: str | None = None,
    result: str | None = None,
    /,
    *,
    table: Path | None = None,
    reference: str | None = None,
    sweep: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    model: Annotated[tuple[str, ...], Parameter(name=("-m", "--model"), show_default=False)] = (),
    response: bool = False,
    options: Annotated[MeasureOptions, Parameter(name="*", group=Group("Measuring"))] = DEFAULTS,
    json: Path | None = None,
    plot: Path | None = None,
    overwrite: bool = False,
    progress: Style = "auto",
    **fixed: str,
) -> int:
    """Measure a translated video: print a table, write RESULT.evaluation.json and RESULT.evaluation.svg.

    With --sweep, translate SOURCE with many settings and measure each: print a table and the recommended setting, write
    SOURCE.sweep.json and SOURCE.sweep.svg. HyperCon's rule recommends: closest to frame by frame, then lowest E_warp.

    With --table, measure methods on many clips: print mean and standard error of each measure, write TABLE.table.json,
    TABLE.table.csv and TABLE.table.tex.

    With SOURCE alone, measure pictures that are no video: FCN scores with --labels, FID with --reference and --inception.

    Parameters
    ----------
    source
        The video that was translated.
    result
        Its translation, with as many frames and of the same size.
    table
        TOML file of clips and methods (docs/metrics.md).
    reference
        The same translation frame by frame (--steady off), to compare sharpness and content with; without a result, real
        pictures.
    sweep
        NAME=VALUE,VALUE of an option of translate, for example --sweep strength=0.25,0.5,1; repeat it to try every
        combination.
    model
        With --sweep: the model that translates; several make a chain.
    response
        With --sweep: also measure how many frames pass until 90% of a sudden change of the source is shown.
    options
        How to measure.
    json
        File for the numbers; with --table, the .csv and .tex are beside it.
    plot
        File for the plot, SVG.
    overwrite
        Replace these files if they exist.
    progress
        What to show on standard error.
    fixed
        With --sweep: any other option of translate, the same for all settings, for example --working-size 360p.

    """
    from rotoscope.base.files import check_target, part_file
    from rotoscope.cli.score_table import measure_pictures, measure_table

    fixed_options = parse_fixed(fixed, [*MeasureOptions.__dataclass_fields__, *OTHER_FLAGS])
    if table is not None:
        if source or reference or sweep or model or fixed or plot or response:
            raise UsageError(
                "--table names clips, methods and options itself; accepted beside it: flags of measuring, --json"
            )
        given = {name: value for name, value in asdict(options).items() if value != getattr(DEFAULTS, name)}
        return measure_table(table, given, json, progress, overwrite=overwrite)
    is_pictures = (
        result is None and not sweep and not model and bool(options.labels or (reference and options.inception))
    )
    if source is not None and is_pictures:
        return measure_pictures(source, reference, asdict(options), json, overwrite=overwrite)
    source = _check_form(source, result, reference, model, sweep=bool(sweep), response=response, fixed=bool(fixed))
    stem = f"{Path(source).stem}.sweep" if result is None else f"{Path(result).stem}.evaluation"
    json, plot = json or Path(f"{stem}.json"), plot or Path(f"{stem}.svg")
    for target in (json, plot):
        refuse_inputs(target, [source, result, reference])
        check_target(target, source=Path(source), overwrite=overwrite)
    keywords = asdict(options)
    if result is None:
        content, drawing = run_sweep(source, model, sweep, fixed_options, keywords, progress, response=response)
    else:
        title = f"{result}, a translation of {source}; motion by {options.flow}"
        content, drawing = _evaluate_one(source, result, reference, keywords, progress, title)
    content["flow"] = options.flow
    with part_file(json, overwrite=overwrite) as part:
        part.write_text(json_text(content) + "\n")
    with part_file(plot, overwrite=overwrite) as part:
        part.write_text(drawing, encoding="utf-8")
    print_lines(f"numbers: {json}", f"plot:    {plot}")
    return 0


def _check_form(
    source: str | None,
    result: str | None,
    reference: str | None,
    model: tuple[str, ...],
    *,
    sweep: bool,
    response: bool,
    fixed: bool,
) -> str:
    """Return the source; raise UsageError unless the arguments are those of one of the two forms: with --sweep or a result."""
    if source is None:
        raise UsageError(
            "no SOURCE; accepted: SOURCE RESULT, SOURCE -m MODEL --sweep NAME=VALUE,VALUE, or --table FILE"
        )
    if sweep:
        if result is not None or reference is not None or not model:
            raise UsageError(
                "--sweep makes result and reference itself; accepted: SOURCE -m MODEL --sweep NAME=VALUE,VALUE"
            )
    elif response:
        raise UsageError("--response needs --sweep: it translates the source with a change in it")
    elif result is None or model:
        raise UsageError(
            "accepted: SOURCE RESULT, or SOURCE -m MODEL --sweep NAME=VALUE,VALUE; pictures alone with --labels, or "
            "--reference and --inception"
        )
    elif fixed:
        raise UsageError("options of translate need --sweep: RESULT has been translated already")
    return source


def _evaluate_one(
    source: str, result: str, reference: str | None, keywords: dict[str, Any], progress: Style, title: str
) -> tuple[dict[str, Any], str]:
    """Measure and print; return the content of the JSON file and the SVG text."""
    import rotoscope
    from rotoscope.plots.evaluation_sheet import evaluation_sheet

    with counted(progress) as show:
        found = rotoscope.evaluate(source, result, reference, on_frame=show, **keywords)
    _print_table(found)
    content = {
        "source": source,
        "result": result,
        "reference": reference,
        "frames": len(found.seconds),
        "summary": found.summary(),
        "curves": found.curves(),
    }
    return content, evaluation_sheet(found, title)


def _print_table(found: "Evaluation") -> None:
    """Print the numbers of the result, beside those of the reference if there is one."""
    numbers: Numbers = found.summary()
    theirs = numbers.get("frame by frame")
    print(f"{'':28}{'result':>12}" + (f"{'frame by frame':>17}" if theirs else ""))
    for name, value in numbers["result"].items():
        form = ".2%" if name.startswith("lattice") else ".4g"
        row = f"{name:28}{value:12{form}}"
        if theirs:
            row += f"{theirs[name]:17{form}}"
            if name in LOWER_IS_BETTER and value > 0:
                row += f"   {theirs[name] / value:.2f}x lower"
        print(row)
    share = numbers["source"]
    print(f"measured on {share['visible pixels']:.1%} of the pixels, on {share['visible at least']:.1%} at the least")
    if "to frame by frame" in numbers:
        print("to frame by frame")
        for name, value in numbers["to frame by frame"].items():
            shown = f"{value:12.1%}" if name.startswith(("gradient", "sharpness")) else f"{value:12.4g}"
            print(f"  {name:26}{shown}")
    missing = [flag for name, flag in WEIGHT_FLAGS.items() if theirs and name not in numbers["to frame by frame"]]
    if missing:
        print(f"not measured without weights: {', '.join(missing)} (docs/metrics.md names the files)")
