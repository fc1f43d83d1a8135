"""Write all frames into one picture file: the pages of a TIFF, or an animated WebP with the times of the frames."""

import struct
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np

from rotoscope.base.errors import OutputFailed
from rotoscope.base.files import place
from rotoscope.base.frame import Frame, Picture
from rotoscope.base.parts import Part
from rotoscope.runtime.media.encoder_settings import picture_quality
from rotoscope.runtime.media.picture_codecs import encode_picture

SEVERAL = (".tif", ".tiff", ".webp")  # picture files that hold more than one frame
MOST_TIFF_BYTES = (1 << 32) - (1 << 26)  # offsets have 32 bits; the rest is room for the next page
_MS = Fraction(1, 1000)
_CHUNKS_START, _CHUNK = 12, struct.Struct("<4sI")  # of RIFF
_DURATION = 12  # bytes into an ANMF chunk: how long this frame is shown, 24 bits, milliseconds


class PagesSink:
    """Writes finished frames into one file, which appears under its name at `finish`."""

    def __init__(self, target: Path, *, overwrite: bool, quality: str | None = None) -> None:
        self._target, self._overwrite = target, overwrite
        self.num_frames = 0
        self.notes: list[str] = []
        self.kept: list[str] = []
        self.losses: Counter[str] = Counter()
        self._part = Part(target)
        self._part.create()
        made = _Animation if target.suffix.lower() == ".webp" else _Pages
        try:
            self._file: _Animation | _Pages = made(self._part.path, quality)
        except BaseException:
            self._part.remove()
            raise

    def write(self, frame: Frame) -> None:
        """Write the frame's finished RGB picture, (H,W,3) of as many bits as `picture_codecs.bits_of` says."""
        assert isinstance(frame.result, Picture)
        try:
            self._file.add(frame)
        except (OSError, av.FFmpegError) as error:
            raise OutputFailed(f"{self._target}: {getattr(error, 'strerror', None) or error}") from error
        self.num_frames += 1

    def finish(self) -> None:
        """Complete the file and give it its name; raises OutputFailed, with nothing changed, if the name is taken."""
        try:
            self._file.finish()
            place(self._part.path, self._target, overwrite=self._overwrite)
        except (OSError, av.FFmpegError) as error:
            raise OutputFailed(f"{self._target}: {getattr(error, 'strerror', None) or error}") from error
        self._part.release()

    def abort(self) -> None:
        """Remove what was written."""
        self._file.close()
        self._part.remove()


class _Pages:
    """The pages of a TIFF, each compressed like a file of one page."""

    def __init__(self, path: Path, quality: str | None) -> None:
        from PIL import TiffImagePlugin

        self._path, self._quality = path, quality
        self._file: IO[bytes] = path.open("w+b")
        self._writer: Any = TiffImagePlugin.AppendingTiffWriter(self._file)

    def add(self, frame: Frame) -> None:
        picture = _result(frame)
        data = encode_picture(".tif", picture.planes[0], self._quality, picture.alpha)
        if self._path.stat().st_size + len(data) > MOST_TIFF_BYTES:
            raise OutputFailed("a TIFF holds 4 GB; give a folder or a pattern such as page_%05d.tif")
        self._writer.write(data)
        self._writer.newFrame()

    def finish(self) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()


class _Animation:
    """An animated WebP, which is shown without end."""

    def __init__(self, path: Path, quality: str | None) -> None:
        number = picture_quality(".webp", quality)
        self._path = path
        self._settings = {"lossless": "1"} if number == 101 else {"quality": str(number)}
        self._container = av.open(str(path), "w", format="webp", options={"loop": "0"})
        self._stream: Any = None
        self._first_s, self._last_ms = Fraction(0), -1
        self._last_length_ms = 0

    def add(self, frame: Frame) -> None:
        picture = _result(frame)
        rgb = picture.planes[0]
        if self._stream is None:
            self._first_s = frame.seconds
            self._stream = self._container.add_stream("libwebp_anim", options=self._settings)
            self._stream.width, self._stream.height, self._stream.pix_fmt = rgb.shape[1], rgb.shape[0], "bgra"
            self._stream.codec_context.time_base = self._stream.time_base = _MS
        opacity = np.full(rgb.shape[:2], 255, np.uint8) if picture.alpha is None else picture.alpha
        shown = av.VideoFrame.from_ndarray(np.dstack([rgb[..., ::-1], opacity]), format="bgra")
        self._last_ms = max(self._last_ms + 1, round((frame.seconds - self._first_s) / _MS))
        self._last_length_ms = max(1, round(frame.duration * frame.time_base / _MS))
        shown.pts, shown.time_base = self._last_ms, _MS
        self._container.mux(self._stream.encode(shown))

    def finish(self) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self.close()
        _set_last_duration(self._path, self._last_length_ms)

    def close(self) -> None:
        self._container.close()


def _result(frame: Frame) -> Picture:
    assert isinstance(frame.result, Picture)
    return frame.result


def _set_last_duration(path: Path, milliseconds: int) -> None:
    """Write how long the last frame is shown: the encoder knows when frames begin, and takes a mean for the last one."""
    with path.open("r+b") as file:
        size, at, last = path.stat().st_size, _CHUNKS_START, None
        while at + _CHUNK.size <= size:
            file.seek(at)
            name, length = _CHUNK.unpack(file.read(_CHUNK.size))
            last = at if name == b"ANMF" else last
            at += _CHUNK.size + length + length % 2
        if last is not None:
            file.seek(last + _CHUNK.size + _DURATION)
            file.write(min(milliseconds, (1 << 24) - 1).to_bytes(3, "little"))
