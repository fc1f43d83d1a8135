"""Single pictures and image sequences: a file, a folder, a glob or a %05d pattern; PNG, JPEG and WebP out."""

import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from rotoscope.base.errors import InputRefused, OutputFailed, UsageError
from rotoscope.base.files import place
from rotoscope.base.frame import Array, Frame, Picture, VideoInfo
from rotoscope.runtime.media.local_file import open_local
from rotoscope.runtime.media.video_reader import VideoReader

READABLE = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
WRITABLE = (".png", ".jpg", ".jpeg", ".webp")
PATTERN = re.compile(r"%0?(\d*)d")

_QUALITY = {
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 3],
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}


def is_picture_target(path: Path | None) -> bool:
    """The result is a picture, a folder of pictures or a numbered pattern; None is standard output, which is not."""
    return path is not None and (path.suffix.lower() in WRITABLE or not path.suffix or path.is_dir())


def sequence_files(text: str) -> list[Path] | None:
    """The files of a folder, glob or %05d pattern in order of their numbers; None if `text` names a single file."""
    path = Path(text)
    if path.is_dir():
        found = [file for file in path.iterdir() if file.suffix.lower() in READABLE and not file.name.startswith(".")]
        if not found:
            raise InputRefused(f"{text}: no pictures in this folder ({', '.join(READABLE)})")
    elif PATTERN.search(path.name) and not path.exists():
        found = _numbered(path)
        if not found:
            raise InputRefused(f"{text}: no file fits this pattern")
    elif any(sign in path.name for sign in "*?[") and not path.exists():
        found = [file for file in path.parent.glob(path.name) if file.is_file()] if path.parent.is_dir() else []
        if not found:
            raise InputRefused(f"{text}: no file fits this pattern")
    else:
        return None
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """frame_2 before frame_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]


class SequenceReader:
    """Iterate over picture files as frames at a constant rate; the files' own times mean nothing."""

    def __init__(
        self,
        name: str,
        files: list[Path],
        *,
        rate: Fraction,
        start: Fraction | None = None,
        duration: Fraction | None = None,
        unconverted: bool = False,
    ) -> None:
        self.losses: Counter[str] = Counter()
        self.notes: list[str] = []
        self.is_picture = self.is_cut = False
        self._unconverted = unconverted
        first = round((start or Fraction(0)) * rate)
        last = None if duration is None else first + max(1, round(duration * rate))
        self.files = files[first:last]
        if not self.files:
            raise InputRefused(f"{name}: {len(files)} pictures at {rate}/s end before the start asked for")
        with VideoReader(str(self.files[0]), open_local(self.files[0]), unconverted=unconverted) as reader:
            self.notes.extend(reader.notes)
            self.info: VideoInfo = replace(
                reader.info,
                path=name,
                container="pictures",
                time_base=1 / rate,
                average_rate=rate,
                start_pts=0,
                duration_seconds=float(len(self.files) / rate),
                num_frames_from_header=len(self.files),
            )
        self.start_seconds = Fraction(0)
        self.end_seconds = None

    def __enter__(self) -> "SequenceReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open between pictures."""

    def interrupt(self) -> None:
        """Nothing waits for input that may never come."""

    def __iter__(self) -> Iterator[Frame]:
        size = (self.info.width, self.info.height)
        for index, file in enumerate(self.files):
            try:
                with VideoReader(str(file), open_local(file), unconverted=self._unconverted) as reader:
                    picture = next(iter(reader)).source
                    self.losses += reader.losses  # adds what is above zero
            except InputRefused as error:
                self.losses["pictures that could not be decoded"] += 1
                self.notes.append(str(error))
                continue
            if (picture.width, picture.height) != size:
                self.notes.append(f"{file.name}: {size[0]}x{size[1]} becomes {picture.width}x{picture.height}")
                size = (picture.width, picture.height)
            yield Frame(index, index, self.info.time_base, 1, picture)


def _encode(suffix: str, rgb: Array) -> bytes:
    try:
        done, data = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _QUALITY[suffix])
    except cv2.error as error:
        raise OutputFailed(f"a picture of {rgb.shape[1]}x{rgb.shape[0]} cannot be written as {suffix}") from error
    if not done:
        raise OutputFailed(f"a picture of {rgb.shape[1]}x{rgb.shape[0]} cannot be written as {suffix}")
    return np.asarray(data).tobytes()


class PictureWriter:
    """Writes finished frames as numbered pictures into a folder, or one frame as one file.

    They gather in a hidden folder beside the target and move to their names when the block ends well; on an error nothing
    of what was there before has changed. A folder keeps the names of `sources`, the picture files that the frames come
    from, if there are any; none of them is ever replaced.
    """

    def __init__(self, target: Path, *, overwrite: bool, sources: Sequence[Path] = ()) -> None:
        self._target, self._overwrite, self._names = target, overwrite, _png_names(sources)
        self._single = target.suffix.lower() in WRITABLE and not PATTERN.search(target.name)
        is_pattern = not self._single and PATTERN.search(target.name) is not None
        if is_pattern and target.suffix.lower() not in WRITABLE:
            raise UsageError(f"{target}: a pattern needs an ending; accepted: {', '.join(WRITABLE)}")
        self._folder = target.parent if self._single or is_pattern else target
        self.num_frames = 0
        self.num_coincident = 0
        inputs = {source.resolve() for source in sources}
        for index in range(len(sources)):
            if self._path(index).resolve() in inputs:
                raise UsageError(f"{self._path(index)} is a picture of the source; give another folder or pattern")
        if not self._single and not overwrite and self._folder.is_dir():
            there = any(self._folder.iterdir()) if not is_pattern else bool(_numbered(target))
            if there:
                raise UsageError(f"{target}: there are files already; --overwrite replaces those of the same names")
        beside = self._folder if self._single or is_pattern else self._folder.parent
        self._staging = beside / f".{target.name}.part-{secrets.token_hex(4)}"

    def __enter__(self) -> "PictureWriter":
        try:
            self._staging.mkdir()
        except OSError as error:
            raise OutputFailed(f"{self._target}: {error.strerror}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._folder.mkdir(exist_ok=True)
                for part in self._staging.iterdir():
                    place(part, self._folder / part.name, overwrite=self._overwrite)
        finally:
            shutil.rmtree(self._staging, ignore_errors=True)

    def write(self, frame: Frame) -> None:
        """Write the frame's finished RGB picture, (H,W,3) of 8 or 16 bits; JPEG and WebP take 8."""
        assert isinstance(frame.result, Picture)
        if self._single and self.num_frames == 1:
            pattern = f"{self._target.stem}_%05d{self._target.suffix}"
            raise UsageError(f"{self._target}: the source has more than one frame; give a folder or {pattern}")
        path = self._path(frame.index)
        suffix = ".jpg" if path.suffix.lower() == ".jpeg" else path.suffix.lower()
        try:
            (self._staging / path.name).write_bytes(_encode(suffix, frame.result.planes[0]))
        except OSError as error:
            raise OutputFailed(f"{path}: {error.strerror or error}") from error
        self.num_frames += 1

    def _path(self, index: int) -> Path:
        if self._single:
            return self._target
        digits = PATTERN.search(self._target.name)
        if digits is not None:
            number = f"{index:0{digits.group(1) or 1}d}"
            return self._target.with_name(PATTERN.sub(number, self._target.name, count=1))
        return self._target / (self._names[index] if self._names else f"{index:05d}.png")


def _numbered(pattern: Path) -> list[Path]:
    """The files that a pattern such as out_%05d.png stands for."""
    before, after = PATTERN.split(pattern.name, maxsplit=1)[::2]
    digits = PATTERN.search(pattern.name)
    count = int(digits.group(1) or 1) if digits is not None else 1
    number = re.compile(re.escape(before) + rf"(\d{{{count},}})" + re.escape(after))
    folder = pattern.parent
    return [file for file in folder.iterdir() if number.fullmatch(file.name)] if folder.is_dir() else []


def _png_names(sources: Sequence[Path]) -> list[str]:
    """x.jpg -> x.png; x.jpg.png where x.webp stands beside it."""
    stems = Counter(source.stem for source in sources)
    return [f"{source.stem if stems[source.stem] == 1 else source.name}.png" for source in sources]
