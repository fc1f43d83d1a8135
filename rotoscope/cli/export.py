"""rotoscope export: a checkpoint becomes a model file, proved before it gets its name."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from rotoscope.base.errors import UsageError
from rotoscope.cli.targets import refuse_inputs, required_target
from rotoscope.export.options import ExportOptions

DEFAULTS = ExportOptions()
CALIBRATION_FRAMES = 8
ENDINGS = (".onnx", ".safetensors")


def export(
    checkpoint: Path,
    out: Path | None = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("-o", "--output"))] = None,
    finer: Annotated[tuple[Path, ...], Parameter(name="--finer", show_default=False)] = (),
    options: Annotated[ExportOptions, Parameter(name="*", group=Group("Options"))] = DEFAULTS,
    calibrate: str | None = None,
    overwrite: bool = False,
) -> int:
    """Turn a checkpoint into a file that runs, after proving that it gives the same pictures.

    Parameters
    ----------
    checkpoint
        What training left behind: .pth, .pt, .ckpt, .safetensors or .npz; read as data, nothing in it is run.
    out
        The model file: .onnx, or .safetensors for the weights with their description.
    output
        The same as an option; only this one, with --overwrite, replaces a file.
    finer
        The finer scales of a vid2vid model, in order (latest_net_G1.pth ...), where each has a file of its own.
    options
        Everything else.
    calibrate
        For int8: a video or a folder of pictures of the kind that will be translated.
    overwrite
        Replace the file if it exists.

    """
    from rotoscope.assembly.engines import proving_engine
    from rotoscope.assembly.models import check_torch
    from rotoscope.base.files import check_target

    out = required_target(out, output, "rotoscope export CHECKPOINT OUT.onnx", overwrite=overwrite)
    if out.suffix.lower() not in ENDINGS:
        raise UsageError(f"{out}: a model file ends in {' or '.join(ENDINGS)}")
    check_torch(checkpoint)
    check_target(out, source=checkpoint, overwrite=overwrite)
    refuse_inputs(out, [*finer, calibrate])
    if (options.precision == "int8") != (calibrate is not None):
        raise UsageError("--precision int8 and --calibrate CLIP go together")
    from rotoscope.base.frame import Picture
    from rotoscope.export.convert import convert
    from rotoscope.metrics.matched import spread_frames

    pictures = [] if calibrate is None else spread_frames(calibrate, CALIBRATION_FRAMES)[0]

    opened, pair = convert(
        [checkpoint, *finer],
        out,
        options,
        proving_engine,
        pictures=[Picture((picture,)) for picture in pictures],
        overwrite=overwrite,
    )
    print(opened, file=sys.stderr)
    print(
        f"{pair.b.engine.description} and {pair.a.engine.description}: {pair.found} ({pair.bound} allowed)",
        file=sys.stderr,
    )
    print(f"written: {out} ({out.stat().st_size / 1e6:.1f} MB)", file=sys.stderr)
    return 0
