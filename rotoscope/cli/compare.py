"""rotoscope compare: show what several models, epochs or styles make of the same frames; ask people which they prefer."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rotoscope.base.errors import UsageError
from rotoscope.base.options import EngineName, Precision
from rotoscope.cli.lines import print_lines, report_lines
from rotoscope.cli.options import chosen_models
from rotoscope.cli.overwrite_rules import chosen_target, refuse_inputs

if TYPE_CHECKING:
    from rotoscope.plots.contact_sheet import Image

MOST_STYLES = 64  # columns of a sheet


def compare(
    source: str | None = None,
    out: Path | None = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("-o", "--output"))] = None,
    model: Annotated[
        tuple[str, ...], Parameter(name=("-m", "--model"), consume_multiple=True, show_default=False)
    ] = (),
    styles: str | None = None,
    like: str | None = None,
    blind: bool = False,
    original: Path | None = None,
    question: str | None = None,
    count: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, show_default=False)] = (),
    frames: int = 4,
    height: int = 240,
    working_size: str | None = None,
    engine: EngineName = "onnxruntime",
    precision: Precision | None = None,
    hint: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    overwrite: bool = False,
) -> int:
    """Write a contact sheet: a row for each frame, a column for each model.

    With --blind A B, write a folder with a page on which people choose between two results without knowing which is which;
    with --count, add up their choices.

    Parameters
    ----------
    source
        A video, a picture or a folder of pictures; with --blind, results of the first method.
    out
        The sheet, .png or .jpg; by default compare.png. With --blind, results of the second method.
    output
        The same as an option; only this one, with --overwrite, replaces a file. With --blind, a new folder; by default blind.
    model
        One or more looks, .onnx files, checkpoints, or patterns in quotes such as 'ckpt/*_net_G_A.pth'; put -m after
        SOURCE and OUT.
    styles
        A column for each of these styles of each model, such as 0..7 or 0,3,12: numbers of styles, or seeds for networks whose
        style is drawn at random.
    like
        A picture whose style all models take, or a blend such as a.jpg:0.7,b.jpg:0.3; without -m it is painted by the
        bundled network any.
    blind
        Make a page for people instead: A and B are videos or pictures, or folders of them with equal names.
    original
        With --blind: the source of both, shown beside each pair; a file or a folder, as A is.
    question
        With --blind: what the page asks, by default "Which one looks better?".
    count
        JSON files that the page of one blind test made: print the share of each method with its Wilson interval.
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

    if count or blind:
        sheet_flags = bool(model or styles or like or hint or working_size or overwrite)
        return _count(count, source) if count else _blind(source, out, output, original, question, other=sheet_flags)
    if source is None or original is not None or question is not None:
        raise UsageError(
            "accepted: SOURCE -m MODEL, --blind A B (with --original and --question), or --count FILE of a blind test"
        )
    model = tuple(chosen_models("compare", model, like))
    if styles is not None and like is not None:
        raise UsageError("--styles with --like; accepted: one of them")
    chosen = (None,) if styles is None else parse_styles(styles)
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
            for style in chosen:
                loaded = rotoscope.load(
                    name,
                    engine=engine,
                    precision=precision,
                    hints=hints,
                    working_size=working_size,
                    style=style,
                    like=like,
                )
                yield loaded.file.name if style is None else f"{loaded.file.name} {style}", loaded
            report_lines(f"{name}: done")

    sheet = draw(source, models(), frames=frames, height=height)
    _, data = cv2.imencode(out.suffix, sheet[..., ::-1])
    with part_file(out, overwrite=overwrite) as part:
        part.write_bytes(data.tobytes())
    num, plural = len(names), "s" * (len(names) != 1)
    what = f"{num} model{plural}" + ("" if styles is None else f" in {len(chosen)} styles")
    report_lines(f"{what} -> {out} ({sheet.shape[1]}x{sheet.shape[0]})")
    return 0


def _blind(
    a: str | None, b: Path | None, output: Path | None, original: Path | None, question: str | None, *, other: bool
) -> int:
    """Write the folder of a blind test."""
    import rotoscope
    from rotoscope.api.blind_test import QUESTION

    if a is None or b is None or other:
        raise UsageError("accepted: --blind A B, with -o FOLDER, --original and --question")
    folder = output or Path("blind")
    pairs = rotoscope.compare_blind(a, b, folder, original=original, question=question or QUESTION)
    report_lines(
        f"{pairs} pair{'s' * (pairs != 1)} -> {folder / 'index.html'}; --count adds up what people download from it"
    )
    return 0


def _count(files: tuple[Path, ...], source: str | None) -> int:
    """Print the share of each method."""
    import rotoscope

    if source is not None:
        raise UsageError(f"--count with {source}; accepted: --count FILE FILE ... alone")
    print_lines(*rotoscope.count_choices(files).text().splitlines())
    return 0


def parse_styles(text: str) -> tuple[int, ...]:
    """Parse 0..7 or 0,3,12 to whole numbers, at most MOST_STYLES."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,18})(?:\.\.(\d{1,18}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not 0 <= last - first < MOST_STYLES:
            raise UsageError(f"--styles {text}; accepted: at most {MOST_STYLES} whole numbers, such as 0..7 or 0,3,12")
        found += range(first, last + 1)
    if len(found) > MOST_STYLES:
        raise UsageError(f"--styles {text}: {len(found)} styles; accepted: at most {MOST_STYLES}")
    return tuple(found)


def matching(pattern: str) -> list[str]:
    """The files that match a pattern, epoch 5 before epoch 10; a name without *, ? or [ is returned as it is."""
    if not any(sign in pattern for sign in "*?["):
        return [pattern]
    anchor = Path(pattern).anchor
    files = [str(file) for file in Path(anchor or ".").glob(str(Path(pattern).relative_to(anchor)))]
    if not files:
        raise UsageError(f"{pattern}: no file matches")
    return sorted(files, key=lambda file: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file)])
