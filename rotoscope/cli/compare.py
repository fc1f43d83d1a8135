"""rotoscope compare: one picture that shows what several models, or several epochs of one, make of the same frames."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.options import EngineName, Precision

if TYPE_CHECKING:
    from rotoscope.plots.contact_sheet import Image


def compare(
    source: str,
    out: Path = Path("compare.png"),
    /,
    *,
    model: Annotated[list[str], Parameter(name=("-m", "--model"), negative=())],
    frames: int = 4,
    height: int = 240,
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
        The sheet, .png or .jpg.
    model
        A look, an .onnx file, a checkpoint, or a pattern in quotes such as 'ckpt/*_net_G_A.pth' (repeat it).
    frames
        How many, spread over the whole source.
    height
        Of each picture on the sheet, in pixels.
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
    from rotoscope.base.files import check_target, part_file
    from rotoscope.plots.contact_sheet import contact_sheet

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"{out}: a sheet ends in .png or .jpg")
    if frames < 1 or not 16 <= height <= 4096:
        raise UsageError(f"--frames {frames} --height {height}; accepted: at least 1 frame, 16 to 4096 pixels")
    check_target(out, source=Path(source), overwrite=overwrite)
    names = [name for pattern in model for name in matching(pattern)]
    pictures, times = chosen_frames(source, frames)
    columns: list[tuple[str, list[Image]]] = [("source", pictures)]
    for name in names:
        run = rotoscope.load(name, engine=engine, precision=precision, hints=hint if Path(name).suffix else ())
        columns.append((run.file.name, [run(picture) for picture in pictures]))
        print(f"{name}: done", file=sys.stderr)
    sheet = contact_sheet(columns, times, height=height)
    _, data = cv2.imencode(out.suffix, sheet[..., ::-1])
    with part_file(out, overwrite=overwrite) as part:
        part.write_bytes(data.tobytes())
    print(f"{len(names)} models, {len(pictures)} frames -> {out} ({sheet.shape[1]}x{sheet.shape[0]})", file=sys.stderr)
    return 0


def matching(pattern: str) -> list[str]:
    """The files of a pattern, epoch 5 before epoch 10; a plain name is itself."""
    if not any(sign in pattern for sign in "*?["):
        return [pattern]
    files = [
        str(file)
        for file in Path(Path(pattern).anchor or ".").glob(str(Path(pattern).relative_to(Path(pattern).anchor)))
    ]
    if not files:
        raise UsageError(f"{pattern}: no file is called so")
    return sorted(files, key=lambda file: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file)])


def chosen_frames(source: str, count: int) -> "tuple[list[Image], list[str]]":
    """(pictures, times in words) of so many frames, spread evenly over the source."""
    import rotoscope

    with rotoscope.read(source) as reader:
        total = sum(1 for _ in reader)
    if total == 0:
        raise InputRefused(f"{source}: no frame in it")
    steps = max(1, count - 1)
    wanted = {round(index * (total - 1) / steps) for index in range(count)}
    pictures, times = [], []
    with rotoscope.read(source) as reader:
        for index, frame in enumerate(reader):
            if index in wanted:
                pictures.append(rotoscope.rgb(frame.source))
                times.append(f"{float(frame.seconds):.2f} s")
    return pictures, times
