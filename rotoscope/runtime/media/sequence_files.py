"""Which files a folder, glob or %05d pattern stands for, in which order, and which numbers their names carry."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rotoscope.base.errors import InputRefused

READABLE = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm", ".avif",
    ".heic", ".heif", ".hif", ".jp2", ".j2k", ".exr", ".dpx", ".qoi", ".psd", ".tga",
    ".pcx", ".ico",
)  # fmt: skip
VIDEOS = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif", ".y4m", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".flv", ".3gp",
    ".3g2", ".mxf", ".ogv", ".wmv", ".asf", ".vob",
)  # fmt: skip
MOST_GAPS = 10_000_000  # frames from the first number to the last
NAMED = 5  # runs of missing numbers that a note names
PATTERN = re.compile(r"%0?(\d{0,2})d")  # at most 99 digits


def sequence_files(text: str) -> list[Path] | None:
    """The files of a folder, glob or %05d pattern in order of their numbers; None if `text` names a single file.

    Raises InputRefused if nothing matches, or if videos match: a sequence is one video made of pictures.
    """
    path = Path(text)
    if path.is_dir():
        found = [file for file in _visible(path) if file.suffix.lower() in READABLE]
        if not found:
            _refuse_videos(text, _visible(path))
            raise InputRefused(f"{text}: no pictures in this folder ({', '.join(READABLE)})")
        return sorted(found, key=_natural)
    if PATTERN.search(path.name) and not path.exists():
        found = numbered(path)
    elif any(sign in path.name for sign in "*?[") and not path.exists():
        found = [file for file in path.parent.glob(path.name) if file.is_file()] if path.parent.is_dir() else []
    else:
        return None
    if not found:
        raise InputRefused(f"{text}: no file fits this pattern")
    _refuse_videos(text, found)
    return sorted(found, key=_natural)


def ignored_files(text: str) -> list[Path]:
    """The files of a folder that are no pictures of its sequence; none for a glob or a pattern."""
    path = Path(text)
    if not path.is_dir():
        return []
    return sorted((file for file in _visible(path) if file.suffix.lower() not in READABLE), key=_natural)


def _visible(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]


def _refuse_videos(text: str, files: Sequence[Path]) -> None:
    videos = sorted((file for file in files if file.suffix.lower() in VIDEOS), key=_natural)
    if videos:
        count = f"{len(videos)} videos" if len(videos) > 1 else "a video"
        raise InputRefused(
            f"{text}: {count}, not the pictures of one sequence (first: {videos[0].name}); to translate each video by itself: "
            f"rotoscope batch '{videos[0].parent / '*'}{videos[0].suffix}' -o FOLDER -m MODEL"
        )


def numbered(pattern: Path) -> list[Path]:
    """The existing files that a pattern such as out_%05d.png stands for, in no order."""
    before, after = PATTERN.split(pattern.name, maxsplit=1)[::2]
    digits = PATTERN.search(pattern.name)
    count = int(digits.group(1) or 1) if digits is not None else 1
    number = re.compile(re.escape(before) + rf"(\d{{{count},}})" + re.escape(after))
    folder = pattern.parent
    return [file for file in folder.iterdir() if number.fullmatch(file.name)] if folder.is_dir() else []


def frame_numbers(files: Sequence[Path]) -> list[int] | None:
    """The frame number in each file's name: the one group of digits that differs between them.

    None if the names differ in anything else, such as a date beside the number. The name of a single file counts its last
    group.
    """
    parts = [re.split(r"(\d+)", file.stem) for file in files]
    if not parts or len({(len(part), *part[::2]) for part in parts}) > 1 or len(parts[0]) == 1:
        return None
    groups = [[int(digits) for digits in column] for column in list(zip(*parts, strict=True))[1::2]]
    varying = [group for group in groups if len(set(group)) > 1] if len(files) > 1 else groups[-1:]
    return varying[0] if len(varying) == 1 and len(set(varying[0])) == len(files) else None


def positions(files: Sequence[Path], *, is_pattern: bool) -> tuple[list[int], list[int]]:
    """When each file is shown, in frames from the first, and the frame numbers that are missing between them.

    Numbers count in steps of their greatest common divisor, so that pictures on twos are a sequence without gaps. A folder in
    which fewer than half of the numbers exist is a collection, not a sequence with gaps: its files follow each other. The
    numbers of a pattern always count.
    """
    numbers = frame_numbers(files)
    if numbers is None or len(numbers) < 2 or numbers != sorted(numbers):
        return list(range(len(files))), []
    step = math.gcd(*(after - before for before, after in pairwise(numbers)))
    found = [(number - numbers[0]) // step for number in numbers]
    span = found[-1] + 1
    if span > MOST_GAPS or (not is_pattern and span > 2 * len(files)):
        return list(range(len(files))), []
    there = set(found)
    return found, [numbers[0] + step * at for at in range(span) if at not in there]


def named_numbers(numbers: Sequence[int]) -> str:
    """Frame numbers in words, with runs as one: "1003 to 1005, 1009"; after NAMED runs the rest is left out."""
    runs: list[list[int]] = []
    step = min((after - before for before, after in pairwise(numbers)), default=1)
    for number in numbers:
        if runs and number - runs[-1][-1] == step:
            runs[-1][-1:] = [number] if len(runs[-1]) > 1 else [runs[-1][0], number]
        else:
            runs.append([number])
    words = [" to ".join(map(str, run)) for run in runs[:NAMED]]
    return ", ".join(words) + ", ..." * (len(runs) > NAMED)


def _natural(path: Path) -> list[tuple[int, str]]:
    """frame_2 before frame_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]
