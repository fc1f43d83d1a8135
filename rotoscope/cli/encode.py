"""rotoscope encode: a picture as a code, such as the style that `translate --style` takes."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from rotoscope.cli.lines import report_lines
from rotoscope.cli.overwrite_rules import required_target


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
    """Encode the style or the content of a picture to a file of numbers.

    Parameters
    ----------
    picture
        A picture, or a video, of which the first frame is encoded.
    out
        The code: .npy, float32.
    output
        The same as an option; only this one, with --overwrite, replaces a file.
    model
        An encoder, as export --part writes it, or a network of any look, such as any.
    engine
        What runs the encoder.
    working_size
        Size at which the network sees the picture, "640x360", or "256p" for the shorter side; by default the picture's size.
    overwrite
        Replace the file if it exists.

    """
    import rotoscope

    out = required_target(
        out, output, [picture, model], "rotoscope encode PICTURE OUT.npy -m MODEL", overwrite=overwrite
    )
    code = rotoscope.encode(model, picture, out, engine=engine, working_size=working_size, overwrite=overwrite)
    report_lines(f"code {code.shape} -> {out}")
    return 0
