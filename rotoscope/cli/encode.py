"""rotoscope encode: a picture as a code, such as the style that `translate --style` takes."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.cli.targets import required_target


def encode(
    picture: str,
    out: Path | None = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("-o", "--output"))] = None,
    model: Annotated[str, Parameter(name=("-m", "--model"))],
    engine: Literal["onnxruntime", "openvino"] = "onnxruntime",
    working_size: str | None = None,
    overwrite: bool = False,
) -> int:
    """Write what an encoder makes of a picture: the style or the content of it, as numbers.

    Parameters
    ----------
    picture
        A picture, or a video, of which the first frame counts.
    out
        The code, .npy, float32.
    output
        The same as an option; only this one, with --overwrite, replaces a file.
    model
        An encoder as export --part writes it.
    engine
        What runs it.
    working_size
        What the network sees, "640x360", or "256p" for the shorter side; by default the picture's size.
    overwrite
        Replace the file if it exists.

    """
    import numpy as np

    import rotoscope
    from rotoscope.base.files import check_target, part_file

    out = required_target(out, output, "rotoscope encode PICTURE OUT.npy -m MODEL", overwrite=overwrite)
    if out.suffix.lower() != ".npy":
        raise UsageError(f"{out}: a code ends in .npy")
    check_target(out, source=Path(picture), overwrite=overwrite)
    encoder = rotoscope.load(model, engine=engine, working_size=working_size)
    with rotoscope.read(picture) as frames:
        frame = next(iter(frames), None)
        if frame is None:
            raise InputRefused(f"{picture}: no frame in it")
        code = encoder.encode(rotoscope.rgb(frame.source))
    with part_file(out, overwrite=overwrite) as part:
        np.save(part, code, allow_pickle=False)
    print(f"{encoder.file.manifest.output.tensor} {code.shape} -> {out}", file=sys.stderr)
    return 0
