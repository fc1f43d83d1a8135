"""rotoscope compare: show what several models, or several epochs of one, make of the same frames."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.options import EngineName, Precision
from rotoscope.cli.lines import report_lines
from rotoscope.cli.overwrite_rules import chosen_target, refuse_inputs

if TYPE_CHECKING:
    from rotoscope.plots.contact_sheet import Image


def compare(
    source: str,
    out: Path | None = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("-o", "--output"))] = None,
    model: Annotated[list[str], Parameter(name=("-m", "--model"), negative=(), consume_multiple=True)],
    frames: int = 4,
    height: int = 240,
    working_size: str | None = None,
    engine: EngineName = "onnxruntime",
    precision: Precision | None = None,
    hint: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    overwrite: bool = False,
) -> int:
    """Write a contact sheet: a row for each frame, a column for each model.

    Parameters
    ----------
    source
        A video, a picture or a folder of pictures.
    out
        The sheet, .png or .jpg; by default compare.png.
    output
        The same as an option; only this one, with --overwrite, replaces a file.
    model
        One or more looks, .onnx files, checkpoints, or patterns in quotes such as 'ckpt/*_net_G_A.pth'; put -m after
        SOURCE and OUT.
    frames
        Number of frames, spread evenly over the source.
    height
        Height of each picture on the sheet, in pixels.
    working_size
        What the models see, "640x360", or "360p" for the shorter side; by default the size of the source.
    engine
        What runs the models.
    precision
        Arithmetic of the engine.
    hint
        KEY=VALUE that ambiguous checkpoints need (repeat it).
    overwrite
        Replace the sheet if it exists.

    """
    import cv2

    import rotoscope
    from rotoscope.assembly.models import is_checkpoint
    from rotoscope.base.files import check_target, part_file
    from rotoscope.plots.contact_sheet import compare as draw

    out = Path(chosen_target(out, output, [source], overwrite=overwrite) or "compare.png")
    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"{out}: a sheet ends in .png or .jpg")
    if frames < 1 or not 16 <= height <= 4096:
        raise UsageError(f"--frames {frames} --height {height}; accepted: at least 1 frame, 16 to 4096 pixels")
    check_target(out, source=Path(source), overwrite=overwrite)
    names = [name for pattern in model for name in matching(pattern)]
    refuse_inputs(out, names)

    def models() -> "Iterator[tuple[str, Callable[[Image], Image]]]":
        for name in names:
            hints = hint if is_checkpoint(Path(name)) else ()
            loaded = rotoscope.load(name, engine=engine, precision=precision, hints=hints, working_size=working_size)
            yield loaded.file.name, loaded
            report_lines(f"{name}: done")

    sheet = draw(source, models(), frames=frames, height=height)
    _, data = cv2.imencode(out.suffix, sheet[..., ::-1])
    with part_file(out, overwrite=overwrite) as part:
        part.write_bytes(data.tobytes())
    report_lines(f"{len(names)} models -> {out} ({sheet.shape[1]}x{sheet.shape[0]})")
    return 0


def matching(pattern: str) -> list[str]:
    """The files that match a pattern, epoch 5 before epoch 10; a name without *, ? or [ is returned as it is."""
    if not any(sign in pattern for sign in "*?["):
        return [pattern]
    anchor = Path(pattern).anchor
    files = [str(file) for file in Path(anchor or ".").glob(str(Path(pattern).relative_to(anchor)))]
    if not files:
        raise UsageError(f"{pattern}: no file matches")
    return sorted(files, key=lambda file: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file)])
