"""Write frames as pictures: one file, a folder, or a numbered %05d pattern."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.files import sync
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.parts import Part, remove_leftovers
from rotoscope.base.placing import appeared, holds_old_files, move_files
from rotoscope.runtime.media.picture_codecs import WRITABLE, encode_picture
from rotoscope.runtime.media.sequence_files import PATTERN, frame_numbers, numbered


def is_picture_target(path: Path | None) -> bool:
    """The result is a picture, a folder of pictures or a numbered pattern; None is standard output, which is not."""
    return path is not None and (path.suffix.lower() in WRITABLE or not path.suffix or path.is_dir())


class PictureSink:
    """Writes finished frames as pictures that appear under their names together, at `finish`.

    Until then they stand in a hidden folder beside the target. If `finish` fails, everything that was there before is as it
    was. Names come from `sources`, the picture files of the frames, in the order of their indices:

        folder    x.jpg -> x.png; x.jpg.png if x.webp is a source too; 00000.png ... without sources
        pattern   the number in the source's name, so that shot.1001.png stays 1001; the frame's index without sources, or if
                  their names carry no single number

    Frames after the last source go on from its number. No source is ever replaced: UsageError if one would be.

    one_channel  the three channels of a frame hold the same numbers, which become the one of a PNG
    """

    def __init__(
        self,
        target: Path,
        *,
        overwrite: bool,
        sources: Sequence[Path] = (),
        quality: str | None = None,
        one_channel: bool = False,
    ) -> None:
        if target.name in ("", ".."):
            target = target.resolve()  # "." has no name that a hidden folder could have beside it
        self._target, self._overwrite, self._quality = target, overwrite, quality
        self._one_channel = one_channel
        self._names, self._numbers = _png_names(sources), frame_numbers(sources)
        self.num_frames = 0
        self.notes: list[str] = []
        self.kept: list[str] = []
        self.losses: Counter[str] = Counter()
        is_pattern = PATTERN.search(target.name) is not None
        self._single = target.suffix.lower() in WRITABLE and not is_pattern
        if is_pattern and target.suffix.lower() not in WRITABLE:
            raise UsageError(f"{target}: a pattern needs an ending; accepted: {', '.join(WRITABLE)}")
        self._folder = target.parent if self._single or is_pattern else target
        inputs = {source.resolve() for source in sources}
        for index in range(len(sources)):
            if self._path(index).resolve() in inputs:
                raise UsageError(f"{self._path(index)} is a picture of the source; give another folder or pattern")
        self._part = Part(self._folder / target.name if self._single or is_pattern else target, is_folder=True)
        remove_leftovers(self._part.path.parent)
        if not self._single and not overwrite and self._folder.is_dir():
            there = bool(numbered(target)) if is_pattern else any(self._folder.iterdir())
            if there:
                raise UsageError(
                    f"{target}: there are files already; --overwrite (in Python overwrite=True) replaces those of the same "
                    "names"
                )
        self._staging = self._part.path
        try:
            self._part.create()
        except BaseException:
            self.abort()
            raise

    def write(self, frame: Frame) -> None:
        """Write the frame's finished RGB picture, (H,W,3) of as many bits as `picture_codecs.bits_of` says."""
        assert isinstance(frame.result, Picture)
        if self._single and self.num_frames == 1:
            pattern = f"{self._target.stem}_%05d{self._target.suffix}"
            raise UsageError(f"{self._target}: the source has more than one frame; give a folder or {pattern}")
        path = self._path(frame.index)
        pixels = frame.result.planes[0][..., 0] if self._one_channel else frame.result.planes[0]
        try:
            (self._staging / path.name).write_bytes(
                encode_picture(path.suffix.lower(), pixels, self._quality, frame.result.alpha)
            )
        except OSError as error:
            raise OutputFailed(f"{path}: {error.strerror or error}") from error
        self.num_frames += 1

    def finish(self) -> None:
        """Give all pictures their names: a new folder by one rename, else one after the other.

        Raises OutputFailed, with nothing changed, if one of the names is taken.
        """
        try:
            for part in self._staging.iterdir():
                sync(part)
            if self._folder.exists():
                move_files(self._staging, self._folder, overwrite=self._overwrite)
                self._part.remove()
            else:
                self._rename_folder()
                self._part.release()
            sync(self._folder)
        except OSError as error:
            raise OutputFailed(f"{self._target}: {error.strerror or error}") from error

    def abort(self) -> None:
        """Remove the hidden folder and all pictures in it, unless the user's own old ones could not be moved back."""
        if holds_old_files(self._staging):
            self._part.release()
        else:
            self._part.remove()

    def _rename_folder(self) -> None:
        try:
            self._staging.rename(self._folder)
        except OSError:
            if self._folder.exists():
                raise OutputFailed(appeared(self._folder)) from None
            raise
        sync(self._folder.parent)

    def _path(self, index: int) -> Path:
        if self._single:
            return self._target
        digits = PATTERN.search(self._target.name)
        if digits is not None:
            number = index if self._numbers is None else self._number(index, self._numbers)
            return self._target.with_name(PATTERN.sub(f"{number:0{digits.group(1) or 1}d}", self._target.name, count=1))
        return self._target / self._name(index)

    def _name(self, index: int) -> str:
        """Name of a picture in a folder."""
        if not self._names:
            return f"{index:05d}.png"
        if index < len(self._names):
            return self._names[index]
        last = self._names[-1]
        if self._numbers is None:
            return f"{Path(last).stem}-{index - len(self._names) + 1:05d}.png"
        places = [found for found in re.finditer(r"\d+", last) if int(found[0]) == self._numbers[-1]]
        begin, end = places[-1].span()
        return f"{last[:begin]}{self._number(index, self._numbers):0{end - begin}d}{last[end:]}"

    @staticmethod
    def _number(index: int, numbers: Sequence[int]) -> int:
        """Number of a frame: that in its source's name, or after the last source in steps of the last two."""
        beyond = index - len(numbers) + 1
        step = numbers[-1] - numbers[-2] if len(numbers) > 1 else 1
        return numbers[index] if beyond <= 0 else numbers[-1] + step * beyond


def _png_names(sources: Sequence[Path]) -> list[str]:
    """x.jpg -> x.png; x.jpg.png if x.webp is a source too."""
    stems = Counter(source.stem for source in sources)
    return [f"{source.stem if stems[source.stem] == 1 else source.name}.png" for source in sources]
