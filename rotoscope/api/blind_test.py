"""Functions for preference tests with people: compare_blind, count_choices."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rotoscope.api.translation import read
from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.base.frame import Picture
from rotoscope.base.options import OutputOptions
from rotoscope.base.parts import Part
from rotoscope.kernels.float_picture import float_picture
from rotoscope.runtime.pipeline.write import write_frames

if TYPE_CHECKING:
    from rotoscope.base.frame import Frame
    from rotoscope.metrics.choices import Choices

SHOWN_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"}  # by every browser, as they are
SHOWN_VIDEOS = {".mp4": {"h264"}, ".webm": {"vp8", "vp9", "av1"}}
QUESTION = "Which one looks better?"
LOWEST_LOSS = ("crf=10",)  # so that neither video is judged by its encoding


def compare_blind(
    a: str | Path,
    b: str | Path,
    out: str | Path = "blind",
    *,
    original: str | Path | None = None,
    question: str = QUESTION,
    names: tuple[str, str] | None = None,
) -> int:
    """Write a folder with a page, index.html, on which people choose between results of two methods; return how many pairs.

    a, b      two videos or pictures, or two folders of them with equal names up to the endings
    out       a new folder; the page needs nothing outside it, and no network
    original  the sources of both, shown beside each pair: a file or a folder, as `a` is
    question  what the page asks
    names     of the two methods in the result; by default the names of `a` and `b`
    Videos that browsers do not play are encoded again as H.264 with little loss, pictures as PNG.
    Raises UsageError for an `out` that exists, InputRefused if the folders do not hold the same names.
    """
    from rotoscope.plots.blind_page import BlindPair, blind_page

    target = Path(out)
    if target.exists():
        raise UsageError(f"{target} exists; accepted: a new folder")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: no such folder")
    labels = names or (Path(a).name, Path(b).name)
    if labels[0] == labels[1]:
        labels = (str(a), str(b))
    matched = _pairs(Path(a), Path(b), None if original is None else Path(original))
    part = Part(target, is_folder=True)
    try:
        part.create()
        pairs = []
        for name, files in matched:
            shown = [None if file is None else _shown(file, part.path) for file in files]
            pairs.append(BlindPair(name, str(shown[0]), str(shown[1]), shown[2]))
        (part.path / "index.html").write_text(blind_page(*labels, pairs, question), encoding="utf-8")
        part.path.rename(target)
    finally:
        part.remove()
    return len(pairs)


def count_choices(files: Sequence[str | Path]) -> Choices:
    """Add the choices of several people: the JSON files that the page of one `compare_blind` made."""
    from rotoscope.metrics.choices import count_choices as counted

    return counted(files)


def _pairs(a: Path, b: Path, original: Path | None) -> list[tuple[str, tuple[Path, Path, Path | None]]]:
    """Match the files of two folders by their names without endings. Two single files are a pair."""
    given = [a, b, *([original] if original else [])]
    for path in given:
        if not path.exists():
            raise InputRefused(f"{path}: no such file or folder")
        if path.is_dir() != a.is_dir():
            raise InputRefused(f"{a} and {path}: a folder and a file; accepted: files, or folders of files")
    if not a.is_dir():
        return [(a.stem, (a, b, original))]
    folders = [{file.stem: file for file in sorted(path.iterdir()) if _is_shown(file)} for path in given]
    for path, files in zip(given[1:], folders[1:], strict=True):
        if lone := sorted(folders[0].keys() ^ files.keys()):
            raise InputRefused(f"{a} and {path}: {lone[0]} is in one of them only; accepted: the same names in each")
    if not folders[0]:
        raise InputRefused(f"{a}: no file in it")
    return [
        (name, (file, folders[1][name], folders[2][name] if original else None)) for name, file in folders[0].items()
    ]


def _is_shown(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".")


def _shown(file: Path, folder: Path) -> str:
    """Copy a file, or encode it for browsers, into the folder under a name that says nothing; return that name."""
    name, ending = secrets.token_hex(6), file.suffix.lower()
    if ending in SHOWN_PICTURES:
        shutil.copyfile(file, folder / f"{name}{ending}")
        return f"{name}{ending}"
    with read(file) as source:
        if source.info.codec in SHOWN_VIDEOS.get(ending, ()):
            shutil.copyfile(file, folder / f"{name}{ending}")
            return f"{name}{ending}"
        if source.is_picture:
            options, ending = OutputOptions(), ".png"
        else:
            options, ending = OutputOptions(codec="libx264", encoder_options=LOWEST_LOSS), ".mp4"
        write_frames(folder / f"{name}{ending}", _as_results(source), options)
    return f"{name}{ending}"


def _as_results(frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        yield replace(frame, result=Picture((float_picture(frame.source),)))
