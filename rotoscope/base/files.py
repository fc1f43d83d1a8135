"""A result appears under its name only when it is complete: written beside it as a hidden part file, synced, renamed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rotoscope.base.errors import OutputFailed, UsageError


def check_target(target: Path, *, source: Path | None, overwrite: bool, may_be_folder: bool = False) -> None:
    """Refuse a target that is the source, exists without `overwrite`, or whose folder is missing or read-only.

    may_be_folder  a folder without an ending takes an image sequence
    """
    if source is not None and source.exists() and target.exists() and target.samefile(source):
        raise UsageError(f"{target}: input and output are the same file")
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise UsageError(f"{target}: not a regular file")
    if target.is_file() and not overwrite:
        raise UsageError(f"{target} exists; --overwrite replaces it")
    if target.is_dir() and (target.suffix or not may_be_folder):
        raise UsageError(f"{target} is a folder; give the name of a file in it")
    folder = target.parent
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder}: not writable")


@contextmanager
def part_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A new hidden file beside the target; becomes the target when the block ends well, vanishes when it does not."""
    # A long name must stay below the file system's limit with its addition.
    part = target.with_name(f".{target.stem[:40]}.part-{secrets.token_hex(4)}{target.suffix}")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o666))
        yield part
        place(part, target, overwrite=overwrite)
    except OSError as error:
        raise OutputFailed(f"{target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def place(part: Path, target: Path, *, overwrite: bool) -> None:
    """Sync a finished file and give it its name."""
    _sync(part)
    if overwrite:
        part.replace(target)
    else:
        _rename_to_new(part, target)
    _sync(target.parent)


def _rename_to_new(part: Path, target: Path) -> None:
    """Rename without replacing a file that appeared meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise OutputFailed(f"{target} appeared while the result was being made; --overwrite replaces it") from None
    except OSError:  # a file system without hard links
        if target.exists():
            raise OutputFailed(f"{target} appeared while the result was being made; --overwrite replaces it") from None
        part.replace(target)


def _sync(path: Path) -> None:
    with suppress(PermissionError):  # Windows cannot open folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
