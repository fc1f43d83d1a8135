"""rotoscope parity: compare two forms of one network and print how far they differ."""

import json as json_module
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.files import check_target, part_file
from rotoscope.cli.lines import print_lines
from rotoscope.cli.options import STEADY, SteadyArguments, as_keywords
from rotoscope.cli.overwrite_rules import refuse_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotoscope.export.comparison import Flicker, ParityReport
    from rotoscope.export.parity import Pair
    from rotoscope.metrics.difference import Difference
    from rotoscope.scenarios.run_parity import RunParity

BEYOND = 1  # exit code


def parity(  # noqa: D417  cyclopts takes the help of flattened options from their fields
    a: str,
    b: str,
    /,
    *,
    clip: str | None = None,
    frames: int = 16,
    mask: str | None = None,
    working_size: str | None = None,
    size: str | None = None,
    hint: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    save: Path | None = None,
    overwrite: bool = False,
    bisect: bool = False,
    steady_options: SteadyArguments = STEADY,
    threads: int | None = None,
    json: Path | None = None,
) -> int:
    """Compare two forms of one network, or two whole runs (with --steady); exit code 1 if they differ by more than the bound.

    A form is a checkpoint, an .onnx file or a look, and how to run it: net.pth, net.onnx@openvino, net.onnx@openvino:bf16,
    net.pth@torch:fp16:cuda, net.pth@torch:compiled.

    With --steady and --clip both forms run as in translate: motion, network, steadying and finished pictures are compared
    frame by frame. b may then be a video that another run wrote without loss.

    Parameters
    ----------
    a
        The first form; a network with state continues from its results.
    b
        The second form.
    clip
        Compare both forms on frames of this video too. If one form has a lower precision, E_warp of its translation may be at
        most 1.02 times that of the other form.
    frames
        Number of frames of the clip.
    mask
        Masks of the clip, for networks that fill holes.
    working_size
        Size at which the networks see the clip, "640x360", or "360p" for the shorter side; by default the size of the clip.
    size
        Size of the random inputs, such as 256x256; by default 128x96 and 136x72. Rounded up to what both forms take.
    hint
        KEY=VALUE that an ambiguous checkpoint needs (repeat it).
    save
        Write a picture of the frame that differs most: both forms, and their difference with its largest value in white.
    overwrite
        Replace the picture if it exists.
    bisect
        Name the first tensor that differs by more than the bound; for two .onnx files.
    threads
        Cores to use; by default all.
    json
        Write the figures of every frame into this file.

    """
    import rotoscope

    if json is not None:
        check_target(json, source=None, overwrite=overwrite)
    given = {name: value for name, value in as_keywords(steady_options).items() if value is not None}
    if given.get("steady") is not None:
        if clip is None:
            raise UsageError("--steady compares whole runs on a clip: give --clip")
        if mask is not None or save is not None or size is not None:
            raise UsageError("--mask, --save and --size are for networks; not accepted with --steady")
        run = rotoscope.run_parity(
            a, b, clip=clip, frames=frames, working_size=working_size, hints=hint, threads=threads, **given
        )
        show_run(run)
        if bisect and run.first_different == "network":
            show_verdict(rotoscope.parity(a, b, hints=hint, bisect=True, threads=threads))
        if json is not None:
            write_json(json, run_figures(run), overwrite=overwrite)
        return 0 if run.is_within else BEYOND

    if save is not None:
        refuse_inputs(save, [a.partition("@")[0], b.partition("@")[0], clip, mask])
    report = rotoscope.parity(
        a, b, clip=clip, frames=frames, mask=mask, working_size=working_size, size=size, hints=hint, save=save,
        overwrite=overwrite, bisect=bisect, threads=threads,
    )  # fmt: skip
    show_pair(report.random, "random inputs")
    if report.clip is not None:
        show_pair(report.clip, f"frames of {clip}")
    if save is not None:
        print_lines(f"worst frame, both forms and their difference (white is {report.last.first.largest:.1e}): {save}")
    if report.flicker is not None:
        show_flicker(report.flicker)
    show_verdict(report)
    if json is not None:
        pairs = {"random": report.random, **({} if report.clip is None else {"clip": report.clip})}
        write_json(
            json,
            {
                "a": report.last.a.label, "b": report.last.b.label, "is_within": report.is_within,
                **{name: {"outputs": figures(pair.differences)} for name, pair in pairs.items()},
            },
            overwrite=overwrite,
        )  # fmt: skip
    return 0 if report.is_within else BEYOND


def show_run(run: "RunParity") -> None:
    """Print a table of the stages, how the difference of the finished pictures changes over the frames, and the verdict."""
    print_lines(f"{run.a} and {run.b}, {run.num_frames} frames, steady {run.steady}")
    print(f"{'':<10}{'max':>10}{'mean':>10}{'PSNR dB':>10}{'worst at':>10}")
    for name, difference in run.stages.items():
        psnr = "-" if name == "motion" else f"{difference.psnr_db:.1f}"
        worst = f"{difference.worst_frame:>10}"
        print(f"{name:<10}{difference.largest:>10.1e}{difference.mean:>10.1e}{psnr:>10}{worst}")
    finish = run.stages["finish"]
    largest = " ".join(f"{value * 127.5:.0f}" for value in finish.frame_largest)
    print(f"finish, largest difference in code values, by frame: {largest}")
    print("finish, PSNR dB by frame: " + " ".join(f"{value:.0f}" for value in finish.frame_psnr_db))
    print(f"first stage that differs by more than rounding: {run.first_different or 'none'}")
    bound = run.bound if run.bound.psnr_db is not None else "at most 1 code value"
    print_lines(f"bound of every frame: {bound}: {'within' if run.is_within else 'BEYOND'}")


def run_figures(run: "RunParity") -> dict[str, Any]:
    """What the JSON file of a comparison of runs holds."""
    return {
        "a": run.a, "b": run.b, "steady": run.steady, "is_within": run.is_within, "first_different": run.first_different,
        "stages": figures(run.stages),
    }  # fmt: skip


def figures(differences: "Mapping[Any, Difference]") -> dict[str, Any]:
    """Largest and mean difference and PSNR of each output; by frame too. Infinite numbers are None."""
    return {
        str(name): {
            "max": finite(item.largest), "mean": finite(item.mean), "psnr_db": finite(item.psnr_db),
            "frame_max": [finite(value) for value in item.frame_largest],
            "frame_psnr_db": [finite(value) for value in item.frame_psnr_db],
        }
        for name, item in differences.items()
    }  # fmt: skip


def finite(value: float) -> float | None:
    """The value, or None for one that JSON does not have."""
    return value if math.isfinite(value) else None


def write_json(path: Path, content: dict[str, Any], *, overwrite: bool) -> None:
    """Write a JSON file at once."""
    with part_file(path, overwrite=overwrite) as part:
        part.write_text(json_module.dumps(content, indent=1) + "\n")


def show_pair(pair: "Pair", inputs: str) -> None:
    """Print a table of the differences of all outputs on some inputs, and the drift of a network with state."""
    from rotoscope.metrics.difference import PERCENTILES

    print_lines(f"{pair.a.label} and {pair.b.label}, {len(pair.first.frame_largest)} calls, {inputs}")
    columns = ("max", "mean", "PSNR dB", *(f"{percent:g}%" for percent in PERCENTILES))
    print(f"{'':<24}" + "".join(f"{column:>10}" for column in columns))
    for difference in pair.differences.values():
        shares = "".join(f"{difference.percentile(percent):>10.1e}" for percent in PERCENTILES)
        numbers = f"{difference.largest:>10.1e}{difference.mean:>10.1e}{difference.psnr_db:>10.1f}"
        print_lines(f"{difference.name:<24}{numbers}{shares}")
    print(f"worst call: {pair.first.worst_frame}, {min(pair.first.frame_psnr_db):.1f} dB")
    if pair.drift:
        print("drift by step, each form on its own state: " + " ".join(f"{value:.0e}" for value in pair.drift))
    if pair.reference_drift:
        drift = " ".join(f"{value:.0e}" for value in pair.reference_drift)
        print(f"the first form's own drift from fp64:      {drift}")
    print()


def show_flicker(flicker: "Flicker") -> None:
    """Print E_warp of both forms and their ratio."""
    from rotoscope.export.parity import WORST_WARPING_RATIO

    if flicker.num_pairs == 0:
        print("E_warp: not measured, no two neighbouring frames show the same\n")
        return
    errors = f"{flicker.full:.4g} of {flicker.full_label}, {flicker.reduced:.4g} of {flicker.reduced_label}"
    verdict = f"ratio {flicker.ratio:.4f}, at most {WORST_WARPING_RATIO:g}"
    print_lines(f"E_warp over {flicker.num_pairs} pairs: {errors}: {verdict}", "")


def show_verdict(report: "ParityReport") -> None:
    """Print the bound and whether it holds, and the first tensor beyond it."""
    from rotoscope.export.parity import EXACT, WORST_WARPING_RATIO

    is_measured = report.flicker is not None and report.flicker.num_pairs > 0
    steadiness = f", E_warp ratio at most {WORST_WARPING_RATIO:g}" if is_measured else ""
    rounded = next((pair for pair in report.judged if pair.rounding_ratio is not None), report.last)
    print_lines(f"bound: {rounded.allowed}{steadiness}: {'within' if report.is_within else 'BEYOND'}")
    if report.is_bisected:
        print_lines(f"first tensor beyond {EXACT.largest:g} of its largest value: {report.first_different or 'none'}")
