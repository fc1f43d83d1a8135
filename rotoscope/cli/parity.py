"""rotoscope parity: compare two forms of one network and print how far they differ."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rotoscope.cli.lines import print_lines
from rotoscope.cli.overwrite_rules import refuse_inputs

if TYPE_CHECKING:
    from rotoscope.export.comparison import Flicker, ParityReport
    from rotoscope.export.parity import Pair

BEYOND = 1  # exit code


def parity(
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
    threads: int | None = None,
) -> int:
    """Compare two forms of one network on random inputs and on real frames; exit code 1 if they differ by more than the bound.

    A form is a checkpoint, an .onnx file or a look, and how to run it: net.pth, net.onnx@openvino, net.onnx@openvino:bf16,
    net.pth@torch:fp16:cuda, net.pth@torch:compiled.

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

    """
    import rotoscope

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
    return 0 if report.is_within else BEYOND


def show_pair(pair: "Pair", inputs: str) -> None:
    """Print a table of the differences of all outputs on some inputs, and the drift of a network with state."""
    from rotoscope.export.difference import PERCENTILES

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
