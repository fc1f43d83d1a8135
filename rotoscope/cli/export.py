"""rotoscope export: write a checkpoint as a model file, after proving that it gives the same results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from rotoscope.base.errors import UsageError
from rotoscope.cli.lines import report_lines
from rotoscope.cli.options import as_keywords, flags
from rotoscope.cli.overwrite_rules import required_target
from rotoscope.export.options import ExportOptions
from rotoscope.weights.run_folder import is_run_folder

if TYPE_CHECKING:
    ExportFlags = ExportOptions
else:
    ExportFlags = flags(ExportOptions)

DEFAULTS = ExportFlags()


def export(
    checkpoint: Path,
    /,
    *more: Path,
    output: Annotated[Path | None, Parameter(name=("-o", "--output"))] = None,
    finer: Annotated[tuple[Path, ...], Parameter(name="--finer", show_default=False)] = (),
    options: Annotated[ExportFlags, Parameter(name="*", group=Group("Options"))] = DEFAULTS,
    calibrate: str | None = None,
    triton: Path | None = None,
    size: str | None = None,
    overwrite: bool = False,
) -> int:
    """Turn a checkpoint into a model file, after proving that it gives the same pictures.

    Parameters
    ----------
    checkpoint
        The weights that training saved, in a file of PyTorch, safetensors or NumPy (.npz) with any ending, or the folder of a
        training run. The file is read as data; no code in it is run.
    more
        Further files of the same network, such as AdaIN's encoder or vid2vid's finer scales in order, and as the last one the
        model file: .onnx, or .safetensors for the weights with their description; of a run by default RUN.onnx here.
    output
        The same as an option; only this one, with --overwrite, replaces a file.
    finer
        The same further files as an option.
    options
        All other options.
    calibrate
        For int8: a video or a folder of pictures like those that will be translated.
    triton
        In place of a model file: a folder for NVIDIA's Triton Inference Server, to which the model is added. The checkpoint
        may then also be an .onnx file or a bundled look.
    size
        With --triton: size of the network's input, such as 640x360; required for models with state that take any size.
    overwrite
        Replace the file if it exists.

    """
    import rotoscope
    from rotoscope.assembly.styles import encoder_beside

    named = list(more)
    out = named.pop() if named and output is None else None
    further = (*named, *finer)
    if triton is not None:
        if out is not None or output is not None or further or calibrate or overwrite:
            raise UsageError("--triton goes with --size and --hint; accepted: rotoscope export MODEL --triton DIR")
        unfit = [
            name for name, value in as_keywords(options).items() if value != getattr(DEFAULTS, name) and name != "hints"
        ]
        if unfit:
            raise UsageError(
                f"--{unfit[0].replace('_', '-')} with --triton: export the checkpoint to .onnx with it first"
            )
        written = rotoscope.export_triton(checkpoint, triton, size=size, hints=options.hints)
        report_lines(f"written: {written}")
        return 0
    if out is None and output is None and is_run_folder(checkpoint):
        output = Path(f"{checkpoint.resolve().name}.onnx")
    if size is not None:
        raise UsageError("--size is for --triton; a model file takes pictures of any size")
    out = required_target(
        out, output, [checkpoint, *further, calibrate], "rotoscope export CHECKPOINT OUT.onnx", overwrite=overwrite
    )
    report = rotoscope.export_model(
        [checkpoint, *further], out, calibrate=calibrate, overwrite=overwrite, **as_keywords(options)
    )
    report_lines(*str(report).split("\n"))
    for file in (out, encoder_beside(out)) if report.has_encoder_beside else (out,):
        report_lines(f"written: {file} ({file.stat().st_size / 1e6:.1f} MB)")
    return 0
