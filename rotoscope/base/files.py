"""Files: what one is by its first bytes, its digest, and results that appear under their name only when complete."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rotoscope.base.errors import OutputFailed, UsageError
from rotoscope.base.parts import Part
from rotoscope.base.placing import rename_to_new

# First bytes, in lower case and without leading white space, of files that are often given by mistake.
SIGNS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself (git lfs pull fetches it)"),
    (b"<!doctype", "a web page; download the file itself"),
    (b"<html", "a web page; download the file itself"),
    (b"#extm3u", "a playlist or script; give the media file itself"),
    (b"ffconcat", "a playlist or script; give the media file itself"),
    (b"v=0", "a playlist or script; give the media file itself"),
    (b"<?xml", "a playlist or script; give the media file itself"),
    (b"<mpd", "a playlist or script; give the media file itself"),
    (b"[playlist]", "a playlist or script; give the media file itself"),
    (b"\x89hdf\r\n", "an HDF5 file of Keras; export it to ONNX with tf2onnx"),
    (b"pk\x03\x04", "a zip archive or a PyTorch checkpoint"),
    (b"\x80", "a pickle, perhaps a PyTorch checkpoint"),
    (b"\x08", "perhaps an ONNX file (its name should end in .onnx)"),
)
HEAD_BYTES = 64  # enough for every sign


def what_it_is(head: bytes) -> str | None:
    """What a file is, by its first HEAD_BYTES bytes, for example "a web page; download the file itself"; None if unknown."""
    if not head:
        return "an empty file"
    start = head.lstrip().lower()
    return next((what for sign, what in SIGNS if start.startswith(sign)), None)


def describe_file(path: Path) -> str:
    """What a file is, for an error message: by its first bytes, or why they cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        return f"a file that cannot be read ({error.strerror or error})"
    return what_it_is(head) or "a file of no known kind, or damaged"


def why_unusable(path: Path, most_bytes: int) -> str | None:
    """Return why a path is not a readable file of at most `most_bytes`, for an error message; None if it is one.

    One byte is read at the most, so a pipe, a device and a file of terabytes are answered at once.
    """
    try:
        entry = path.stat()
        if stat.S_ISDIR(entry.st_mode):
            return "a folder; give the file in it"
        if not stat.S_ISREG(entry.st_mode):
            return "not a regular file"
        if entry.st_size > most_bytes:
            return f"has {entry.st_size:,} bytes; at most {most_bytes:,} are accepted"
        with path.open("rb") as file:
            file.read(1)  # files of /proc open and then cannot be read
            return None
    except FileNotFoundError:
        return "no such file"
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        return getattr(error, "strerror", None) or str(error)


def file_digest(*paths: Path) -> str:
    """sha256 of the bytes of some files, in hex."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def check_target(target: Path, *, source: Path | None, overwrite: bool, may_be_folder: bool = False) -> None:
    """Refuse a target that is the source, exists without `overwrite`, or whose folder is missing or read-only.

    may_be_folder  a folder without an ending takes an image sequence
    """
    if source is not None and source.exists() and target.exists() and target.samefile(source):
        raise UsageError(f"{target}: input and output are the same file")
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise UsageError(f"{target}: not a regular file")
    if target.is_file() and not overwrite:
        raise UsageError(f"{target} exists; --overwrite (in Python overwrite=True) replaces it")
    if target.is_dir() and (target.suffix or not may_be_folder):
        raise UsageError(f"{target} is a folder; give the name of a file in it")
    folder = target.parent
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder}: not writable")


@contextmanager
def part_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A new hidden file beside the target; becomes the target when the block ends well, is removed when it raises."""
    part = Part(target)
    try:
        part.create()
        yield part.path
        place(part.path, target, overwrite=overwrite)
    except OSError as error:
        raise OutputFailed(f"{target}: {error.strerror or error}") from error
    finally:
        part.remove()


def place(part: Path, target: Path, *, overwrite: bool) -> None:
    """Write a finished file to the disk and give it its name; raises OutputFailed if a file appeared there meanwhile."""
    sync(part)
    if overwrite:
        part.replace(target)
    else:
        rename_to_new(part, target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Write a file's bytes, or a folder's names, to the disk (fsync)."""
    with suppress(PermissionError):  # Windows cannot open folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
